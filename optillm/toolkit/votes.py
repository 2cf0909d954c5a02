"""When a vote is safe to close."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

from optillm.toolkit.answers import FinalAnswer, clusters


def standing(answers: Sequence[FinalAnswer | None]) -> tuple[int, int]:
    """The votes of the leading answer and of the next; who states none has no vote."""
    votes = [*map(len, clusters([answer for answer in answers if answer is not None])), 0, 0]
    return votes[0], votes[1]


def beta_stop(lead: int, runner_up: int) -> float:
    """How probable it is that the leading answer is the more frequent of the top two.

    The mass above ½ of Beta(lead + 1, runner_up + 1), in closed form; Adaptive-Consistency stops at 0.95
    (https://arxiv.org/abs/2305.11860). Raises `ValueError` when the runner-up leads.
    """
    if not 0 <= runner_up <= lead:
        raise ValueError("the lead has at least as many votes as the runner-up, and nobody fewer than none")
    trials = lead + runner_up + 1
    return float(sum(comb(trials, k) for k in range(lead + 1)) / 2**trials)
