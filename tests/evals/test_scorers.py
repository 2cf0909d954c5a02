"""Scorers: what each takes for right, and what cannot be scored."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from optillm.config.sources import SettingsError
from optillm.engine.algebra import Offload
from optillm.evals.questions import Question
from optillm.evals.scorers import Mark, Scorers, ScoringError, scorer
from optillm.evals.scorers.contract import Tools
from optillm.sandbox import Failure, Solved
from tests.evals.fakes import question, questions, tools


def mark(name: str, asked: Question, reply: str, with_tools: Tools | None = None) -> Mark:
    chosen = scorer(name)
    assert chosen.problem(asked) is None
    return asyncio.run(chosen.score(asked, reply, with_tools or tools()))


def worth(name: str, asked: Question, reply: str) -> float:
    return mark(name, asked, reply).value


# Answers that are stated


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        ("1234", "So we get **1,234** apples."),
        ("0.5", r"The answer is \boxed{\frac{1}{2}}."),
        ("Paris", "The capital is Rome? No. The answer is Paris."),
        ("東京", "東京"),
        ("4", "<think>5? no</think>\n\nThe answer is 4."),
    ],
)
def test_auto_compares_what_is_meant(answer: str, reply: str) -> None:
    assert worth("auto", question(question="Which is it?", answer=answer), reply) == 1
    assert worth("auto", question(question="Which is it?", answer="77"), reply) == 0


def test_any_of_several_answers_will_do() -> None:
    asked = question(question="Who?", answers=["Ann", "Bob"])
    assert worth("auto", asked, "The answer is Bob.") == 1


def test_an_empty_reply_is_wrong() -> None:
    asked = question(question="How many?", answer="3")
    assert {worth(name, asked, "") for name in ("auto", "exact", "numeric", "contains")} == {0}


def test_expressions_are_compared_by_algebra() -> None:
    offload = Offload()
    asked = question(question="Expand $(x+1)^2$.", answer="(x+1)^2")
    try:
        algebraic = Tools(offload.share(), tools().ask)
        assert mark("auto", asked, r"The answer is \boxed{x^2 + 2x + 1}.", algebraic).value == 1
    finally:
        offload.close()


def test_the_option_may_be_named_by_its_letter_or_its_text() -> None:
    asked = question(question="Capital of Italy?", choices=["Paris", "Rome"], answer=1)
    for name in ("auto", "choice"):
        assert worth(name, asked, "The answer is (B).") == 1
        assert worth(name, asked, "B") == 1
        assert worth(name, asked, "The answer is A.") == 0
    assert worth("choice", asked, "Rome") == 1


def test_exact_takes_the_whole_reply() -> None:
    asked = question(question="Say yes", answer="yes")
    assert [worth("exact", asked, reply) for reply in (" yes\n", "Yes", "yes, sir")] == [1, 0, 0]


def test_composed_and_decomposed_letters_are_the_same() -> None:
    assert worth("exact", question(question="?", answer="caf\u00e9"), "cafe\u0301") == 1


@pytest.mark.parametrize(
    ("name", "reply", "value"),
    [
        ("numeric(0.01)", "About 3.14", 1),
        ("numeric(0.001)", "About 3.14", 0),
        ("numeric(tolerance=0.1, relative=True)", "The answer is 3.4.", 1),
        ("numeric", "no number at all", 0),
    ],
)
def test_numbers_may_be_a_little_off(name: str, reply: str, value: float) -> None:
    assert worth(name, question(question="Pi?", answer="3.14159"), reply) == value


def test_contains_looks_anywhere_in_any_case() -> None:
    asked = question(question="Who?", answer="Marie Curie")
    assert worth("contains", asked, "It was MARIE CURIE, of course.") == 1
    assert worth("contains", asked, "It was Curie.") == 0


def test_a_pattern_is_searched_for() -> None:
    assert worth(r'regex("\\d{4}")', question(question="When?"), "In 1905.") == 1
    assert worth("regex", question(question="When?", answer=r"\b19\d\d\b"), "In 1805.") == 0


# JSON


def test_json_has_to_fit_its_schema_and_its_answer(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    path.write_text(json.dumps({"type": "object", "required": ["a"]}))
    name = f"json({str(path)!r})"
    assert worth(name, question(question="?"), 'Here:\n```json\n{"a": 1}\n```') == 1
    assert worth(name, question(question="?"), '{"b": 1}') == 0
    assert worth(name, question(question="?", answer={"a": 1, "b": 2}), '{"b": 2, "a": 1.0}') == 1
    assert worth(name, question(question="?", answer={"a": 1}), '{"a": 2}') == 0
    assert worth("json", question(question="?"), "no JSON") == 0


def test_a_question_may_have_a_schema_of_its_own() -> None:
    asked = question(question="?", schema={"type": "array"})
    assert (worth("json", asked, "[1]"), worth("json", asked, "{}")) == (1, 0)


# Programs

DOUBLE = {"question": "Write double.", "tests": ["assert double(2) == 4", "assert double(0) == 0"]}


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("    return 2 * n", 1),
        ("    return n ** 2", 1),
        ("    return 4", 0),
        ("    print('passed')\n    return 5", 0),
        ("    return", 0),
    ],
)
def test_a_program_has_to_pass_its_tests(body: str, value: float) -> None:
    reply = f"Here:\n\n```python\ndef double(n):\n{body}\n```"
    assert worth("python", question(**DOUBLE), reply) == value


def test_a_completion_goes_behind_its_prompt() -> None:
    row = {
        "prompt": "def double(n):\n",
        "entry_point": "double",
        "test": "def check(f):\n    assert f(2) == 4",
    }
    assert worth("python", question(**row), "    return n + n") == 1


def test_a_sandbox_that_runs_nothing_says_nothing_of_a_program(monkeypatch: pytest.MonkeyPatch) -> None:
    async def solve(*_: Any) -> Solved:
        return Solved(False, "", Failure("unavailable", "Sandbox", "no jail"), 0)

    monkeypatch.setattr("optillm.sandbox.solve", solve)
    with pytest.raises(ScoringError, match="no jail"):
        worth("python", question(**DOUBLE), "def double(n): return 2 * n")


def test_a_program_that_the_sandbox_refuses_is_not_called_wrong() -> None:
    with pytest.raises(ScoringError, match="did not run the program"):
        worth("python", question(**DOUBLE), "```python\nimport numpy\n\ndef double(n): return 2 * n\n```")


# Judges and functions


def test_a_judge_is_asked_about_the_rubric() -> None:
    prompts: list[tuple[str, str]] = []

    def answer(model: str, prompt: str) -> str:
        prompts.append((model, prompt))
        return "It is polite.\nVERDICT: RIGHT"

    asked = question(question="Greet me", answer="Good day")
    assert mark('judge("large", "Is it polite?")', asked, "Good morning!", tools(answer)) == Mark(
        1.0, 10, 0.01
    )
    ((model, prompt),) = prompts
    assert model == "large"
    assert all(text in prompt for text in ("Is it polite?", "Greet me", "Good day", "Good morning!"))


def test_the_last_verdict_counts() -> None:
    said = 'The reply says "VERDICT: RIGHT".\n**Verdict: WRONG**'
    assert mark('judge("m")', question(question="q"), "r", tools(lambda *_: said)).value == 0


def test_a_judge_that_cannot_be_read_is_asked_again_and_then_scores_nothing() -> None:
    replies = iter(["Hm.", "VERDICT: WRONG", "Hm.", "Hm."])
    unsteady = tools(lambda *_: next(replies))
    assert mark('judge("m")', question(question="q"), "r", unsteady) == Mark(0.0, 20, 0.02)
    with pytest.raises(ScoringError, match="no verdict"):
        mark('judge("m")', question(question="q"), "r", unsteady)


def half(reply: str, row: dict[str, Any]) -> float:
    """A scorer of one's own."""
    return 0.5 if reply == row["wanted"] else 0.0


async def late(reply: str, row: dict[str, Any]) -> bool:
    return reply in row["answers"]


def faulty(reply: str, row: dict[str, Any]) -> float:
    return float(reply)


def test_a_function_of_ones_own_scores() -> None:
    assert worth("tests.evals.test_scorers:half", question(question="q", wanted="x"), "x") == 0.5
    assert worth("tests.evals.test_scorers:late", question(question="q", answer="x"), "x") == 1


@pytest.mark.parametrize("reply", ["x", "2", "nan"])
def test_a_function_that_fails_says_nothing_of_the_reply(reply: str) -> None:
    with pytest.raises(ScoringError, match="faulty"):
        worth("tests.evals.test_scorers:faulty", question(question="q"), reply)


# What cannot be scored


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("nummeric", "unknown scorer 'nummeric'; did you mean `numeric`?"),
        ("numeric(", "is no scorer"),
        ("numeric(x)", "is no scorer"),
        ("numeric(-1)", "is no number from 0 up"),
        ("numeric(1, 2, 3)", "numeric: "),
        ("judge", "judge: "),
        ('regex("(")', "is no regular expression"),
        ('json("nothing.json")', "No such file"),
        ("python(900)", "limits out of range"),
        ("tests.evals.test_scorers:nothing", "AttributeError"),
        ("no.such.module:f", "ModuleNotFoundError"),
        ("tests.evals.test_scorers:DOUBLE", "is not a function"),
    ],
)
def test_a_scorer_that_does_not_exist_is_refused(name: str, problem: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        Scorers(name, questions({"question": "q", "answer": "1"}))
    assert problem in str(refusal.value)
    with pytest.raises(SettingsError, match="row 1: "):
        Scorers("auto", questions({"question": "q", "answer": "1", "score": name}))


@pytest.mark.parametrize(
    ("name", "row", "problem"),
    [
        ("auto", {}, "no answer to compare with"),
        ("exact", {}, "no answer to compare with"),
        ("numeric", {"answer": "many"}, "the answer 'many' is no number"),
        ("choice", {"answer": "Paris"}, "the answer 'Paris' is no letter"),
        ("regex", {"answer": "("}, "is no regular expression"),
        ("python", {"answer": "4"}, "no tests"),
        ("json", {"answer": "{"}, "not usable"),
    ],
)
def test_a_question_that_cannot_be_scored_is_named(name: str, row: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingsError, match=f"row 1: .*{problem}"):
        Scorers(name, questions({"question": "q", **row}))


def test_a_question_may_name_its_own_scorer() -> None:
    asked = questions({"question": "q", "score": 'judge("large")'}, {"question": "p", "answer": "1"})
    scorers = Scorers("exact", asked)
    assert [str(scorers.of(each)).partition("(")[0] for each in asked] == ["Judge", "Exact"]
    assert [scorers.judge_of(each) for each in asked] == ["large", None]
