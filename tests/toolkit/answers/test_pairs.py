"""Pairs of replies: different answers never share a vote, equal ones nearly always do without a judge.

`pairs.toml` holds the pairs that must come out right, one by one. `corpus.jsonl` holds some 2,700 more, harder ones
included, written by somebody who had not seen the code.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from optillm.toolkit.answers import FinalAnswer, clusters, extract, resolved
from optillm.toolkit.answers.expressions import canonical_expression

HERE = Path(__file__).parent
STATING = ("answer", "boxed", "antwort", "答案", "正解", "respuesta", "ответ", "الجواب")
NOT_SEEN = {
    "The trip takes 2 hours and 30 minutes.",
    "Tom has 42 apples left, since 40 + 2 = 42.",
    "Emma was written by Jane Austen.",
    "In conclusion, after eating 3 of the 45 apples, Tom has 42 left.",
}
"""Equal answers that a judge has to see: their words are no question's and might mean something."""


class Pair(NamedTuple):
    """Two replies to a question."""

    kind: str
    question: str
    one: str
    other: str


def pairs(relation: str) -> Iterator[Pair]:
    with (HERE / "pairs.toml").open("rb") as file:
        for kind in tomllib.load(file)["kind"]:
            for one, other in kind.get(relation, ()):
                yield Pair(kind["name"], kind.get("question", ""), one, other)


@cache
def expression(source: str) -> str | None:
    return canonical_expression(source)


def read(reply: str, question: str) -> FinalAnswer | None:
    answer = extract(reply, question)
    return resolved(answer, expression(answer.value)) if answer and answer.kind == "expression" else answer


def as_stated(text: str) -> str:
    """A short text stands for "Answer: …"."""
    whole = "\n" in text or len(text) > 60 or any(word in text.casefold() for word in STATING)
    return text if whole else f"Answer: {text}"


def share_a_vote(one: str, other: str, question: str) -> bool:
    answers = [read(one, question), read(other, question)]
    return None not in answers and len(clusters(answers)) == 1


@pytest.mark.parametrize("pair", list(pairs("different")), ids=lambda pair: f"{pair.one} / {pair.other}")
def test_different_answers_never_share_a_vote(pair: Pair) -> None:
    for question in {
        pair.question,
        pair.question or "How many are there?",
        pair.question or "Who or what is it?",
    }:
        assert not share_a_vote(as_stated(pair.one), as_stated(pair.other), question)
        assert not share_a_vote(pair.one, pair.other, question)


@pytest.mark.parametrize("pair", list(pairs("same")), ids=lambda pair: f"{pair.one} / {pair.other}")
def test_equal_answers_share_a_vote(pair: Pair) -> None:
    seen = share_a_vote(as_stated(pair.one), as_stated(pair.other), pair.question)
    assert seen is (pair.one not in NOT_SEEN)


def test_hardly_any_equal_answers_need_a_judge() -> None:
    same = list(pairs("same"))
    assert sum(pair.one in NOT_SEEN for pair in same) <= len(same) * 0.05


def test_one_odd_answer_among_many_never_takes_their_votes() -> None:
    for pair in pairs("different"):
        answers = [
            read(as_stated(pair.one), pair.question),
            *[read(as_stated(pair.other), pair.question)] * 7,
        ]
        assert [0] in clusters(answers)


def corpus(relation: str) -> list[Pair]:
    lines = map(json.loads, (HERE / "corpus.jsonl").read_text(encoding="utf-8").splitlines())
    return [Pair(*line[:-1]) for line in lines if line[-1] == relation]


def test_no_pair_of_the_corpus_merges_though_it_differs() -> None:
    merged = [
        pair
        for pair in corpus("different")
        if share_a_vote(as_stated(pair.one), as_stated(pair.other), pair.question)
    ]
    assert merged == []


def test_most_equal_pairs_of_the_corpus_are_seen() -> None:
    same = corpus("same")
    seen = sum(share_a_vote(as_stated(pair.one), as_stated(pair.other), pair.question) for pair in same)
    assert seen / len(same) > 0.78
