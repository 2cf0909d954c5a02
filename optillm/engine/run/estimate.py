"""What a request would take, said before anything is sent.

A worst case is that of an upstream whose every reply is of use. Calls that fail and are repeated, and replies
that are lost and replaced, come on top, and never beyond the budget. Tokens are estimated: four characters each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from optillm.chat import NONE, Budget, ChatRequest, Usage, content_text
from optillm.config.prices import Price
from optillm.engine.call.ledger import estimate, reply_limit
from optillm.engine.run.composition import Work
from optillm.engine.run.merging import Merging
from optillm.engine.run.payloads import TEXT_LIMIT
from optillm.engine.run.structured import CallForm
from optillm.technique import Cost

PROMPT: Final = 1024
"""Tokens of a technique's own words in one prompt at most."""
MARKS: Final = 32
"""Tokens around a text that is quoted."""


@dataclass(frozen=True, slots=True)
class Estimator:
    """Estimates what work takes for one request, with its branches merged in one way.

    `price` gives the price of a model.
    """

    request: ChatRequest
    model: str
    merging: Merging
    price: Callable[[str], Price | None]

    def cost(self, work: Work | None) -> Cost:
        """Calls and rounds of some work at worst, of a plain call for `None`."""
        return Cost(1, 1) if work is None else _cost(work, self.request, self.merging)

    def affordable(self, work: Work, budget: Budget) -> bool:
        """Whether the calls of some work keep the budget at worst."""
        return _within(self.cost(work).calls, budget.max_calls)

    def tokens(self, work: Work | None, cost: Cost) -> tuple[int, int] | None:
        """Return the tokens of all prompts and of all replies at worst.

        That is `None` where the request sets replies no limit.
        """
        body = self.request.body
        limit = reply_limit(body)
        if limit is None:
            return None
        prompt = estimate(body).prompt_tokens
        if work is None:
            return prompt, limit * self.request.choices
        helped = max(limit, TEXT_LIMIT)
        question = self.request.messages[-1]  # which may be put twice
        each = prompt + len(content_text(question)) // 4 + PROMPT
        quoted = cost.quoted_answers * (limit + MARKS) + cost.quoted_judge_replies * (TEXT_LIMIT + MARKS)
        generated = (cost.calls - cost.judge_calls) * limit + cost.judge_calls * helped
        return cost.calls * each + quoted, generated

    def dollars(self, work: Work | None, tokens: tuple[int, int] | None) -> float | None:
        """Return the price of so many tokens, all of them of the dearest model.

        That is `None` where a price is not known.
        """
        stages = () if work is None else work.leaves()
        models = {self.model, *(model for stage in stages for model in stage.options.other_models())}
        prices = [self.price(model) for model in models]
        known_prices = [price for price in prices if price is not None]
        if tokens is None or len(known_prices) < len(prices):
            return None
        return max(price.of(Usage(*tokens)) for price in known_prices)


def forecast(
    requested: Work | None, work: Work | None, estimator: Estimator, budget: Budget
) -> dict[str, Any]:
    """Return the plan of a request as JSON.

    `work` is what of the requested work fits, `None` for a plain call.
    """
    cost = estimator.cost(work)
    tokens = estimator.tokens(work, cost)
    dollars = estimator.dollars(work, tokens)
    plan = {
        "object": "plan",
        "model": estimator.model,
        "technique": NONE if work is None else str(work),
        "options": {} if work is None else options_of(work),
        "worst_case": {
            "calls": cost.calls,
            "rounds": cost.rounds,
            "prompt_tokens": tokens and tokens[0],
            "completion_tokens": tokens and tokens[1],
            "cost": dollars,
        },
        "budget": {
            "max_calls": budget.max_calls,
            "max_tokens": budget.max_tokens,
            "seconds": budget.seconds,
            "max_cost": budget.max_cost,
        },
        "fits": _within(cost.calls, budget.max_calls)
        and _within(tokens and sum(tokens), budget.max_tokens)
        and _within(dollars, budget.max_cost),
    }
    shrunk = requested is not None and work != requested
    return {**plan, "asked": options_of(requested)} if requested is not None and shrunk else plan


def _within(worst: float | None, bound: float | None) -> bool:
    """Whether a worst case keeps a bound; one that is not known does not."""
    return bound is None or (worst is not None and worst <= bound)


def options_of(work: Work) -> dict[str, Any]:
    """Return the options that run: a technique's own, or by slug those of a composition."""
    stages = list(work.leaves())
    if len(stages) == 1:
        return stages[0].options.model_dump()
    return {stage.technique.slug: stage.options.model_dump() for stage in stages}


def _cost(work: Work, request: ChatRequest, merging: Merging) -> Cost:
    choices = request.choices
    forced = CallForm.of(request.body) is not None
    faithful = Cost(1, 1) if request.offers_tools and not forced else Cost(0, 0)
    asks_for_json = (request.body.get("response_format") or {}).get("type") in ("json_object", "json_schema")
    mended = Cost(choices, 1, quoted_answers=choices) if forced or asks_for_json else Cost(0, 0)
    return faithful + work.worst_case(choices, merging) + mended
