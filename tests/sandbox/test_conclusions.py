"""What the facts about a formalisation come to, in words."""

from __future__ import annotations

from typing import Any

import pytest

from optillm.sandbox import Checked, OptionVerdict, SourceAssertion, Value
from optillm.sandbox.conclusions import conclusion, objection

SEVEN, ROOT = Value("int", "7"), Value("algebraic", "(root-obj (+ (^ x 2) (- 2)) 2)", "1.414")
POSSIBLE, CERTAIN, EXCLUDED = (
    OptionVerdict(True, False),
    OptionVerdict(True, True),
    OptionVerdict(False, False),
)


def checked(status: Any = "sat", **facts: Any) -> Checked:
    return Checked(True, None, 1, status, **facts)


@pytest.mark.parametrize(
    ("kind", "facts", "answer"),
    [
        ("model", {"values": {"x": SEVEN}}, "7"),
        ("model", {"values": {"x": SEVEN, "y": ROOT}}, "x = 7, y = 1.414"),
        ("model", {}, None),
        ("model", {"status": "unknown", "values": {"x": SEVEN}}, None),
        ("entail", {"verdict": "true"}, "yes"),
        ("entail", {"verdict": "false"}, "no"),
        ("entail", {"verdict": "undetermined"}, "undetermined"),
        ("entail", {}, None),
        ("choice", {"options": (EXCLUDED, POSSIBLE)}, "Bob"),
        ("choice", {"options": (CERTAIN, POSSIBLE)}, "Ann"),
        ("choice", {"options": (POSSIBLE, POSSIBLE)}, None),
        ("choice", {"options": (EXCLUDED, EXCLUDED, POSSIBLE)}, None),
        ("count", {"count": 0, "complete": True}, "0"),
        ("count", {"count": 9, "complete": False}, None),
        ("optimize", {"optimum": (SEVEN, ROOT)}, "7, 1.414"),
        ("optimize", {"optimum": (SEVEN,), "values": {"x": ROOT}}, "1.414"),
    ],
)
def test_the_answer_in_a_few_words(kind: str, facts: dict[str, Any], answer: str | None) -> None:
    assert conclusion(kind, checked(**facts), ["Ann", "Bob"]) == answer


@pytest.mark.parametrize(
    ("kind", "facts", "words"),
    [
        (
            "model",
            {"status": "unsat", "core": (SourceAssertion(1, "(assert false)"),)},
            "contradict each other:\n(assert",
        ),
        ("model", {"unique": False, "values": {"x": SEVEN}, "other": {"x": ROOT}}, "x = 7 and x = 1.414"),
        ("choice", {"options": (POSSIBLE, CERTAIN)}, "2 of the options are possible"),
        ("count", {"status": "unknown"}, "status unknown"),
    ],
)
def test_what_keeps_it_from_an_answer(kind: str, facts: dict[str, Any], words: str) -> None:
    assert words in objection(kind, checked(**facts))
