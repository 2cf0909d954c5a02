"""Find where a technique's instruction should go for a model.

A dozen questions are asked with it in each place. The questions have known answers, and are the same for every model.
The instruction is the one of `cot_reflection`. A place is recommended only if chance alone would hardly make it that
much better; otherwise the default is, which keeps prompt caches.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from math import comb, inf
from typing import Any, Final, NamedTuple

from optillm.chat import Reply, Usage
from optillm.commands.doctor.report import Finding
from optillm.engine.call.adapted import Adapted
from optillm.engine.call.call import Call, Result
from optillm.engine.call.ledger import estimate
from optillm.engine.call.payload import PLACEMENTS, Payload, Placement
from optillm.engine.run.excerpts import after
from optillm.engine.upstream.capabilities import Capabilities
from optillm.engine.upstream.client import Upstream
from optillm.engine.upstream.limiter import Limiters
from optillm.engine.upstream.replies import read_replies
from optillm.engine.upstream.routes import Route
from optillm.errors import UpstreamError
from optillm.techniques.cot_reflection import NOTES, REFLECT
from optillm.toolkit.answers import extract

QUESTIONS: Final = 12
TOKENS: Final = 256
"""The token limit of each reply."""
TOGETHER: Final = 4
"""Calls in flight: a local server has few slots, and a call that waits for one uses up its time."""
CHANCE: Final = 0.1
"""A difference is believed if chance alone makes it with at most this probability."""
SEED: Final = 12
DEFAULT: Final = "after"
MARKER: Final = "=== 5f2c81d0 ==="
_NUMBER: Final = re.compile(r"\d+")
WORDS: Final = ("strawberry", "banana", "committee", "bookkeeper", "parallel", "reference")


class Question(NamedTuple):
    """A question and its answer, an integer."""

    text: str
    answer: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one call: `right` is `None` if it failed, for the reason in `error`.

    `cut` says that the reply ended at its limit, `moved` that the upstream accepted the instruction only elsewhere.
    """

    right: bool | None
    error: UpstreamError | None = None
    cut: bool = False
    moved: bool = False
    usage: Usage | None = None


Outcomes = Sequence[Outcome]
Words = Callable[[UpstreamError], str]
"""Puts an upstream's error into words that are safe to show."""


def questions() -> list[Question]:
    """Return the questions, the same each time.

    They are sums and products of small numbers, and letters in a word.
    """
    chance = random.Random(SEED)  # noqa: S311 - chance, not secrecy
    return [kind(chance) for kind in islice(cycle((_sum, _product, _letters)), QUESTIONS)]


def _sum(chance: random.Random) -> Question:
    left, right = chance.randint(11, 89), chance.randint(11, 89)
    return Question(f"What is {left} + {right}?", str(left + right))


def _product(chance: random.Random) -> Question:
    left, right = chance.randint(3, 9), chance.randint(3, 9)
    return Question(f"What is {left} * {right}?", str(left * right))


def _letters(chance: random.Random) -> Question:
    word = chance.choice(WORDS)
    letter = chance.choice(word)
    text = f"How many times does the letter {letter} occur in the word {word}?"
    return Question(text, str(word.count(letter)))


async def compared(
    upstream: Upstream, model: str, limit: str, patience: float, in_words: Words
) -> list[Finding]:
    """Ask the questions with the instruction in each place.

    Return the results and which place is best. `limit` is the name of the token limit that the upstream understands.
    Each call gets `patience` seconds, and none is repeated.
    """
    survey = _Survey(upstream, model, limit, patience)
    surveys = [survey.outcomes(placement) for placement in PLACEMENTS.values()]
    outcomes = dict(zip(PLACEMENTS, await asyncio.gather(*surveys), strict=True))
    lines = [_placement_line(name, outcomes[name], in_words) for name in PLACEMENTS]
    return [*lines, _usage_line(outcomes.values()), _advice_line(outcomes)]


class _Survey:
    """The calls to one model."""

    def __init__(self, upstream: Upstream, model: str, limit: str, patience: float) -> None:
        self._route = Route(upstream, Limiters(TOGETHER))
        self._model = model
        self._limit = limit
        self._patience = patience
        self._capabilities = Capabilities(expires=inf)
        self._in_flight = asyncio.Semaphore(TOGETHER)

    async def outcomes(self, placement: Placement) -> Outcomes:
        return await asyncio.gather(*(self._outcome(question, placement) for question in questions()))

    async def _outcome(self, question: Question, placement: Placement) -> Outcome:
        payload = Payload(
            self._model,
            [{"role": "user", "content": question.text}],
            {self._limit: TOKENS, "temperature": 0},
            {"temperature": None},
            REFLECT.format(notes=NOTES, marker=MARKER),
            placement=placement,
        )
        try:
            async with self._in_flight, asyncio.timeout(self._patience):
                messages, reply, usage = await self._answer(payload)
        except UpstreamError as error:
            return Outcome(None, error)
        except TimeoutError:
            return Outcome(None, UpstreamError(f"no answer within {self._patience:g} seconds"))
        except (AttributeError, LookupError, TypeError):  # JSON, but no chat completion
            return Outcome(None, UpstreamError("the upstream's reply is no chat completion"))
        cut, moved = reply.finish_reason == "length", messages != payload.conversation()
        return Outcome(_is_right(reply, question), cut=cut, moved=moved, usage=usage)

    async def _answer(self, payload: Payload) -> tuple[Any, Reply, Usage]:
        """Return the messages in the form that the model takes, its reply, and the usage."""
        call = Call("generate", payload)
        call.route = self._route
        result = await Adapted(lambda *_: self._capabilities)(call, self._sent)
        return call.body["messages"], result.replies[0], result.usage

    async def _sent(self, call: Call) -> Result:
        wire = await call.route.upstream.chat(call.body, None)
        replies = read_replies(wire)
        if not replies:
            raise UpstreamError("the upstream's reply has no choices")
        return Result(replies, Usage.read(wire.get("usage")) or estimate(call.body, replies[0].text))


def _is_right(reply: Reply, question: Question) -> bool:
    """Return whether the final answer is right; where none can be read, the last number counts."""
    text = after(reply, MARKER).text
    answer = extract(text, question.text)
    if answer is not None and answer.kind == "number":
        return answer.value == question.answer
    return _NUMBER.findall(text)[-1:] == [question.answer]


# The lines of the report.


def _placement_line(name: str, outcomes: Outcomes, in_words: Words) -> Finding:
    details = "; ".join(_details(outcomes, in_words))
    return Finding(f"instructions {name}", f"{_right(outcomes)} of {QUESTIONS}", details)


def _details(outcomes: Outcomes, in_words: Words) -> Iterator[str]:
    yield "right answers"
    if any(outcome.moved for outcome in outcomes):
        yield "the upstream refuses them there, so they stood elsewhere"
    if cut := sum(outcome.cut for outcome in outcomes):
        yield f"{cut} replies ended at their limit of {TOKENS} tokens"
    if errors := [outcome.error for outcome in outcomes if outcome.error]:
        yield f"{len(errors)} calls failed, the first: {in_words(errors[0])}"


def _usage_line(surveys: Iterable[Outcomes]) -> Finding:
    calls = [outcome for outcomes in surveys for outcome in outcomes]
    usages = [outcome.usage for outcome in calls if outcome.usage is not None]
    read = sum(usage.prompt_tokens for usage in usages)
    written = sum(usage.completion_tokens for usage in usages)
    about = "about " if any(usage.estimated for usage in usages) else ""
    bound = f"{TOKENS} tokens at most for each reply, {TOKENS * len(calls):,} for all"
    return Finding(
        "calls for that", str(len(calls)), f"{bound}; used: {about}{read:,} to read, {written:,} to write"
    )


def _advice_line(outcomes: Mapping[str, Outcomes]) -> Finding:
    if all(outcome.right is None for survey in outcomes.values() for outcome in survey):
        return Finding("instructions", "unclear", "no call was answered")
    best = max(outcomes, key=lambda name: _right(outcomes[name]))  # the first of equals
    if best == DEFAULT:
        return Finding(
            "instructions", best, "no other place gave more right answers, and this one keeps prompt caches"
        )
    better, worse = _differing(outcomes[best], outcomes[DEFAULT])
    counts = f"{better} answers were right only with {best}, {worse} only with {DEFAULT}"
    if by_chance(better, worse) > CHANCE:
        return Finding("instructions", "unclear", f"{counts}: too few to tell; {DEFAULT} keeps prompt caches")
    chance = f"chance alone makes such a difference in {by_chance(better, worse):.0%} of all cases"
    return Finding("instructions", best, f"{counts}; {chance}: set --instructions {best}")


def _right(outcomes: Outcomes) -> int:
    return sum(outcome.right is True for outcome in outcomes)


def _differing(ones: Outcomes, others: Outcomes) -> tuple[int, int]:
    """Return how many questions were right in the first place only, and in the second only.

    A question counts if both calls were answered.
    """
    pairs = [(one.right, other.right) for one, other in zip(ones, others, strict=True)]
    return pairs.count((True, False)), pairs.count((False, True))


def by_chance(better: int, worse: int) -> float:
    """Return the chance of at least `better` heads in `better` + `worse` throws of a coin."""
    throws = better + worse
    ways = sum(comb(throws, heads) for heads in range(better, throws + 1))
    return ways * 0.5**throws
