"""Decide when a vote can be closed safely."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

from optillm.toolkit.answers import FinalAnswer, clusters


def standing(answers: Sequence[FinalAnswer | None]) -> tuple[int, int]:
    """Return the votes of the leading answer, and the most that a rival may have.

    A reply without an answer has no vote. Answers in different words may mean the same, so all of them that do not
    lead count as one rival.
    """
    stated = [answer for answer in answers if answer is not None]
    groups = clusters(stated)
    in_words = sum(len(group) for group in groups[1:] if stated[group[0]].in_words)
    lead, runner_up = [*map(len, groups), 0, 0][:2]
    return lead, max(runner_up, min(in_words, lead))


def in_doubt(answers: Sequence[FinalAnswer | None]) -> bool:
    """Return whether worded answers could overtake the leading one if they meant the same."""
    stated = [answer for answer in answers if answer is not None]
    groups = clusters(stated)
    rivals = [len(group) for group in groups[1:] if stated[group[0]].in_words]
    return len(rivals) > 1 and sum(rivals) >= len(groups[0])


def beta_stop(lead: int, runner_up: int) -> float:
    """Return how probable it is that the leading answer is the more frequent of the top two.

    This is the mass above ½ of Beta(lead + 1, runner_up + 1), in closed form; Adaptive-Consistency stops at 0.95
    (https://arxiv.org/abs/2305.11860). Raises `ValueError` if the runner-up leads.
    """
    if not 0 <= runner_up <= lead:
        raise ValueError("the lead has at least as many votes as the runner-up, and nobody fewer than none")
    trials = lead + runner_up + 1
    return float(sum(comb(trials, k) for k in range(lead + 1)) / 2**trials)


def confident(answers: Sequence[FinalAnswer | None], least: int, confidence: float) -> bool:
    """Return whether the leader has `least` votes and probably leads the second for good."""
    lead, runner_up = standing(answers)
    return lead >= least and beta_stop(lead, runner_up) >= confidence
