"""Replies of a small real model, and what they say: each line of `replies.jsonl` is a number, a question, a reply
that `sample_replies.py` got, and the answer that a reader took from it, which is `null` where it states none.

The readings were written before anybody looked at what is read here, one by one. Many of the replies are nonsense; the
reader took from them what they say last as their answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from optillm.toolkit.answers import canonical, extract

HERE = Path(__file__).parent
MISSED = {
    15, 18, 31, 42, 46, 63, 65, 66, 95, 103, 129, 137, 153, 159, 161, 164, 167, 191, 195, 197, 199, 219,
    225, 227, 234, 235, 244, 265, 279, 283, 295, 306, 311, 321, 327, 334, 342, 349, 350, 351, 359, 367,
    383, 389, 398, 405, 406, 421, 427, 447, 453
}  # fmt: skip
"""Replies whose answer is not read, which costs a judge call where it matters."""
WRONG = {
    27, 111, 113, 163, 165, 180, 202, 213, 217, 237, 278, 338, 373, 377, 390, 395, 458
}  # fmt: skip
"""Replies that are read as saying something else."""
Outcome = Literal["right", "missed", "wrong"]


class Sampled(NamedTuple):
    """A reply to a question, and the answer that it states."""

    number: int
    question: str
    reply: str
    stated: str | None


@cache
def sampled() -> list[Sampled]:
    lines = (HERE / "replies.jsonl").read_text(encoding="utf-8").splitlines()
    return [Sampled(*json.loads(line)) for line in lines]


def outcome(sample: Sampled) -> Outcome:
    """Whether the stated answer is what is read, and if not, whether anything else is."""
    answer = extract(sample.reply, sample.question)
    if answer is None:
        return "missed" if sample.stated is not None else "right"
    if sample.stated is None or not answer.matches(canonical(sample.stated, sample.question)):
        return "wrong"
    return "right"


def numbers(result: Outcome) -> Iterator[int]:
    return (sample.number for sample in sampled() if outcome(sample) == result)


def test_exactly_these_replies_are_not_read() -> None:
    assert set(numbers("missed")) == MISSED


def test_exactly_these_replies_are_read_as_another_answer() -> None:
    assert set(numbers("wrong")) == WRONG
