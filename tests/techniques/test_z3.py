"""z3: what the solver's word is worth, what goes back for repair, and what is left without it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from optillm.sandbox import Checked, Failure, OptionVerdict, SandboxLimits, Solved, SourceAssertion, Value
from optillm.techniques import z3
from tests.fakes import Sent, World, failing

QUESTION = "Two numbers add up to 10 and differ by 4. What is the larger one?"
SMT = "(declare-const x Int) (declare-const y Int) (assert (= (+ x y) 10)) (assert (= (- x y) 4))"


def formalised(smt2: str = SMT, kind: str = "model", **more: Any) -> str:
    return json.dumps({"applicable": True, "kind": kind, "smt2": smt2, "answer_vars": ["x"], **more})


def number(text: str) -> Value:
    return Value("int", text)


def found(text: str = "7", **more: Any) -> Checked:
    return Checked(True, None, 1, "sat", {"x": number(text)}, True, **more)


@pytest.fixture
def solver(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Replace the sandbox by what a test says of each formalisation; the virtual clock knows no processes."""

    def install(
        check: Callable[[Mapping[str, Any]], Checked], solve: Callable[[str], Solved] | None = None
    ) -> None:
        async def checked(formalisation: Mapping[str, Any], limits: SandboxLimits | None = None) -> Checked:
            return check(formalisation)

        async def solved(language: str, program: str, limits: SandboxLimits | None = None) -> Solved:
            assert solve is not None
            return solve(program)

        monkeypatch.setattr(z3, "check", checked)
        monkeypatch.setattr(z3, "solve", solved)

    return install


def world(direct: str, *attempts: str, repaired: str = "", written: str = "The larger one is 7.") -> World:
    numbers = iter(attempts)

    def script(sent: Sent) -> str:
        if sent.role == "judge":
            return repaired if "Repair" in sent.prompt else next(numbers, "no idea")
        return written if sent.role == "write" else direct

    return World(script)


def test_a_confirmed_direct_answer_comes_back_verbatim_in_one_round(solver: Any) -> None:
    solver(lambda formalisation: found())
    scene = world("Surely 7. The answer is 7.", formalised(), formalised())
    completion = scene.complete("z3-m", QUESTION)
    assert completion.replies[0].text == "Surely 7. The answer is 7."
    assert completion.report.stop_reason == "settled"
    assert completion.report.calls == {"generate": 1, "judge": 2}
    assert scene.seconds == 1.0


def test_a_contradicted_answer_is_written_anew_from_the_solvers_result(solver: Any) -> None:
    solver(lambda formalisation: found())
    scene = world("The answer is 6.", formalised(), formalised())
    completion = scene.complete("z3-m", QUESTION)
    assert completion.replies[0].text == "The larger one is 7."
    assert scene.seconds == 2.0
    prompt = scene.of("write")[0].prompt
    assert "The result:\n7" in prompt
    assert "(assert (= (- x y) 4))" in prompt
    assert "The answer is 6." in prompt


def test_what_cannot_be_formalised_is_answered_directly_in_one_round(solver: Any) -> None:
    scene = world("A poem.", '{"applicable": false}', '{"applicable": false}')
    completion = scene.complete("z3-m", "Write a poem.")
    assert completion.replies[0].text == "A poem."
    assert scene.seconds == 1.0


def test_a_program_that_is_asked_for_is_one_direct_call() -> None:
    scene = world("```python\ndef double(n):\n    return 2 * n\n```", formalised(), formalised())
    completion = scene.complete("z3-m", "Write a Python function that doubles a number.")
    assert len(scene.sent) == 1
    assert completion.replies[0].text.startswith("```python")


def complaint_of(solver: Any, checked: Checked) -> str:
    """What a model is told after one unusable formalisation."""
    answers = iter([checked, found()])
    solver(lambda formalisation: next(answers))
    scene = world("The answer is 6.", formalised(), repaired=formalised())
    completion = scene.complete("z3(formalizations=1)-m", QUESTION)
    assert completion.replies[0].text == "The larger one is 7."
    assert completion.report.rounds == 3
    return next(sent.prompt for sent in scene.of("judge") if "Repair" in sent.prompt)


def test_an_unsat_core_goes_back_for_repair(solver: Any) -> None:
    core = (SourceAssertion(1, "(assert (> x 10))"), SourceAssertion(2, "(assert (< x 5))"))
    prompt = complaint_of(solver, Checked(True, None, 1, "unsat", core=core))
    assert "(assert (> x 10))" in prompt
    assert "(assert (< x 5))" in prompt


def test_a_second_solution_goes_back_for_repair(solver: Any) -> None:
    checked = Checked(True, None, 1, "sat", {"x": number("7")}, False, {"x": number("8")})
    assert "x = 7 and x = 8" in complaint_of(solver, checked)


def test_an_error_goes_back_with_its_line_and_hint(solver: Any) -> None:
    failure = Failure("syntax", "Z3Exception", "unknown constant z", 3, "declare it")
    prompt = complaint_of(solver, Checked(False, failure, 1))
    assert "unknown constant z (line 3)" in prompt
    assert "declare it" in prompt


def test_an_undecided_check_goes_back_for_repair(solver: Any) -> None:
    assert "could not decide" in complaint_of(solver, Checked(True, None, 1, "unknown"))


def test_repairs_end_and_leave_the_direct_answer(solver: Any) -> None:
    solver(lambda formalisation: Checked(True, None, 1, "unknown"))
    scene = world("The answer is 6.", formalised(), repaired=formalised())
    completion = scene.complete("z3(formalizations=1,max_repairs=2)-m", QUESTION)
    assert completion.replies[0].text == "The answer is 6."
    assert completion.report.calls == {"generate": 1, "judge": 3}
    assert scene.seconds == 3.0


@pytest.mark.parametrize("kind", ["busy", "unavailable"])
def test_a_solver_that_is_not_there_costs_nothing(solver: Any, kind: Any) -> None:
    solver(lambda formalisation: Checked(False, Failure(kind, "Solver", "not now"), 0))
    scene = world("The answer is 6.", formalised(), formalised())
    assert scene.text("z3-m", QUESTION) == "The answer is 6."
    assert scene.seconds == 1.0


def test_two_that_agree_outvote_the_direct_answer_without_repair(solver: Any) -> None:
    solver(
        lambda formalisation: Checked(True, None, 1, "unsat") if "bad" in formalisation["smt2"] else found()
    )
    scene = world("The answer is 6.", formalised(), formalised(), formalised("bad"))
    completion = scene.complete("z3(formalizations=3)-m", QUESTION)
    assert completion.report.calls == {"generate": 1, "judge": 3, "write": 1}


def test_one_result_asks_for_a_second_opinion_by_repair(solver: Any) -> None:
    solver(
        lambda formalisation: Checked(True, None, 1, "unsat") if "bad" in formalisation["smt2"] else found()
    )
    scene = world("The answer is 6.", formalised(), formalised("bad"), repaired=formalised())
    assert scene.complete("z3-m", QUESTION).report.rounds == 3


@pytest.mark.parametrize(
    ("kind", "checked", "question", "direct"),
    [
        ("entail", Checked(True, None, 1, "sat", verdict="true"), "Does it follow?", "Yes."),
        ("entail", Checked(True, None, 1, "sat", verdict="false"), "Does it follow?", "No."),
        (
            "choice",
            Checked(True, None, 1, "sat", options=(OptionVerdict(False, False), OptionVerdict(True, True))),
            "Who did it?",
            "The answer is Bob.",
        ),
        (
            "count",
            Checked(True, None, 1, "sat", count=12, complete=True),
            "How many ways?",
            "The answer is 12.",
        ),
        (
            "optimize",
            Checked(True, None, 1, "sat", optimum=(Value("int", "30"),)),
            "How much?",
            "The answer is 30.",
        ),
        ("model", found("1/3"), "What is x?", "The answer is 1/3."),
    ],
)
def test_every_kind_of_task_can_confirm(
    solver: Any, kind: str, checked: Checked, question: str, direct: str
) -> None:
    solver(lambda formalisation: checked)
    attempt = formalised(kind=kind, options=["Ann", "Bob"], query=["(p a)", "(p b)"])
    completion = world(direct, attempt, attempt).complete("z3-m", question)
    assert (completion.replies[0].text, completion.report.stop_reason) == (direct, "settled")


def test_two_possible_options_are_no_answer(solver: Any) -> None:
    both = (OptionVerdict(True, False), OptionVerdict(True, False))
    solver(lambda formalisation: Checked(True, None, 1, "sat", options=both))
    attempt = formalised(kind="choice", options=["Ann", "Bob"], query=["(p a)", "(p b)"])
    scene = world("It was Ann.", attempt, repaired="")
    assert scene.text("z3(formalizations=1)-m", "Who did it?") == "It was Ann."
    assert any("2 of the options are possible" in sent.prompt for sent in scene.of("judge"))


def test_programs_are_run_where_python_is_asked_for(solver: Any) -> None:
    programs: list[str] = []

    def solve(program: str) -> Solved:
        programs.append(program)
        return Solved(True, "7\n", None, 5)

    solver(lambda formalisation: found(), solve)
    scene = world("The answer is 7.", "Here:\n```python\nprint(3 + 4)\n```")
    completion = scene.complete("z3(lang=python,formalizations=1)-m", QUESTION)
    assert programs == ["print(3 + 4)"]
    assert completion.report.stop_reason == "settled"


def test_a_failing_program_goes_back_for_repair(solver: Any) -> None:
    outcomes = iter(
        [
            Solved(False, "", Failure("error", "NameError", "name 'y' is not defined", 2, "define it"), 5),
            Solved(True, "", None, 5),
            Solved(True, "7", None, 5),
        ]
    )
    solver(lambda formalisation: found(), lambda program: next(outcomes))
    code = "```python\nprint(y)\n```"
    scene = world("The answer is 6.", code, repaired=code)
    completion = scene.complete("z3(lang=python,formalizations=1)-m", QUESTION)
    assert completion.replies[0].text == "The larger one is 7."
    complaints = [sent.prompt for sent in scene.of("judge") if "Repair" in sent.prompt]
    assert "line 2: NameError" in complaints[0]
    assert "printed nothing" in complaints[1]


def test_auto_asks_for_one_of_each_language(solver: Any) -> None:
    scene = world("The answer is 6.")
    scene.complete("z3(lang=auto)-m", QUESTION)
    prompts = [sent.prompt for sent in scene.of("judge")]
    assert [("SMT-LIB" in prompt, "Python" in prompt) for prompt in prompts] == [(True, False), (False, True)]


def test_a_program_is_repaired_as_a_program_whatever_the_others_are(solver: Any) -> None:
    outcomes = iter([Solved(True, "", None, 5), Solved(True, "7", None, 5)])
    solver(lambda formalisation: found(), lambda program: next(outcomes))
    code = "```python\nprint(y)\n```"
    scene = world("The answer is 6.", formalised(), code, repaired=code)
    scene.complete("z3(lang=auto)-m", QUESTION)
    assert next(outcomes, None) is None
    assert scene.seconds == 3.0


def test_without_a_direct_answer_the_result_is_put_into_words(solver: Any) -> None:
    solver(lambda formalisation: found())

    def script(sent: Sent) -> str:
        if sent.role == "generate":
            raise failing(400)
        return formalised() if sent.role == "judge" else "It is 7."

    assert World(script).text("z3-m", QUESTION) == "It is 7."


def test_the_real_sandbox_confirms_repairs_and_survives_hostile_text() -> None:
    """No scripted solver here: formalisations and a hostile one, through the real processes, in real time."""
    contradictory = SMT + " (assert (> x 100))"
    hostile = '(set-option :regular-output-channel "/tmp/optillm-canary") (echo "x") (assert true)'
    scene = world("The answer is 6.", formalised(contradictory), formalised(hostile), repaired=formalised())
    completion: Any = asyncio.run(scene.serve("z3-m", QUESTION))
    assert completion.replies[0].text == "The larger one is 7."
    told = "".join(sent.prompt for sent in scene.of("judge"))
    assert "(assert (> x 100))" in told.split("contradict each other")[1]
