"""Counting tokens by the documented rule."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from optillm_simulator import tokens


def test_counts_words_and_punctuation() -> None:
    assert tokens.split("Hello, world!\n\nIt is 3.5.") == [
        "Hello",
        ",",
        " world",
        "!",
        "\n\nIt",
        " is",
        " 3",
        ".",
        "5",
        ".",
    ]
    assert tokens.count("Hello, world!") == 4
    assert tokens.count_prompt(["Hello, world!", ""]) == 12


@given(st.text())
def test_the_tokens_of_a_text_give_the_text(text: str) -> None:
    assert "".join(tokens.split(text)) == text


def test_alternatives_are_distinct_less_likely_and_of_the_same_kind() -> None:
    (entry,) = tokens.logprobs([" 7"], 5, random.Random(0))["content"]
    listed = entry["top_logprobs"]
    assert len({one["token"] for one in listed}) == len(listed) == 5
    assert listed[0]["token"] == entry["token"] == " 7"
    assert [one["logprob"] for one in listed] == sorted((one["logprob"] for one in listed), reverse=True)
    assert all(one["token"].strip().isdigit() for one in listed)
