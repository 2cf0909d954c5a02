"""The plain vote at equal tokens: what the same tokens would have bought with nothing but samples.

For each problem a pool of samples is drawn once. A vote of k is the plurality of k samples from it, averaged over
many draws; a tie counts the share of its answers that is right. A vote of 4.3 samples is one of 4 in seven cases of
ten, and one of 5 in three. A sample costs what it costs `self_consistency`: its own prompt and its reply.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import orjson
from optillm_simulator.server import complete
from optillm_simulator.wire import read_body

from benchmarks.exam import Paper, is_right
from optillm.toolkit.answers import clusters, extract

POOL: Final = 64
"""Samples of each problem."""
DRAWS: Final = 200
RESAMPLED: Final = 10_000
APART: Final = 1_000_000
"""What is added to the seeds of samples, so that they differ from those of the rows."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pool:
    """The samples of one problem.

    `votes` is which answer each gives (-1 for none), `right` which answers are correct, `tokens` the mean cost.
    """

    votes: npt.NDArray[np.int64]
    right: Floats
    tokens: float

    def accuracy(self, size: int, rng: np.random.Generator) -> float:
        """Return how often the plurality of `size` samples is right."""
        if not self.right.size:
            return 0.0
        orders = rng.permuted(np.tile(self.votes, (DRAWS, 1)), axis=1)[:, :size]
        counts = (orders[:, :, None] == np.arange(self.right.size)).sum(axis=1)
        leading = (counts == counts.max(axis=1, keepdims=True)) & (counts > 0)
        return float(np.mean((leading * self.right).sum(axis=1) / np.maximum(leading.sum(axis=1), 1)))


@dataclass(frozen=True)
class Difference:
    """A mean difference between paired values, and its 95 % interval by a paired bootstrap."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, ours: Sequence[float] | Floats, theirs: Sequence[float] | Floats) -> Difference:
        """Return how much more often ours are right than theirs, problem by problem."""
        differences = np.asarray(ours, dtype=np.float64) - np.asarray(theirs, dtype=np.float64)
        rng = np.random.default_rng(0)
        shares = rng.multinomial(len(differences), np.full(len(differences), 1 / len(differences)), RESAMPLED)
        low, high = np.percentile(shares @ differences / len(differences), [2.5, 97.5])
        return cls(float(differences.mean()), float(low), float(high))

    def __str__(self) -> str:
        return f"{100 * self.mean:+.1f} ({100 * self.low:+.1f} to {100 * self.high:+.1f})"


@dataclass(frozen=True)
class Vote:
    """The votes on all problems: the mean number of samples, and how often each problem comes out right."""

    size: float
    right: Floats


@dataclass(frozen=True)
class Pools:
    """The samples of all problems."""

    pools: Sequence[Pool]

    @cached_property
    def tokens(self) -> float:
        """Return the mean cost of one sample in tokens."""
        return float(np.mean([pool.tokens for pool in self.pools]))

    def vote(self, tokens: float) -> Vote:
        """Return the vote that costs `tokens` on average; at least one sample, at most all."""
        size = min(max(tokens / self.tokens, 1.0), float(POOL))
        fewer = int(size)
        right = (1 - (size - fewer)) * self._accuracies(fewer)
        if size > fewer:
            right = right + (size - fewer) * self._accuracies(fewer + 1)
        return Vote(size, right)

    def _accuracies(self, size: int) -> Floats:
        rng = np.random.default_rng(size)
        return np.array([pool.accuracy(size, rng) for pool in self.pools])


def draw(paper: Paper, model: str, start: int, stop: int) -> list[Pool]:
    """Sample the problems `start` up to, but not including, `stop` of a paper, and grade the samples."""

    async def graded() -> list[Pool]:
        return [await _pool(paper, model, number) for number in range(start, stop)]

    return asyncio.run(graded())


async def _pool(paper: Paper, model: str, number: int) -> Pool:
    problem = paper.problems()[number]
    messages = [{"role": "user", "content": problem.question}]
    body = {"model": model, "messages": messages, "n": POOL, "temperature": 0.7, "seed": APART + number}
    reply: dict[str, Any] = complete(read_body(orjson.dumps(body))).reply()
    texts = [choice["message"]["content"] for choice in reply["choices"]]
    answers = [extract(text, problem.question) for text in texts]
    groups = [group for group in clusters(answers) if answers[group[0]] is not None]
    votes = np.full(POOL, -1, dtype=np.int64)
    for index, group in enumerate(groups):
        votes[group] = index
    right = np.array([await is_right(texts[group[0]], problem) for group in groups], dtype=np.float64)
    usage = reply["usage"]
    return Pool(votes, right, usage["prompt_tokens"] + usage["completion_tokens"] / POOL)
