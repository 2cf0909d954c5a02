"""The ledger of a request: what it may spend, what it has spent, its best answer so far.

Every upstream call is reserved before it starts and settled when it ends, judges, failures and cancelled
calls included. Nothing else counts tokens, and nothing else says no.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

from optillm.chat import Budget, Usage
from optillm.config.prices import Price, Prices
from optillm.engine.call.payload import prompt_tokens
from optillm.errors import BudgetExhausted
from optillm.technique import Candidate

JUDGE: Final = "judge"
"""The role of calls that only help to judge or to find an answer."""
ASSUMED_REPLY: Final = 1024
"""Tokens a reply is taken to need at worst when the request sets no limit."""


@dataclass(frozen=True, slots=True)
class WorstCase:
    """What a call may take at worst.

    That is tokens of its prompt and of its reply, and their price if it is known.
    """

    prompt: int = 0
    completion: int = 0
    price: Price | None = None

    @property
    def tokens(self) -> int:
        """Prompt and reply together."""
        return self.prompt + self.completion

    @property
    def cost(self) -> float:
        """US dollars, infinite when no price is known."""
        return float("inf") if self.price is None else self.price.of(Usage(self.prompt, self.completion))


NOT_ESTIMATED: Final = WorstCase()


def worst_case(body: Mapping[str, Any], price: Price | None) -> WorstCase:
    """Return the most a call may take.

    That is its prompt, estimated, and each of its choices at full length.
    """
    limit = reply_limit(body) or ASSUMED_REPLY
    return WorstCase(estimate(body).prompt_tokens, limit * (body.get("n") or 1), price)


def reply_limit(body: Mapping[str, Any]) -> int | None:
    """Return how many tokens one choice may have; `None` if the request does not say."""
    limit: int | None = body.get("max_completion_tokens") or body.get("max_tokens")
    return limit


def estimate(body: Mapping[str, Any], written: str = "", pieces: int = 0) -> Usage:
    """Return the usage of a call that reported none, marked as estimated.

    A token has about four characters, and each piece of a stream at least one token.
    """
    return Usage(prompt_tokens(body["messages"]), max(-(-len(written) // 4), pieces), estimated=True)


@dataclass(frozen=True, slots=True)
class Reservation:
    """Room for one call, and the worst case it was admitted with."""

    role: str
    worst: WorstCase


class Ledger:
    """Budget and usage of one request; `clock` gives seconds, `deadline` is a time on it.

    `cost` is in US dollars, and `None` as soon as a call was made whose price is not known. `degraded`: some round got
    by on less than half of what it asked for, or a part of the work was lost. `cut_for_time`: some work was cut so that
    the last call has its time. `judge_calls` were made to judge or help, and `judge_replies` of them gave a reply that
    could be read; `judge_round_lost`: in some round of them none did. `verdicts` counts those that were read, by how
    judges gave them, see `optillm.engine.run.judges`.
    """

    def __init__(self, budget: Budget, clock: Callable[[], float], prices: Prices | None = None) -> None:
        self.budget = budget
        self.prices = prices or Prices()
        self.clock = clock
        self.deadline = None if budget.seconds is None else clock() + budget.seconds
        self.calls: Counter[str] = Counter()
        self.losses: Counter[str] = Counter()
        self.usage = Usage()
        self.cost: float | None = 0.0
        self.degraded = False
        self.judge_calls = self.judge_replies = 0
        self.verdicts: Counter[str] = Counter()
        self.judge_round_lost = False
        self.cut_for_time = False
        self.best: Candidate | None = None
        self._offered: dict[int, Candidate] = {}
        self._best_score = float("-inf")
        self._reserved_tokens = 0
        self._reserved_cost = 0.0
        self._stopped_by_budget = False

    @property
    def stopped_by_budget(self) -> bool:
        """Whether some call was refused for want of budget."""
        return self._stopped_by_budget

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline, infinite without one."""
        return float("inf") if self.deadline is None else self.deadline - self.clock()

    @property
    def needs_worst_cases(self) -> bool:
        """Whether worst cases matter; where they do not, nobody need estimate them."""
        return self.budget.max_tokens is not None or self.budget.max_cost is not None

    def worst_case(self, body: Mapping[str, Any], price: Price | None) -> WorstCase:
        """Return the most a call may take of what the budget limits.

        What it does not limit is not estimated.
        """
        if not self.needs_worst_cases:
            return NOT_ESTIMATED if price is None else WorstCase(price=price)
        return worst_case(body, price)

    def affordable(self, worst_cases: Sequence[WorstCase]) -> int:
        """Return how many of these calls, first ones first, fit the budget at their worst.

        The ledger notes if not all do.
        """
        count = self._affordable(worst_cases)
        self._stopped_by_budget |= count < len(worst_cases)
        return count

    def affords_optional(self, worst: WorstCase) -> bool:
        """Return whether the budget allows a call that the request can do without.

        If it does not, that stops nothing.
        """
        return self._affordable([worst]) == 1

    def _affordable(self, worst_cases: Sequence[WorstCase]) -> int:
        count = len(worst_cases)
        if self.budget.max_calls is not None:
            count = min(count, max(0, self.budget.max_calls - self.calls.total()))
        if self.budget.max_tokens is not None:
            left = self.budget.max_tokens - self.usage.total_tokens - self._reserved_tokens
            count = min(count, sum(needed <= left for needed in accumulate(w.tokens for w in worst_cases)))
        if self.budget.max_cost is not None:
            dollars = self.budget.max_cost - (self.cost or 0.0) - self._reserved_cost
            count = min(count, sum(needed <= dollars for needed in accumulate(w.cost for w in worst_cases)))
        return count

    @property
    def choices(self) -> list[Candidate]:
        """All that there is to return, the best so far first.

        Of the others, complete ones come before cut ones.
        """
        others = sorted(self._offered.values(), key=lambda candidate: not candidate.complete)
        best = [] if self.best is None else [self.best]
        return [*best, *(c for c in others if self.best is None or c.index != self.best.index)]

    @property
    def judges_lost(self) -> bool:
        """Whether judge calls were made and none was of use, in the request or in a round of it."""
        return self.judge_round_lost or (self.losses["abstained"] > 0 and not self.judge_replies)

    def reserve(self, role: str, worst: WorstCase = NOT_ESTIMATED, *, optional: bool = False) -> Reservation:
        """Admit one call, or raise `BudgetExhausted`.

        An `optional` one that is refused stops nothing.
        """
        # Until there is an answer, a call is kept for it.
        kept = [WorstCase(price=worst.price)] if role == JUDGE and self.best is None else []
        affordable = self._affordable if optional else self.affordable
        if affordable([*kept, worst]) <= len(kept):
            raise self.exhausted(worst, kept=len(kept))
        self.calls[role] += 1
        if self.needs_worst_cases:
            self._reserved_tokens += worst.tokens
            self._reserved_cost += 0.0 if worst.price is None else worst.cost
        return Reservation(role, worst)

    def settle(self, reservation: Reservation, usage: Usage | None, loss: str | None = None) -> None:
        """Close a reservation with the tokens the call really took and, if it was lost, why."""
        worst = reservation.worst
        if self.needs_worst_cases:
            self._reserved_tokens -= worst.tokens
            self._reserved_cost -= 0.0 if worst.price is None else worst.cost
        if usage is not None:
            self.usage += usage
            self.cost = (
                None if self.cost is None or worst.price is None else self.cost + worst.price.of(usage)
            )
        if loss is not None:
            self.losses[loss] += 1

    def withdraw(self, reservation: Reservation) -> None:
        """Take back a call that has reached no model."""
        self.settle(reservation, None)
        self.calls -= Counter([reservation.role])

    def count_loss(self, loss: str) -> None:
        """Count a reply that was paid for and cannot be used."""
        self.losses[loss] += 1

    def adopt(self, candidate: Candidate) -> None:
        """Make a stage's answer the best so far; scores of the next stage start from nought."""
        self.best, self._best_score = candidate, 0.0

    def offer(self, candidate: Candidate, score: float) -> None:
        """Keep `candidate` as the best so far if it beats the kept one; complete ones beat cut ones."""
        self._offered[candidate.index] = candidate
        rank = score if candidate.complete else score - 1e9
        if rank > self._best_score:
            self.best, self._best_score = candidate, rank

    def exhausted(self, worst: WorstCase, kept: int = 0) -> BudgetExhausted:
        """Return the error of a call that the budget does not allow, in numbers.

        `kept` calls are for others.
        """
        return BudgetExhausted(
            f"the budget of this request allows no further call: {self._shortage(worst, kept)}"
        )

    def _shortage(self, worst: WorstCase, kept: int) -> str:
        budget, taken = self.budget, self.calls.total() + kept
        if budget.max_calls is not None and taken >= budget.max_calls:
            return f"{taken} of {budget.max_calls} calls are made or kept"
        if budget.max_tokens is not None:
            left = budget.max_tokens - self.usage.total_tokens - self._reserved_tokens
            if worst.tokens > left:
                room = f"{max(0, left)} of {budget.max_tokens} are left"
                return f"a call may take {worst.tokens} tokens, and {room}; set a smaller max_tokens"
        if worst.price is None:
            return "it bounds the cost, and no price is known for a model it would call"
        dollars = (budget.max_cost or 0.0) - (self.cost or 0.0) - self._reserved_cost
        return f"a call may cost ${worst.cost:.6f}, and ${max(0.0, dollars):.6f} of ${budget.max_cost:.6f} are left"
