"""The ledger of one request: what it may spend, what it has spent, and the best answer so far.

Every upstream call is reserved before it starts and settled when it ends, judges, failures and cancelled
calls included. Nothing else counts tokens, and nothing else says no.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from optillm.chat import Budget, Usage
from optillm.errors import BudgetExhausted
from optillm.technique import Candidate

JUDGE: Final = "judge"
"""The role of calls that only help to judge or to find an answer."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """Room for one call; `tokens` is the worst case it was admitted with."""

    role: str
    tokens: int


class Ledger:
    """Budget and usage of one request; `clock` gives seconds, `deadline` is a time on it."""

    def __init__(self, budget: Budget, clock: Callable[[], float]) -> None:
        self.budget = budget
        self.clock = clock
        self.deadline = None if budget.seconds is None else clock() + budget.seconds
        self.calls: Counter[str] = Counter()
        self.losses: Counter[str] = Counter()
        self.usage = Usage()
        self.degraded = False
        self.judged = False
        self.best: Candidate | None = None
        self._offered: dict[int, Candidate] = {}
        self._best_score = float("-inf")
        self._reserved_tokens = 0
        self._stopped_by_budget = False

    # `degraded`: some round got by on less than half of what it asked for, or a part of the work was lost.
    # `judged`: some judging or helping call was of use.

    @property
    def stopped_by_budget(self) -> bool:
        """Whether some call was refused for want of budget."""
        return self._stopped_by_budget

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline, infinite without one."""
        return float("inf") if self.deadline is None else self.deadline - self.clock()

    def room(self, worst_cases: Sequence[int]) -> int:
        """How many of these calls, first ones first, fit the budget at their worst-case tokens."""
        fit = self._fit(worst_cases)
        self._stopped_by_budget |= fit < len(worst_cases)
        return fit

    def spare(self, worst_case: int) -> bool:
        """Whether there is room for a call that the request can do without: its want stops nothing."""
        return self._fit([worst_case]) == 1

    def _fit(self, worst_cases: Sequence[int]) -> int:
        fit = len(worst_cases)
        if self.budget.max_calls is not None:
            fit = min(fit, max(0, self.budget.max_calls - self.calls.total()))
        if self.budget.max_tokens is not None:
            left = self.budget.max_tokens - self.usage.total_tokens - self._reserved_tokens
            fit = min(fit, sum(needed <= left for needed in accumulate(worst_cases)))
        return fit

    @property
    def choices(self) -> list[Candidate]:
        """All that there is to return, the best so far first, then the others, complete ones before cut ones."""
        others = sorted(self._offered.values(), key=lambda candidate: not candidate.complete)
        best = [] if self.best is None else [self.best]
        return [*best, *(c for c in others if self.best is None or c.index != self.best.index)]

    @property
    def unheard(self) -> bool:
        """Whether help was asked for and none came."""
        return self.losses["abstained"] > 0 and not self.judged

    def reserve(self, role: str, tokens: int = 0) -> Reservation:
        """Admit one call, or raise `BudgetExhausted`."""
        kept = (
            [0] if role == JUDGE and self.best is None else []
        )  # until there is an answer, a call is kept for it
        if self.room([*kept, tokens]) <= len(kept):
            raise BudgetExhausted("the budget of this request does not allow another upstream call")
        self.calls[role] += 1
        self._reserved_tokens += tokens
        return Reservation(role, tokens)

    def settle(self, reservation: Reservation, usage: Usage | None, loss: str | None = None) -> None:
        """Close a reservation with the tokens the call really took and, if it was lost, why."""
        self._reserved_tokens -= reservation.tokens
        if usage is not None:
            self.usage += usage
        if loss is not None:
            self.losses[loss] += 1

    def lose(self, loss: str) -> None:
        """Count a reply that was paid for and cannot be used."""
        self.losses[loss] += 1

    def settle_on(self, candidate: Candidate) -> None:
        """Make a stage's answer the best so far; scores of the next stage start from nought."""
        self.best, self._best_score = candidate, 0.0

    def offer(self, candidate: Candidate, score: float) -> None:
        """Keep `candidate` as the best so far if it beats the kept one; complete ones beat cut ones."""
        self._offered[candidate.index] = candidate
        rank = score if candidate.complete else score - 1e9
        if rank > self._best_score:
            self.best, self._best_score = candidate, rank
