"""What agreement among samples is worth: how votes are counted and why they close."""

import numpy as np
import pytest

from benchmarks.agreement import closed, leading, rows
from benchmarks.votes import POOL, Pool


@pytest.mark.parametrize(
    ("votes", "kind", "answer"),
    [
        ([0, 0, 0, 0, 1, 1, 1, 1], "8: sure of the lead", 0),
        ([0, 1, 0, 1, 0, 0, 0, 1], "8: the lead cannot be caught", 0),
        ([0, 1, 2, 0, 1, 2, 0, 1], "8: at its end", 0),
        ([-1] * 8, "8: at its end", -1),
    ],
)
def test_a_vote_closes_when_self_consistency_would(votes: list[int], kind: str, answer: int) -> None:
    assert closed(votes) == (kind, answer)


def test_replies_without_an_answer_have_no_vote() -> None:
    assert leading([-1, -1, 2, 1, 2]) == (2, 2, 1)
    assert leading([-1]) == (-1, 0, 0)


def test_the_table_counts_each_vote_once() -> None:
    unanimous = Pool(np.zeros(POOL, dtype=np.int64), np.array([1.0]), 10.0)
    divided = Pool(np.tile(np.array([0, 1, 2, 3]), POOL // 4), np.array([0.0, 0.0, 0.0, 1.0]), 10.0)
    assert rows([unanimous, divided]) == [
        ("8: sure of the lead", "50%", "100.0%"),
        ("8: at its end", "50%", "0.0%"),
        ("4: 4 agree", "50%", "100.0%"),
        ("4: 1 agree", "50%", "0.0%"),
    ]
