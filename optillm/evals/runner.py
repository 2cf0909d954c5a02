"""The run of an evaluation: all questions to all targets, several requests at a time.

It ends when all is done or a limit is reached. All rows get a question before any row gets the next one, so that a
run that ends early has pairs to compare.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from optillm.evals.answering import Answerer, Outcome
from optillm.evals.candidates import scored
from optillm.evals.forecast import NOTHING, Need
from optillm.evals.questions import Question
from optillm.evals.results import Result
from optillm.evals.scorers import Judge, Scorers, ScoringError, Tools
from optillm.evals.targets import Target

HOPELESS: Final = (401, 402, 403, 404)
"""Statuses of a wrong key, no credit and an unknown model: a row that begins with one would have no other."""
DOWN: Final = 20
"""Errors of a row one after the other that end the run."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What ends a run: dollars, tokens, seconds; `None` is no limit.

    `concurrency` is how many requests run at a time. No request is begun whose row usually takes more than is left
    beside those that run. These come to their end, so a limit can be passed by what they take beyond the usual.
    """

    cost: float | None = None
    tokens: int | None = None
    seconds: float | None = None
    concurrency: int = 8


@dataclass(frozen=True, slots=True)
class Item:
    """A question for a target; `reply` is its result if that is only to be scored."""

    question: Question
    target: Target
    reply: Result | None = None


class Store(Protocol):
    """Where results go."""

    def append(self, result: Result) -> None:
        """Keep a result."""


class Watcher(Protocol):
    """Who is shown results as they come."""

    def note(self, result: Result) -> None:
        """Take notice of a result."""


def items(
    questions: Sequence[Question], targets: Sequence[Target], results: Sequence[Result], *, retry_errors: bool
) -> list[Item]:
    """Return what is still to be done, including results that could not be scored.

    With `retry_errors`, errors are no results.
    """
    done = {result.key: result for result in results}
    pending = []
    for question in questions:
        for target in targets:
            result = done.get((question.id, target.name))
            if result is None or (retry_errors and result.error is not None):
                pending.append(Item(question, target))
            elif result.unscored is not None:
                pending.append(Item(question, target, result))
    return pending


class Run:
    """One run; `ended` says why it ended early, `None` if it did not."""

    def __init__(
        self,
        answerer: Answerer,
        scorers: Scorers,
        tools: Callable[[], Tools],
        store: Store,
        limits: Limits,
        each: Mapping[str, Need],
        watchers: Sequence[Watcher] = (),
    ) -> None:
        self.ended: str | None = None
        self._answerer = answerer
        self._scorers = scorers
        self._tools = tools
        self._store = store
        self._limits = limits
        self._each = dict(each)
        self._watchers = watchers
        self._spent = NOTHING
        self._running: Counter[str] = Counter()
        self._answered: Counter[str] = Counter()
        self._failed: Counter[str] = Counter()  # since the last answer
        self._tasks: list[asyncio.Task[None]] = []

    async def complete(self, pending: Sequence[Item]) -> None:
        """Do what is to be done."""
        self._deadline = asyncio.get_running_loop().time() + (self._limits.seconds or float("inf"))
        queue = iter(pending)
        workers = min(self._limits.concurrency, len(pending))
        async with asyncio.TaskGroup() as group:
            self._tasks = [group.create_task(self._work(queue)) for _ in range(workers)]

    def end(self, reason: str) -> None:
        """Begin no further request."""
        self.ended = self.ended or reason

    def cancel(self) -> None:
        """Cut the requests that run; what they took is lost."""
        for task in self._tasks:
            task.cancel()

    async def _work(self, queue: Iterator[Item]) -> None:
        for item in queue:
            if self._over(item):
                return
            name = item.target.name
            self._running[name] += 1
            try:
                result = await self._result(item)
            finally:
                self._running[name] -= 1
            if result is not None:
                self._keep(item, result)

    async def _result(self, item: Item) -> Result | None:
        """Return the scored result, or `None` for a target that cannot be used at all.

        Such a target ends the run.
        """
        if item.reply is not None:
            return await self._scored(item.question, replace(item.reply, unscored=None))
        outcome = await self._answerer.answer(item.target, item.question)
        if outcome.status in HOPELESS and not self._answered[item.target.name]:
            self.end(f"{item.target.name} cannot be used: {outcome.error}")
            return None
        result = _unscored(item, outcome)
        if result.error is not None:
            return result
        return await self._scored(item.question, await self._with_candidates(item.question, result, outcome))

    async def _with_candidates(self, question: Question, result: Result, outcome: Outcome) -> Result:
        """Return a result with its candidates, unless scoring them would cost calls."""
        scorer = self._scorers.of(question)
        if outcome.trace is None or isinstance(scorer, Judge):
            return result
        return replace(result, candidates=await scored(outcome.trace, question, scorer, self._tools()))

    async def _scored(self, question: Question, result: Result) -> Result:
        try:
            mark = await self._scorers.of(question).score(question, result.text, self._tools())
        except ScoringError as error:
            return replace(result, unscored=str(error))
        return replace(result, score=mark.value, scoring_tokens=mark.tokens, scoring_cost=mark.cost)

    def _keep(self, item: Item, result: Result) -> None:
        self._store.append(result)
        for watcher in self._watchers:
            watcher.note(result)
        if item.reply is None:
            self._count(result)

    def _count(self, result: Result) -> None:
        name = result.target
        took = Need(
            result.calls,
            result.tokens + result.scoring_tokens,
            (result.cost or 0.0) + (result.scoring_cost or 0.0),
            result.seconds,
        )
        self._spent = Need(*(a + b for a, b in zip(_values(self._spent), _values(took), strict=True)))
        if result.error is None:
            self._answered[name] += 1
            self._failed[name] = 0
            self._learn(name, took)
            return
        self._failed[name] += 1
        if self._failed[name] >= DOWN:
            self.end(f"the last {DOWN} requests of {name} failed: {result.error}")

    def _learn(self, name: str, took: Need) -> None:
        """Bring the usual need of a row towards that of a result."""
        weight = 1 / min(self._answered[name], DOWN)
        usual = zip(_values(self._each.get(name, took)), _values(took), strict=True)
        self._each[name] = Need(*((1 - weight) * old + weight * new for old, new in usual))

    def _over(self, item: Item) -> bool:
        """Return whether no more is to be begun, and end the run if this item would break a limit."""
        if self.ended is not None:
            return True
        running = self._running + Counter([item.target.name])
        needs = [self._each.get(name, NOTHING).times(count) for name, count in running.items()]
        _, tokens, cost, _ = map(sum, zip(*map(_values, [self._spent, *needs]), strict=True))
        limits = self._limits
        if limits.cost is not None and cost > limits.cost:
            self.end(f"the next request would exceed ${limits.cost:g} (--max-cost)")
        elif limits.tokens is not None and tokens > limits.tokens:
            self.end(f"the next request would exceed {limits.tokens:,} tokens (--max-tokens)")
        elif asyncio.get_running_loop().time() >= self._deadline:
            self.end(f"{(limits.seconds or 0) / 60:g} minutes are up (--max-minutes)")
        return self.ended is not None


def _values(need: Need) -> tuple[float, float, float, float]:
    """Return a need with 0 for what is not known."""
    return need.calls, need.tokens or 0.0, need.cost or 0.0, need.seconds


def _unscored(item: Item, outcome: Outcome) -> Result:
    usage = outcome.usage
    return Result(
        question=item.question.id,
        target=item.target.name,
        digest=item.question.digest,
        group=item.question.group,
        error=outcome.error and f"{outcome.status}: {outcome.error}",
        text=outcome.text,
        stop=outcome.stop,
        calls=outcome.calls,
        rounds=outcome.rounds,
        input_tokens=None if usage is None else usage.prompt_tokens,
        output_tokens=None if usage is None else usage.completion_tokens,
        cost=outcome.cost,
        seconds=round(outcome.seconds, 4),
    )
