"""The panel: which candidates are marked together, in which order, and what a verdict amounts to."""

from collections import Counter

import pytest

from optillm.chat import Reply
from optillm.panel import Judge, grouped
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
