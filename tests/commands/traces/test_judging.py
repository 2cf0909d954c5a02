"""Ballots as a matrix, and search trees as outlines."""

from __future__ import annotations

from typing import Any

from optillm.commands.traces.judging import ballots, placed, tree
from tests.observe.traces.documents import ballot, bon, document, mcts


def drawn(trace: dict[str, Any], width: int = 100) -> list[list[str]]:
    return ["".join(piece.text for piece in each).split() for each in ballots(trace, width)]


def test_a_matrix_has_each_candidates_rank_and_who_abstained() -> None:
    head, first, second, unread = drawn(bon())
    assert head == ["A", "B", "D"]
    assert first == ["4", "ranking", "of", "ADB", "#1", "#3", "#2"]
    assert second == ["5", "ranking", "of", "ABD", "#1", "#2=", "#2="]
    assert unread[4:] == ["?", "?", "?", "not", "readable:", "no", "ranking", "in", "the", "reply"]


def test_scores_stand_where_judges_gave_scores() -> None:
    rating = ballot(4, [0, 2], kind="rating", order=None, scores={"0": 7, "2": 0.12345})
    other = ballot(5, [1], kind="rating", order=None, scores={"1": 3})
    head, first, second = drawn(bon() | {"ballots": [rating, other]})
    assert head == ["A", "B", "C"]
    assert first[4:] == ["7", "·", "0.123"] == first[-3:]
    assert second[-3:] == ["·", "3", "·"]
    assert placed(rating) == "A 7, C 0.123"


def test_a_ballot_that_does_not_count_says_why() -> None:
    spoilt = ballot(4, [0, 1], counted=False, note="it contradicts \x1b[31mits reasons")
    row = " ".join(drawn(bon() | {"ballots": [spoilt]})[1])
    assert row.endswith("not counted: it contradicts \\x1b[31mits reasons")


def test_a_judge_that_nobody_waited_for_says_so() -> None:
    cut = ballot(7, [0, 1], order=None, unread="the call was ended")
    assert drawn(bon() | {"ballots": [cut]})[1][4:] == ["?", "?", "not", "waited", "for"]


def test_too_many_candidates_for_the_width_are_told_ballot_by_ballot() -> None:
    wide = ballot(4, list(range(26)))
    (only,) = drawn(bon() | {"ballots": [wide]}, width=80)
    assert " ".join(only).endswith(
        "A > B > C > D > E > F > G > H > I > J > K > L > M > N > O > P > Q > R > S > T > U > V > W > X > Y > Z"
    )


def test_no_ballots_are_no_matrix() -> None:
    assert ballots(document(), 100) == []


def test_a_tree_is_an_outline_with_the_path_to_the_winner() -> None:
    lines = ["".join(piece.text for piece in each) for each in tree(mcts()["trees"][0])]
    assert lines == [
        "* root, value 0.5, visits 8",
        "├─ * sample A: 69, value 0.6, visits 7",
        "│  └─ * refine C: 86, value 0.8, visits 5",
        "└─ sample B: 86, value 0.7, visits 6",
    ]


def test_a_deep_tree_does_not_exhaust_the_stack() -> None:
    nodes = [
        {"id": index, "parent": index - 1 if index else None, "label": "step", "answer": None}
        | {"visits": None, "value": None, "candidate": None, "call": None}
        for index in range(2000)
    ]
    assert len(tree({"nodes": nodes, "best": []})) == 2000
