"""What tells selection from luck: the candidates, and what plain samples would give.

The oracle would have returned a right candidate wherever there was one, and chance any of them. Regret is the share of
questions where a right candidate was there and another answer was returned. The vote at equal tokens is the plurality
of as many plain samples as the row's tokens pay for; they are those of the row that drew the most.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from optillm.evals.candidates import SAMPLE, answer_of
from optillm.evals.results import Result
from optillm.toolkit.answers import clusters

DRAWS: Final = 200
"""Votes that are drawn from the samples of a question."""
FULL: Final = 1 - 1e-9

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Vote:
    """The vote at equal tokens: how often it is right.

    Also how many samples vote, and how many the tokens would have paid for.
    """

    accuracy: float
    samples: float
    paid: float


@dataclass(frozen=True, slots=True)
class Selection:
    """The candidates of a row: how often any, a random or a rejected one was right."""

    oracle: float
    random: float
    regret: float
    vote: Vote | None


def selection(results: Sequence[Result], pool: Mapping[str, Samples]) -> Selection | None:
    """Return the selection of a row; `None` if any answer's candidates are unknown.

    A request that failed had no right candidate, and a candidate that could not be scored is wrong.
    """
    answered = [result for result in results if result.error is None]
    if not answered or not all(result.candidates for result in answered):
        return None
    shares = [mean(_is_right(each) for each in result.candidates) for result in answered]
    reached = [result.right or share > 0 for result, share in zip(answered, shares, strict=True)]
    missed = [there and not result.right for there, result in zip(reached, answered, strict=True)]
    return Selection(
        oracle=sum(reached) / len(results),
        random=sum(shares) / len(results),
        regret=sum(missed) / len(results),
        vote=vote(results, pool),
    )


def _is_right(candidate: Mapping[str, Any]) -> bool:
    return candidate["score"] is not None and candidate["score"] >= FULL


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of a question, and their mean tokens.

    `votes` has the answer that each gives (-1: none), `right` which answers are right.
    """

    votes: npt.NDArray[np.int64]
    right: Floats
    tokens: float

    @classmethod
    def of(cls, candidates: Sequence[Mapping[str, Any]]) -> Samples:
        """Group samples by their answers."""
        answers = [answer_of(each) for each in candidates]
        groups = [group for group in clusters(answers) if answers[group[0]] is not None]
        votes = np.full(len(candidates), -1, dtype=np.int64)
        for index, group in enumerate(groups):
            votes[group] = index
        right = [mean(_is_right(candidates[member]) for member in group) for group in groups]
        return cls(votes, np.array(right, dtype=np.float64), mean(each["tokens"] for each in candidates))

    def accuracy(self, size: int, chance: np.random.Generator) -> float:
        """Return how often the plurality of `size` of the samples is right.

        A tie counts by the share of its answers that are right.
        """
        if not self.right.size:
            return 0.0
        draws = 1 if size >= len(self.votes) else DRAWS
        drawn = chance.permuted(np.tile(self.votes, (draws, 1)), axis=1)[:, :size]
        counts = (drawn[:, :, None] == np.arange(self.right.size)).sum(axis=1)
        leading = (counts == counts.max(axis=1, keepdims=True)) & (counts > 0)
        return float(np.mean((leading * self.right).sum(axis=1) / np.maximum(leading.sum(axis=1), 1)))


def pooled(results: Sequence[Result]) -> dict[str, Samples]:
    """Return the samples of each question, from the row that drew the most.

    Rows are not pooled, since equal seeds would give equal samples.
    """
    most: dict[str, Sequence[Mapping[str, Any]]] = {}
    for result in results:
        samples = [each for each in result.candidates if each["origin"] == SAMPLE]
        if all(each["tokens"] for each in samples) and len(samples) > len(most.get(result.question, ())):
            most[result.question] = samples
    return {question: Samples.of(samples) for question, samples in most.items()}


def vote(results: Sequence[Result], pool: Mapping[str, Samples]) -> Vote | None:
    """Return the vote at the tokens of a row; `None` if some question has no samples.

    A vote of 4.3 samples is one of 4 in seven cases of ten, and one of 5 in three.
    """
    samples = [pool[result.question] for result in results if result.question in pool]
    if len(samples) < len(results):
        return None
    paid = mean(result.tokens for result in results) / mean(each.tokens for each in samples)
    size = max(1.0, paid)
    fewer, share = int(size), size % 1
    chance = np.random.default_rng(0)
    accuracies = [
        (1 - share) * each.accuracy(fewer, chance)
        + (share * each.accuracy(fewer + 1, chance) if share else 0.0)
        for each in samples
    ]
    return Vote(mean(accuracies), mean(min(size, len(each.votes)) for each in samples), paid)
