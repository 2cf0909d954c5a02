"""Compositions: `a & b` hands the answer of a to b as a candidate, `a | b` runs both and keeps the better one.

The conversation stays the client's own in every stage: an earlier answer enters as a seed among the candidates,
never in place of the question.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import reduce
from operator import or_
from typing import Final

from optillm.chat import Merge
from optillm.engine.plan.planner import Chain, Fork, Stage, Work
from optillm.engine.run.concurrency import most_telling
from optillm.engine.run.context import RequestContext
from optillm.errors import BudgetExhausted, UpstreamError
from optillm.technique import Answer, Candidate, Cost
from optillm.techniques import Technique

MOST_JUDGED: Final = 32
"""Answers of branches that are judged at most, as many as the judging technique takes."""


def worst_case(work: Work, choices: int, merge: Merge, judge: Technique) -> Cost:
    """The most that some work can take, when every call is of use."""
    match work:
        case Stage(_, options):
            return options.worst_case(choices)
        case Chain(parts):
            return sum((worst_case(part, choices, merge, judge) for part in parts), Cost(0, 0))
        case Fork(parts):
            branches = reduce(or_, (worst_case(part, 1, merge, judge) for part in parts))
            if merge != "select":
                return branches + Cost(choices - 1, min(choices - 1, 1))
            most = min(max(len(parts), choices), MOST_JUDGED)
            judged = judge.Options.model_validate({"n": most}).worst_case(choices)
            seeded = replace(judged, calls=judged.calls - most, rounds=judged.rounds - 1)
            return branches + (judged if choices > 1 else seeded)


async def perform(work: Work, ctx: RequestContext, merge: Merge, judge: Technique) -> Answer:
    """The answer of some work; `judge` is the technique that selects among the branches of a fork."""
    match work:
        case Stage(technique, options):
            return await technique.run(ctx.keeping_time(options.ends_by_writing), options)
        case Chain(parts):
            return await _chain(parts, ctx, merge, judge)
        case Fork(parts):
            return await _fork(parts, ctx, merge, judge)


async def _chain(parts: Sequence[Work], ctx: RequestContext, merge: Merge, judge: Technique) -> Answer:
    head, *tail = parts
    if not tail:
        return await perform(head, ctx, merge, judge)
    proceeded = False

    async def rest(transformed: RequestContext) -> Answer:
        nonlocal proceeded
        proceeded = True
        return await _chain(tail, transformed.resumed(ctx), merge, judge)

    try:
        answer = await perform(head, ctx.before(rest), merge, judge)
    except UpstreamError:
        if proceeded:
            raise
        ctx.ledger.degraded = True
        return await _chain(tail, ctx, merge, judge)
    if proceeded:
        return answer
    ctx.ledger.settle_on(answer.candidates[0])
    return await _chain(tail, ctx.seeded(answer.candidates[: ctx.choices]), merge, judge)


async def _fork(parts: Sequence[Work], ctx: RequestContext, merge: Merge, judge: Technique) -> Answer:
    apart = ctx.apart(len(parts))
    answers: list[tuple[int, Answer]] = []
    errors: list[Exception] = []

    async def branch(index: int) -> tuple[int, Answer]:
        return index, await perform(parts[index], apart[index], merge, judge)

    async with aclosing(ctx.race([branch(index) for index in range(len(parts))], len(parts))) as race:
        async for outcome in race:
            if isinstance(outcome, UpstreamError | BudgetExhausted):
                errors.append(outcome)
                continue
            answers.append(outcome)
            if merge == "first" and outcome[1].stop == "settled":
                break
    if not answers:
        raise most_telling(errors)
    ctx.ledger.degraded |= bool(errors)
    return await _merged(
        [answer for _, answer in sorted(answers, key=lambda a: a[0])], answers[0][1], ctx, merge, judge
    )


async def _merged(
    answers: Sequence[Answer], first: Answer, ctx: RequestContext, merge: Merge, judge: Technique
) -> Answer:
    """One answer from those of the branches, given in the order written; `first` arrived before the others."""
    if len(answers) == 1:
        return answers[0]
    best = [answer.candidates[0] for answer in answers]
    others = [candidate for answer in answers for candidate in answer.candidates[1:]]
    if merge == "choices":
        return Answer.of(*best, *others)
    if merge == "first":
        return next((answer for answer in answers if answer.stop == "settled"), first)
    seeds = _distinct([*best, *others])[: max(len(_distinct(best)), ctx.choices)]
    options = judge.Options.model_validate({"n": min(len(seeds), MOST_JUDGED)})
    selected = await judge.run(ctx.seeded(seeds), options)
    return replace(selected, stop="complete")


def _distinct(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The candidates without those that branches share."""
    return list({candidate.index: candidate for candidate in candidates}.values())
