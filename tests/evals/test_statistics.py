"""The statistics against values that their authors or textbooks published."""

from __future__ import annotations

import pytest

from optillm.evals.statistics import Pairs, mcnemar, newcombe, quantile, questions_needed, wilson

AIRWAYS = Pairs(1, 1, 7, 12)
"""Bentur et al. (2009), in Fagerland, Lydersen and Laake, Statistical Analysis of Contingency Tables (2017), ch. 8."""
RESPONSES = Pairs(59, 6, 16, 80)
"""Cavo et al. (2012), in the same chapter."""


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_is_that_of_newcombes_table(
    successes: int, total: int, low: float, high: float
) -> None:
    # Newcombe, Two-Sided Confidence Intervals for the Single Proportion (1998), Statistics in Medicine 17, table I
    assert wilson(successes, total) == pytest.approx((low, high), abs=5e-5)


def test_all_right_and_none_right_keep_their_ends() -> None:
    assert wilson(20, 20).high == pytest.approx(1.0, abs=1e-12)
    assert wilson(0, 20).low == pytest.approx(0.0, abs=1e-12)
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("pairs", "p"), [(AIRWAYS, 0.0703), (RESPONSES, 0.0525)])
def test_the_exact_test_is_that_of_the_textbook(pairs: Pairs, p: float) -> None:
    assert mcnemar(pairs) == pytest.approx(p, abs=5e-5)


def test_rows_that_never_differ_are_as_alike_as_can_be() -> None:
    assert mcnemar(Pairs(40, 0, 0, 10)) == 1.0
    assert mcnemar(Pairs(40, 3, 3, 10)) == 1.0


@pytest.mark.parametrize(("pairs", "low", "high"), [(AIRWAYS, -0.507, -0.026), (RESPONSES, -0.1186, -0.0046)])
def test_the_paired_interval_is_that_of_the_textbook(pairs: Pairs, low: float, high: float) -> None:
    assert newcombe(pairs) == pytest.approx((low, high), abs=5e-4)


def test_the_paired_interval_turns_with_the_rows() -> None:
    low, high = newcombe(Pairs(59, 16, 6, 80))
    assert (-high, -low) == pytest.approx(newcombe(RESPONSES))


def test_no_pair_says_nothing() -> None:
    assert newcombe(Pairs(0, 0, 0, 0)) == (-1.0, 1.0)
    assert newcombe(Pairs(10, 0, 0, 0)).low < 0 < newcombe(Pairs(10, 0, 0, 0)).high


def test_the_questions_needed_are_those_of_a_worked_example() -> None:
    # Discordant shares of 45 % and 5 %, level 5 % two-sided, power 80 %: the example of powerandsamplesize.com
    assert questions_needed(Pairs(40, 45, 5, 10)) == 23
    assert questions_needed(Pairs(40, 5, 45, 10)) == 23


def test_no_number_of_questions_tells_equals_apart() -> None:
    assert questions_needed(Pairs(40, 5, 5, 10)) is None


def test_pairs_are_counted() -> None:
    assert Pairs.of([(True, True), (True, False), (True, False), (False, False)]) == Pairs(1, 2, 0, 1)


def test_a_quantile_lies_between_its_neighbours() -> None:
    assert quantile([4.0, 1.0, 3.0, 2.0], 0.5) == 2.5
    assert quantile([7.0], 0.95) == 7.0
    assert quantile([float(value) for value in range(101)], 0.95) == 95.0
