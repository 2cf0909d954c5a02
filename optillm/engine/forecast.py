"""What a request would take, said before anything is sent.

A worst case is that of an upstream whose every reply is of use. Calls that fail and are repeated, and replies
that are lost and replaced, come on top, and never beyond the budget.
"""

from __future__ import annotations

from typing import Any

from optillm.chat import Budget, ChatRequest, Merge
from optillm.engine.composition import worst_case
from optillm.engine.plan import NONE
from optillm.engine.planner import Stage, Work
from optillm.technique import Cost
from optillm.techniques import Technique


def forecast(
    work: Work | None, model: str, request: ChatRequest, budget: Budget, merge: Merge, judge: Technique
) -> dict[str, Any]:
    """The plan of a request as JSON; `work` is `None` for a plain call."""
    cost = Cost(1, 1) if work is None else _cost(work, request, merge, judge)
    limit = request.body.get("max_completion_tokens") or request.body.get("max_tokens")
    fits = budget.max_calls is None or cost.calls <= budget.max_calls
    return {
        "object": "plan",
        "model": model,
        "technique": NONE if work is None else str(work),
        "options": {} if work is None else options_of(work),
        "worst_case": {
            "calls": cost.calls,
            "rounds": cost.rounds,
            "completion_tokens": cost.calls * limit if limit else None,
        },
        "budget": {
            "max_calls": budget.max_calls,
            "max_tokens": budget.max_tokens,
            "seconds": budget.seconds,
        },
        "fits": fits,
    }


def options_of(work: Work) -> dict[str, Any]:
    """The options that run: a technique's own, or those of each technique of a composition by slug."""
    if isinstance(work, Stage):
        return work.options.model_dump()
    return {stage.technique.slug: stage.options.model_dump() for stage in work.stages()}


def _cost(work: Work, request: ChatRequest, merge: Merge, judge: Technique) -> Cost:
    choices = request.choices
    faithful = Cost(1, 1) if request.offers_tools else Cost(0, 0)
    demanded = (request.body.get("response_format") or {}).get("type") in ("json_object", "json_schema")
    mended = Cost(choices, 1) if demanded else Cost(0, 0)
    return faithful + worst_case(work, choices, merge, judge) + mended
