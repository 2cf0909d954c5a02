"""Structured questions about SMT-LIB formalisations."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from optillm import sandbox
from optillm.sandbox import Checked, Limits, Solver

_INTS = "(declare-const x Int)\n(declare-const y Int)\n"
_SUM = _INTS + "(assert (= (+ x y) 10))\n"


@pytest.fixture(scope="module", autouse=True)
def _shared(solver: Solver) -> Iterator[None]:
    """The sandbox of the session in place of one of our own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox, "_default", solver)
        yield


def _check(kind: str, smt2: str, limits: Limits | None = None, **rest: Any) -> Checked:
    return asyncio.run(sandbox.check({"kind": kind, "smt2": smt2, **rest}, limits))


def _texts(checked: Checked) -> dict[str, str]:
    return {name: value.text for name, value in checked.values.items()}


def test_a_unique_model_is_found_and_known_to_be_unique() -> None:
    checked = _check("model", _SUM + "(assert (= (- x y) 4))", answer_vars=["x", "y"])
    assert (checked.ok, checked.status, checked.unique) == (True, "sat", True)
    assert _texts(checked) == {"x": "7", "y": "3"}


def test_a_model_that_is_not_unique_comes_with_another() -> None:
    checked = _check("model", _SUM + "(assert (<= 4 x 6))", answer_vars=["x", "y"])
    assert checked.unique is False
    assert checked.other["x"].text != checked.values["x"].text


def test_contradicting_premises_are_named_in_the_words_of_the_source() -> None:
    checked = _check(
        "model", _INTS + "(assert (> x 5)) ; first\n(assert (= y 1))\n(assert (< x 3))", answer_vars="x"
    )
    assert (checked.ok, checked.status) == (True, "unsat")
    assert [(one.line, one.text) for one in checked.core] == [
        (3, "(assert (> x 5))"),
        (5, "(assert (< x 3))"),
    ]


@pytest.mark.parametrize("kind", ["entail", "choice", "optimize", "count"])
def test_every_kind_checks_the_premises_first(kind: str) -> None:
    queries = {
        "entail": "(> x 0)",
        "choice": ["(> x 0)", "(< x 0)"],
        "optimize": "(maximize x)",
        "count": None,
    }
    checked = _check(kind, _INTS + "(assert false)", query=queries[kind], answer_vars=["x"])
    assert checked.status == "unsat"
    assert len(checked.core) == 1


@pytest.mark.parametrize(
    ("query", "verdict"), [("(> y 4)", "true"), ("(< y 4)", "false"), ("(> y 7)", "undetermined")]
)
def test_entailment_is_true_false_or_undetermined(query: str, verdict: str) -> None:
    checked = _check("entail", _INTS + "(assert (> x 3))(assert (> y x))", query=query)
    assert checked.verdict == verdict


def test_of_several_options_the_possible_and_the_certain_are_told_apart() -> None:
    checked = _check("choice", _INTS + "(assert (= x 3))", query=["(= x 1)", "(= x 3)", "(= y 3)"])
    assert checked.survivors == (1, 2)
    assert checked.forced == (1,)
    assert checked.status == "sat"


def test_an_optimum_is_exact_and_its_values_known_to_be_unique() -> None:
    limits = "(assert (<= (+ x y) 9))(assert (<= x 4))(assert (>= y 0))"
    checked = _check("optimize", _INTS + "(maximize (+ (* 2 x) y))" + limits, answer_vars=["x", "y"])
    assert [value.text for value in checked.optimum] == ["13"]
    assert checked.attained is True
    assert _texts(checked) == {"x": "4", "y": "5"}
    assert checked.unique is True


@pytest.mark.parametrize(
    ("bound", "optimum"), [("(assert (< r 30.0))", "epsilon"), ("(assert (> r 3.0))", "oo")]
)
def test_a_bound_that_is_not_reached_is_not_called_an_optimum(bound: str, optimum: str) -> None:
    checked = _check("optimize", "(declare-const r Real)" + bound, query="(maximize r)", answer_vars=["r"])
    assert checked.attained is False
    assert optimum in checked.optimum[0].text


def test_solutions_are_counted_to_the_last() -> None:
    checked = _check("count", _INTS + "(assert (< 0 y x 5))", answer_vars=["x", "y"])
    assert (checked.count, checked.complete) == (6, True)


def test_counting_stops_at_a_thousand() -> None:
    slow_machine = Limits(wall=60, check=55)
    checked = _check("count", _INTS + "(assert (< 0 x))", slow_machine, answer_vars=["x"])
    assert (checked.count, checked.complete) == (1000, False)


@pytest.mark.parametrize(
    ("sort", "assertion", "kind", "text", "decimal"),
    [
        ("Real", "(= (* 3 v) 2.0)", "real", "2/3", None),
        ("Real", "(= v (- 0.5))", "real", "-1/2", None),
        (
            "Real",
            "(and (= (* v v) 2.0) (> v 0.0))",
            "algebraic",
            "(root-obj (+ (^ x 2) (- 2)) 2)",
            "1.4142135623730",
        ),
        ("Int", "(= v (- 12345678901234567890123))", "int", "-12345678901234567890123", None),
        ("Bool", "v", "bool", "true", None),
        ("(_ BitVec 8)", "(= v #xff)", "bitvec", "255", None),
        ("String", '(= v "a b")', "string", "a b", None),
    ],
)
def test_values_are_exact(sort: str, assertion: str, kind: str, text: str, decimal: str | None) -> None:
    checked = _check("model", f"(declare-const v {sort})(assert {assertion})", answer_vars=["v"])
    value = checked.values["v"]
    assert (value.kind, value.text) == (kind, text)
    assert (value.decimal or "")[:15] == (decimal or "")


def test_terms_definitions_and_datatypes_can_be_asked_about() -> None:
    smt2 = (
        "(declare-datatypes ((Day 0)) (((mon) (tue))))(declare-const d Day)"
        "(define-fun twice ((n Int)) Int (* 2 n))(declare-const n Int)(assert (not (= d mon)))(assert (= n 4))"
    )
    checked = _check("model", smt2, answer_vars=["d", "(twice n)"])
    assert _texts(checked) == {"d": "tue", "(twice n)": "8"}


def test_what_is_too_hard_is_unknown_in_time() -> None:
    smt2 = (
        "(declare-const x Int)(declare-const y Int)(declare-const z Int)(assert (> x 0))(assert (> y 0))"
        "(assert (= (+ (* x x x) (* y y y)) (* z z z)))"
    )
    checked = _check("model", smt2, Limits(wall=2.0, check=1.0), answer_vars=["x"])
    assert (checked.ok, checked.status) == (True, "unknown")
    assert checked.milliseconds < 2500


@pytest.mark.parametrize(
    ("smt2", "kind", "line", "message"),
    [
        (_INTS + "(assert (> z 1))", "error", 3, "unknown constant z"),
        (_INTS + "(assert (> x 1)", "syntax", 3, "never closed"),
        (_INTS + "(assert (> x 1)))", "syntax", 3, "too many"),
        (_INTS + "(push 1)(assert (> x 1))", "refused", 3, "push has no place here"),
        ('(set-option :regular-output-channel "/tmp/x")', "refused", None, "no assertion"),
        ('(include "/etc/passwd")' + _SUM, "refused", 1, "include is not offered"),
        (_INTS, "refused", None, "no assertion"),
        ("(declare-const b (_ BitVec 4096))(assert (= b b))", "refused", 1, "index above"),
    ],
)
def test_a_faulty_formalisation_is_told_with_its_line(
    smt2: str, kind: str, line: int | None, message: str
) -> None:
    checked = _check("model", smt2, answer_vars=["x"])
    assert checked.error is not None
    assert (checked.error.kind, checked.error.line) == (kind, line)
    assert message in checked.error.message


def test_commands_models_write_out_of_habit_do_no_harm() -> None:
    habits = "(set-logic QF_LIA)(set-info :status sat)" + _SUM + "(check-sat)(get-model)(get-value (x))(exit)"
    assert _check("model", habits, answer_vars=["x"]).status == "sat"


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ({"answer_vars": ["nothing"]}, "answer variable nothing: unknown constant"),
        ({"answer_vars": ["x y"]}, "exactly one term"),
        ({"answer_vars": ["x", "x"], "query": ["(> x", "("]}, ""),
    ],
)
def test_a_faulty_answer_variable_is_named(rest: dict[str, Any], message: str) -> None:
    checked = _check("model" if message else "choice", _SUM, **rest)
    assert checked.error is not None
    assert message in checked.error.message


def test_a_query_that_is_no_proposition_is_refused() -> None:
    checked = _check("entail", _SUM, query="(+ x 1)")
    assert checked.error is not None
    assert "Boolean" in checked.error.message


@pytest.mark.parametrize(
    "formalisation",
    [
        {},
        {"kind": "model"},
        {"kind": "magic", "smt2": ""},
        {"kind": "model", "smt2": 5},
        {"kind": "model", "smt2": "", "answer_vars": 5},
    ],
)
def test_what_is_no_formalisation_never_reaches_the_sandbox(formalisation: dict[str, Any]) -> None:
    checked = asyncio.run(sandbox.check(formalisation))
    assert checked.error is not None
    assert checked.error.type == "Formalisation"


def test_facts_of_a_reply_are_taken_by_type_only() -> None:
    from optillm.sandbox.replies import checked
    from optillm.sandbox.results import Solved

    hostile = {"status": "great", "values": [1], "unique": 1, "core": [{"line": -1, "text": 7}, 5], "count": 10**30,
               "options": {"a": 1}, "verdict": [], "optimum": [[]], "models": [{"x": {"text": "\x1b[2J"}}]}  # fmt: skip
    facts = checked(Solved(True, json.dumps(hostile), None, 1))
    assert (facts.status, facts.values, facts.unique, facts.verdict, facts.count) == (
        "unknown",
        {},
        None,
        None,
        None,
    )
    assert facts.models[0]["x"].text == "\ufffd[2J"
    assert not checked(Solved(True, "[" * 100_000, None, 1)).ok
