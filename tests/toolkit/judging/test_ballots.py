from itertools import permutations
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optillm.toolkit.judging.ballots import borda, classes_of, decided, mean_marks, order_of, orders
from optillm.toolkit.judging.verdicts import Groups, Ranking

counts = st.integers(min_value=2, max_value=8)
rankings = counts.flatmap(lambda count: st.lists(st.permutations(range(count)), min_size=1, max_size=5))


@given(counts, st.integers(min_value=1, max_value=3))
def test_rotations_put_every_candidate_in_every_place_equally_often(count: int, cycles: int) -> None:
    shown = orders(count, count * cycles)
    for place in range(count):
        assert sorted(order[place] for order in shown) == sorted([*range(count)] * cycles)


@given(counts, st.integers(min_value=1, max_value=4))
def test_fewer_orders_are_balanced_by_their_reverses(count: int, pairs: int) -> None:
    shown = orders(count, 2 * pairs)
    places = [sum(order.index(candidate) for order in shown) for candidate in range(count)]
    assert len(set(places)) == 1
    assert all(sorted(order) == [*range(count)] for order in shown)
    assert len(orders(count, 2 * pairs + 1)) == 2 * pairs + 1


@given(counts)
def test_a_judge_that_likes_a_place_marks_all_candidates_alike(count: int) -> None:
    marks = mean_marks([borda(order, order) for order in orders(count, count)], count)
    assert marks == pytest.approx([0.5] * count)


@given(counts, st.integers())
def test_a_perfect_judge_returns_the_true_order(count: int, seed: int) -> None:
    truth = Random(seed).sample(range(count), count)
    marks = mean_marks([borda(order, truth) for order in orders(count, count)], count)
    assert sorted(range(count), key=lambda c: -marks[c]) == truth


@given(rankings)
def test_the_order_of_the_ballots_does_not_matter(votes: list[list[int]]) -> None:
    count = len(votes[0])
    ballots = [borda(range(count), vote) for vote in votes]
    assert mean_marks(ballots, count) == pytest.approx(mean_marks(ballots[::-1], count))


def test_an_abstention_changes_nothing() -> None:
    ballot = borda([0, 1, 2], [2, 0, 1])
    assert borda([0, 1, 2], []) == {}
    assert list(mean_marks([ballot, {}], 3)) == list(mean_marks([ballot], 3))
    assert list(mean_marks([], 3)) == [0.5] * 3


def test_a_set_of_ballots_that_is_not_complete_weighs_less() -> None:
    ballot = borda([0, 1, 2], [2, 0, 1])
    assert list(mean_marks([ballot], 3, expected=2)) == [0.5, 0.25, 0.75]
    assert list(mean_marks([ballot] * 2, 3, expected=2)) == list(mean_marks([ballot], 3))
    assert list(mean_marks([], 3, expected=2)) == [0.5] * 3
    head_start = np.array([0.6, 0.0, 0.0])
    assert decided([ballot], 0, 3, head_start, expected=2)
    assert not decided([ballot], 1, 3, head_start, expected=2)


def test_candidates_left_out_of_a_ranking_share_what_is_left() -> None:
    assert borda([0, 1, 2, 3], [3]) == pytest.approx({3: 1.0, 0: 1 / 3, 1: 1 / 3, 2: 1 / 3})


def test_pairs_amount_to_a_league_table() -> None:
    better = {pair: min(pair) for pair in permutations(range(3), 2)}
    marks = mean_marks([borda(pair, [winner, sum(pair) - winner]) for pair, winner in better.items()], 3)
    assert list(marks) == [1.0, 0.5, 0.0]


@given(rankings, st.data())
def test_what_is_decided_stays_so_whatever_the_others_say(
    votes: list[list[int]], data: st.DataObject
) -> None:
    count = len(votes[0])
    left = data.draw(st.lists(st.permutations(range(count)), max_size=3))
    cast, outstanding = ([borda(range(count), vote) for vote in part] for part in (votes, left))
    if decided(cast, len(outstanding), count, np.zeros(count)):
        before, after = mean_marks(cast, count), mean_marks([*cast, *outstanding], count)
        assert np.argmax(before) == np.argmax(after)


def test_a_lead_that_one_ballot_can_undo_is_not_decided() -> None:
    once = [borda([0, 1], [0, 1])]
    assert decided(once * 2, 1, 2, np.zeros(2))
    assert not decided(once, 1, 2, np.zeros(2))
    assert not decided([], 0, 2, np.zeros(2))
    assert decided([], 0, 2, np.array([0.0, 0.1]))


@pytest.mark.parametrize(
    ("labels", "order"),
    [(["B", "A", "C"], [5, 7, 9]), (["b", "Z", "AB"], [5])],
)
def test_reads_labels_back_to_the_candidates_shown(labels: list[str], order: list[int]) -> None:
    assert order_of(Ranking(ranking=labels), [7, 5, 9]) == order


def test_an_absent_verdict_ranks_nobody() -> None:
    assert order_of(None, [0, 1]) == []


def test_a_verdict_in_groups_sorts_those_shown_by_their_labels() -> None:
    verdict = Groups(groups=[["B"], ["A", "C"]], pick="A")
    assert classes_of(verdict, [7, 3, 5]) == {7: 1, 3: 0, 5: 1}
    assert classes_of(verdict, [7, 3]) == {7: 1, 3: 0}
    assert classes_of(verdict, [7, 3, 5, 1]) == {7: 1, 3: 0, 5: 1}
    assert classes_of(None, [7, 3]) == {}
