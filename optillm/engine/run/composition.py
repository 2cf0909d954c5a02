"""Compositions: `a & b` hands a's answer to b, `a | b` runs both and keeps the better one.

A composition is a tree. The planner reads one whose leaves are slugs with their arguments, and makes of it one whose
leaves are stages, that is, techniques with valid options. What there is to know of an operator is in its class: its
sign, what it costs and how it runs. A new one is a class here and an entry in `OPERATORS`.

The conversation stays the client's own in every stage: an earlier answer enters as a seed among the candidates,
never in place of the question.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any, ClassVar, Final, Generic, TypeVar, cast

from optillm.engine.run.concurrency import most_telling
from optillm.engine.run.context import RequestContext
from optillm.engine.run.merging import Merging
from optillm.errors import BudgetExhausted, UpstreamError
from optillm.technique import Answer, BaseOptions, Cost
from optillm.techniques import Technique

L = TypeVar("L")
M = TypeVar("M")


SETTLED: Final = "the technique {technique} stopped early: more calls would hardly have changed the answer"
SKIPPED: Final = "{part} failed and was skipped"
FEWER: Final = "{failed} of {branches} branches failed"
"""What is recorded of a composition."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One technique with its options."""

    technique: Technique
    options: BaseOptions

    def __str__(self) -> str:
        return self.technique.slug


class Composition(ABC, Generic[L]):
    """A tree of operators; its leaves hold what is composed."""

    __slots__ = ()

    @abstractmethod
    def leaves(self) -> Iterator[L]:
        """Yield what the leaves hold, in the order written."""

    @abstractmethod
    def mapped(self, change: Callable[[L], M | None]) -> Composition[M] | None:
        """Return this composition with `change` applied to what each leaf holds.

        A leaf that becomes `None` is left out; without any leaf there is no composition.
        """

    def choices(self, requested: int, merging: Merging) -> int:  # noqa: ARG002 - an operator may give more
        """Return how many choices a request has that asks for `requested` of them."""
        return requested

    @abstractmethod
    def worst_case(self: Composition[Stage], choices: int, merging: Merging) -> Cost:
        """Return the most that running it can cost, if every call is of use."""

    @abstractmethod
    async def run(self: Composition[Stage], ctx: RequestContext, merging: Merging) -> Answer:
        """Run it and return its answer."""


Work = Composition[Stage]
"""What a request has done: techniques, composed."""


@dataclass(frozen=True, slots=True)
class Leaf(Composition[L]):
    """A composition of one."""

    content: L

    def __str__(self) -> str:
        return str(self.content)

    def leaves(self) -> Iterator[L]:
        """See `Composition.leaves`."""
        yield self.content

    def mapped(self, change: Callable[[L], M | None]) -> Composition[M] | None:
        """See `Composition.mapped`."""
        content = change(self.content)
        return None if content is None else Leaf(content)

    def worst_case(self: Leaf[Stage], choices: int, merging: Merging) -> Cost:  # noqa: ARG002
        """See `Composition.worst_case`."""
        return self.content.options.worst_case(choices)

    async def run(self: Leaf[Stage], ctx: RequestContext, merging: Merging) -> Answer:  # noqa: ARG002
        """See `Composition.run`."""
        technique, options = self.content.technique, self.content.options
        answer = await technique.run(ctx.at(technique.slug, ends_by_writing=options.ends_by_writing), options)
        if answer.stop == "settled":
            ctx.decide("settled", SETTLED, technique=technique.slug)
        return answer


@dataclass(frozen=True, slots=True)
class Operator(Composition[L]):
    """Two or more compositions, joined by a sign."""

    sign: ClassVar[str]

    parts: tuple[Composition[L], ...]

    def __str__(self) -> str:
        looser = OPERATORS[: OPERATORS.index(type(self))]
        return self.sign.join(f"({part})" if isinstance(part, looser) else str(part) for part in self.parts)

    def leaves(self) -> Iterator[L]:
        """See `Composition.leaves`."""
        for part in self.parts:
            yield from part.leaves()

    def mapped(self, change: Callable[[L], M | None]) -> Composition[M] | None:
        """See `Composition.mapped`; of two parts of which one is left out, the other remains."""
        parts = [part for each in self.parts if (part := each.mapped(change)) is not None]
        if len(parts) < 2:
            return parts[0] if parts else None
        return cast("type[Operator[M]]", type(self))(tuple(parts))


@dataclass(frozen=True, slots=True)
class Pipeline(Operator[L]):
    """One after the other, each improving on the answer before it."""

    sign: ClassVar[str] = "&"

    def worst_case(self: Pipeline[Stage], choices: int, merging: Merging) -> Cost:
        """See `Composition.worst_case`."""
        return sum((part.worst_case(choices, merging) for part in self.parts), Cost(0, 0))

    async def run(self: Pipeline[Stage], ctx: RequestContext, merging: Merging) -> Answer:
        """See `Composition.run`; a part that fails is skipped, except for the last one."""
        return await _in_turn(self.parts, ctx, merging)


async def _in_turn(parts: Sequence[Work], ctx: RequestContext, merging: Merging) -> Answer:
    head, *tail = parts
    if not tail:
        return await head.run(ctx, merging)
    proceeded = False

    async def rest(transformed: RequestContext) -> Answer:
        nonlocal proceeded
        proceeded = True
        return await _in_turn(tail, transformed.resumed(ctx), merging)

    try:
        answer = await head.run(ctx.before(rest), merging)
    except UpstreamError:
        if proceeded:
            raise
        ctx.ledger.degraded = True
        ctx.decide("degraded", SKIPPED, part=str(head))
        return await _in_turn(tail, ctx, merging)
    if proceeded:
        return answer
    ctx.ledger.adopt(answer.candidates[0])
    return await _in_turn(tail, ctx.seeded(answer.candidates[: ctx.choices]), merging)


@dataclass(frozen=True, slots=True)
class Parallel(Operator[L]):
    """Branches side by side; `Merging` makes one answer of theirs."""

    sign: ClassVar[str] = "|"

    def choices(self, requested: int, merging: Merging) -> int:
        """See `Composition.choices`."""
        return merging.choices(len(self.parts), requested)

    def worst_case(self: Parallel[Stage], choices: int, merging: Merging) -> Cost:
        """See `Composition.worst_case`."""
        branches = reduce(or_, (part.worst_case(1, merging) for part in self.parts))
        return branches + merging.cost(len(self.parts), choices)

    async def run(self: Parallel[Stage], ctx: RequestContext, merging: Merging) -> Answer:
        """See `Composition.run`; branches that fail are done without unless all do."""
        answers: dict[int, Answer] = {}
        errors: list[Exception] = []

        async def branch(index: int, apart: RequestContext) -> tuple[int, Answer]:
            return index, await self.parts[index].run(apart, merging)

        branches = [branch(index, apart) for index, apart in enumerate(ctx.apart(len(self.parts)))]
        async with aclosing(ctx.race(branches, len(branches))) as outcomes:
            async for outcome in outcomes:
                if isinstance(outcome, UpstreamError | BudgetExhausted):
                    errors.append(outcome)
                    continue
                index, answer = outcome
                answers[index] = answer
                if merging.ends_with(answer):
                    break
        if not answers:
            raise most_telling(errors)
        if errors:
            ctx.ledger.degraded = True
            ctx.decide("degraded", FEWER, failed=len(errors), branches=len(branches))
        first = next(iter(answers.values()))
        return await merging.merged([answers[index] for index in sorted(answers)], first, ctx)


OPERATORS: Final[tuple[type[Operator[Any]], ...]] = (Parallel, Pipeline)
"""The operators, the one that binds most loosely first."""
