"""When a vote is safe to close, and how often the plurality of clustered answers is right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import factorial, prod

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optillm.toolkit.answers import FinalAnswer, clusters
from optillm.toolkit.judging.votes import beta_stop, confident

ANSWER = FinalAnswer("", "number", "0")


@pytest.mark.parametrize(
    ("lead", "runner_up", "probability"),
    [
        (3, 0, 0.9375),
        (4, 0, 0.96875),
        (5, 1, 0.9375),
        (6, 1, 0.96484),
        (7, 2, 0.94531),
        (8, 2, 0.96729),
        (9, 3, 0.95386),
        (0, 0, 0.5),
    ],
)
def test_the_stopping_probability_is_that_of_the_closed_form(
    lead: int, runner_up: int, probability: float
) -> None:
    assert beta_stop(lead, runner_up) == pytest.approx(probability, abs=5e-6)


@given(st.integers(0, 200), st.integers(0, 200))
def test_the_stopping_probability_grows_with_the_lead(lead: int, runner_up: int) -> None:
    low, high = sorted((lead, runner_up))
    assert 0.5 <= beta_stop(high, low) <= beta_stop(high + 1, low) <= 1


def test_the_stopping_probability_needs_a_leader() -> None:
    with pytest.raises(ValueError, match="lead"):
        beta_stop(1, 2)


@pytest.mark.parametrize(("lead", "least", "sure"), [(5, 5, True), (5, 6, False), (3, 1, False)])
def test_a_leader_is_certain_with_enough_votes_and_enough_of_a_lead(
    lead: int, least: int, sure: bool
) -> None:
    assert confident([ANSWER] * lead + [None], least, 0.95) is sure


def _counts(votes: int, outcomes: int) -> Iterator[tuple[int, ...]]:
    if outcomes == 1:
        yield (votes,)
        return
    for first in range(votes + 1):
        for rest in _counts(votes - first, outcomes - 1):
            yield (first, *rest)


def accuracy(probabilities: tuple[float, ...], votes: int) -> float:
    """How often a plurality with ties broken at random names the first outcome: exact, by enumeration."""
    total = 0.0
    for counts in _counts(votes, len(probabilities)):
        named = [replace(ANSWER, value=str(i)) for i, count in enumerate(counts) for _ in range(count)]
        groups = clusters(named)
        winners = [int(named[group[0]].value) for group in groups if len(group) == len(groups[0])]
        if 0 in winners:
            ways = factorial(votes) // prod(map(factorial, counts))
            chance = prod(p**n for p, n in zip(probabilities, counts, strict=True))
            total += ways * chance / len(winners)
    return total


@pytest.mark.parametrize(
    ("probabilities", "votes", "expected"),
    [
        ((0.5, 0.3, 0.2), 1, 0.5),
        ((0.5, 0.3, 0.2), 3, 0.56),
        ((0.5, 0.3, 0.2), 5, 0.6125),
        ((0.5, 0.3, 0.2), 8, 0.6785),
        ((0.5, 0.3, 0.2), 16, 0.7888),
        ((0.6, 0.4), 3, 0.648),
        ((0.6, 0.4), 5, 0.68256),
        ((0.6, 0.4), 8, 0.7102),
        ((0.45, 0.46, 0.09), 16, 0.4828),
        ((0.3, *[0.1] * 7), 5, 0.434),
        ((0.3, *[0.1] * 7), 8, 0.5199),
    ],
)
def test_a_plurality_is_right_as_often_as_the_multinomial_says(
    probabilities: tuple[float, ...], votes: int, expected: float
) -> None:
    assert accuracy(probabilities, votes) == pytest.approx(expected, abs=5e-5)
