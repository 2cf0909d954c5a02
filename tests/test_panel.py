"""The panel: which candidates are marked together, in which order, and what a verdict amounts to."""

from collections import Counter

import pytest

from optillm.chat import Reply
from optillm.panel import Judge, distinct_first, grouped, promoted, unanimous
from optillm.technique import Candidate
from optillm.toolkit.answers import extract

QUESTION = "Name a prime above 20."


def candidates(*texts: str) -> list[Candidate]:
    return [
        Candidate(Reply({"role": "assistant", "content": text}), index, extract(text, QUESTION))
        for index, text in enumerate(texts)
    ]


def test_free_form_texts_are_one_answer_only_if_they_are_the_same() -> None:
    texts = ["A long day at the sea, and then some.", "Another text without any end", "The answer is 3."]
    groups = grouped(candidates(texts[0], texts[1], f" {texts[0]}\n", "Then the answer is 3.", texts[2]))
    assert [[candidate.index for candidate in group] for group in groups] == [[0, 2], [3, 4], [1]]


@pytest.mark.parametrize("count", range(2, 9))
def test_rankings_show_every_candidate_in_every_place_equally_often(count: int) -> None:
    slates = Judge().slates(count)
    assert Counter((index, place) for slate in slates for place, index in enumerate(slate)) == {
        (index, place): 1 for index in range(count) for place in range(count)
    }


def test_more_than_eight_candidates_get_four_rankings_unless_more_are_asked_for() -> None:
    assert len(Judge().slates(9)) == 4
    assert len(Judge(ballots=6).slates(9)) == 6


def test_ratings_show_each_candidate_alone_twice_and_pairs_are_ranked_both_ways() -> None:
    assert Counter(map(tuple, Judge("rate").slates(3))) == {(0,): 2, (1,): 2, (2,): 2}
    assert sorted(map(tuple, Judge("pairwise").slates(3))) == [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]


def test_one_candidate_of_each_answer_comes_before_all_repetitions() -> None:
    groups = grouped(candidates("The answer is 23.", "The answer is 29.", "It is 23: the answer is 23."))
    ordered = distinct_first(groups)
    assert [(candidate.index, candidate.copies) for candidate in ordered] == [(0, 2), (1, 1), (2, 1)]


def test_a_promoted_candidate_is_in_the_list_once() -> None:
    first, second, third = candidates("a", "b", "c")
    assert promoted(third.standing_for(2), [first, second, third]) == [third.standing_for(2), first, second]


@pytest.mark.parametrize(
    ("texts", "agree"),
    [
        (["The answer is 23.", "It is 23: the answer is 23."], True),
        (["The answer is 23.", "The answer is 29."], False),
        (["The answer is 23.", "A long day at the sea, and then some."], False),
        (["A long day at the sea, and then some."] * 2, False),
    ],
)
def test_candidates_are_unanimous_if_all_state_the_same_final_answer(texts: list[str], agree: bool) -> None:
    assert unanimous(candidates(*texts)) is agree
