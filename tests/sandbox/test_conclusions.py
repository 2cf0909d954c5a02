"""What the facts about a formalisation come to, in words."""

from __future__ import annotations

from typing import Any

import pytest

from optillm.sandbox import Checked, Failure, OptionVerdict, Solved, SourceAssertion, Value
from optillm.sandbox.conclusions import Finding, concluded, conclusion, objection, printed
from optillm.sandbox.formalisation import Formalisation

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


MISTAKE = Failure("error", "NameError", "name 'y' is not defined", 2, "define it")
BUSY = Failure("busy", "Solver", "not now")


def test_a_program_finds_what_it_prints() -> None:
    assert printed(Solved(True, " 7\n", None, 1)) == Finding(facts="7")
    assert printed(Solved(True, "\n", None, 1)) == Finding(complaint="The program printed nothing.")


def test_only_a_failure_that_can_be_mended_is_a_complaint() -> None:
    formalisation = Formalisation(applicable=True)
    for failure, complaint in [(MISTAKE, "name 'y' is not defined"), (BUSY, "")]:
        for finding in (
            printed(Solved(False, "", failure, 1)),
            concluded(formalisation, Checked(False, failure, 1), require_unique=True),
        ):
            assert finding.facts == ""
            assert complaint in finding.complaint
            assert bool(complaint) is bool(finding.complaint)


@pytest.mark.parametrize("require_unique", [True, False])
def test_one_solution_of_several_is_a_fact_only_where_it_need_not_be_unique(require_unique: bool) -> None:
    several = checked(unique=False, values={"x": SEVEN}, other={"x": ROOT})
    finding = concluded(Formalisation(applicable=True), several, require_unique=require_unique)
    assert (finding.facts == "7", "several solutions" in finding.complaint) == (
        not require_unique,
        require_unique,
    )


@pytest.mark.parametrize("query", ["(p a)", ["(p a)"], {"first": "(p a)"}])
def test_terms_come_as_one_text_as_several_or_by_name(query: Any) -> None:
    formalisation = Formalisation.model_validate({"applicable": True, "smt2": "(p b)", "query": query})
    assert formalisation.labels == ["(p a)"]
    assert formalisation.source == "(p b)\n(p a)"


def test_a_formalisation_may_lack_terms() -> None:
    assert Formalisation.model_validate({"applicable": True, "query": None}).query == []
