"""Formalising, repairing and verbalising, with z3 itself as the judge."""

from __future__ import annotations

import json
from typing import Any

import pytest
import z3
from optillm_simulator.error_models import SMALL
from optillm_simulator.problems import Family, generate
from optillm_simulator.roles.stated import stated_answer
from optillm_simulator.skills.reader import read

from simulator.tests.talk import PUZZLE, QUESTION, quoting, role_of, say

WORDINGS = [
    "Formalise this task for an SMT solver. Write SMT-LIB 2, declarations and assertions only.",
    "Translate the problem into SMT-LIB: declare-const and assert, no check-sat.",
    "Put the puzzle into constraints that z3 can decide.",
    "Encode the task as assertions for a solver; do not solve it yourself.",
    "Write a z3py program that prints the answer.",
    "Write a Python program with z3 that states every fact as a constraint.",
    'Reply with {"applicable": true, "kind": "model", "smt2": "…", "answer_vars": ["x"]}',
]
TEMPLATE = (
    'Formalise the task for z3 in SMT-LIB 2. Only JSON like {"applicable": true, "kind": "model|entail|choice",'
    ' "smt2": "(declare-const x Int) (assert (= x 5))", "query": [], "options": [], "answer_vars": ["x"],'
    ' "domain_notes": ""} or {"applicable": false}'
)


def formalisation(question: str, **how: Any) -> dict[str, Any]:
    loaded = json.loads(say(question, TEMPLATE, **how))
    assert isinstance(loaded, dict)
    return loaded


def solved(smt2: str) -> dict[str, str]:
    """The values in the only model; empty when there is none or more than one."""
    solver = z3.Solver(ctx=z3.Context())
    solver.from_string(smt2)
    if solver.check() != z3.sat:
        return {}
    model = solver.model()
    values = {str(one): str(model[one]) for one in model}
    solver.add(z3.Or([one() != model[one] for one in model], solver.ctx))
    return values if solver.check() == z3.unsat else {}


@pytest.mark.parametrize("wording", WORDINGS)
def test_recognises_that_a_task_is_to_be_formalised(wording: str) -> None:
    assert role_of(QUESTION, wording) == "formalise"
    assert role_of(f"{PUZZLE}\n\n{wording}") == "formalise"
    assert role_of(f"<user-1a>\n{QUESTION}\n</user-1a>\n\n{wording}") == "formalise"


@pytest.mark.parametrize("family", ["arithmetic", "ordering"])
def test_a_faultless_formalisation_has_one_model_and_that_is_the_answer(family: Family) -> None:
    for problem in generate(family, 40, 31):
        found = formalisation(problem.question)
        assert found["applicable"] is True
        values = solved(found["smt2"])
        assert set(found["answer_vars"]) <= set(values)
        facts = "\n".join(f"{name} = {value}" for name, value in values.items())
        told = say(
            problem.question, f"<facts-1>\n{facts}\n</facts-1>\nAnswer me with these certified values."
        )
        assert told.endswith(f"The answer is {problem.answer}.")


def test_a_question_for_somebody_is_a_choice_among_options() -> None:
    found = formalisation("Ann finished ahead of Bob. Cid came in first. Who finished second?")
    assert found["kind"] == "choice"
    assert found["options"] == ["Ann", "Bob", "Cid"]
    assert found["query"] == ["(= Ann 2)", "(= Bob 2)", "(= Cid 2)"]


def test_a_program_prints_the_answer_alone() -> None:
    told = say(QUESTION, "Write a z3py program that prints the answer.")
    assert told.startswith("```python\nfrom z3 import *")
    assert "print(model[answer])" in told


def test_says_what_cannot_be_formalised() -> None:
    assert formalisation("Write a poem about the sea.")["applicable"] is False
    assert "Inapplicable" in say("Write a poem.", "Formalise this for an SMT solver.")


def test_assertions_go_wrong_about_as_often_as_documented() -> None:
    wrong = facts = 0
    for seed, problem in enumerate(generate("ordering", 300, 32)):
        clean = formalisation(problem.question)["smt2"].splitlines()
        slipped = formalisation(problem.question, model=SMALL, seed=seed)["smt2"].splitlines()
        wrong += len(set(clean) - set(slipped))
        facts += sum("assert" in line for line in clean)
    assert 0.01 < wrong / facts < 2 * SMALL.misformalises


COMPLAINTS = [
    "Repair the formalisation: it has two models.",
    "The solver says: unsat core. Fix the assertion that is wrong.",
    "z3 reported an error in line 2. Write the formalisation again, corrected.",
    "It is not unique: answer = 1 and answer = 2. Mend what is missing.",
    "The solver rejected it. Correct the formalisation and give it whole.",
    "The assertions contradict each other. Repair them in the same format.",
]


@pytest.mark.parametrize("wording", COMPLAINTS)
def test_repairs_a_formalisation_in_the_form_it_had(wording: str) -> None:
    whole = formalisation(QUESTION)
    text = whole["smt2"].replace("(assert (= answer (- step1 7)))", "")
    broken = json.dumps({"applicable": True, "smt2": text, "answer_vars": ["answer"]})
    prompt = f'<candidate-1 label="formalisation">\n{broken}\n</candidate-1>\n\n{wording}'
    assert role_of(QUESTION, prompt) == "repair"
    assert json.loads(say(QUESTION, prompt)) == {key: whole[key] for key in json.loads(broken)}


def test_a_repair_succeeds_as_often_as_faults_are_found() -> None:
    whole = formalisation(QUESTION)["smt2"]
    broken = whole.replace("(- step1 7)", "(+ step1 7)")
    prompt = f"<formalisation-1>\n{broken}\n</formalisation-1>\n\n{COMPLAINTS[1]}"
    mended = sum(whole in say(QUESTION, prompt, model=SMALL, seed=seed) for seed in range(400))
    assert abs(mended / 400 - SMALL.finds) < 0.1


VERBALISING = [
    "An exact solver has worked on my message. Answer my message from its result.",
    "The certified facts are above. Answer me with these values, in words.",
    "Use the values that the solver found and write the answer to my question.",
    "These facts are proved. Tell me the answer to my question.",
    "z3 found the values quoted above; explain the answer to me.",
    "The solver's verdict is exact. Reply to my question in the form I asked for.",
]


@pytest.mark.parametrize(
    "facts", ["Ann = 1, Bob = 3, Cid = 2", '{"Ann": 1, "Bob": 3, "Cid": 2}', "Ann is 1; Bob is 3; Cid is 2."]
)
def test_reads_an_order_off_the_places_that_a_solver_found(facts: str) -> None:
    told = say(
        PUZZLE, f'<candidate-1 label="result">\nThe result:\n{facts}\n</candidate-1>\n\n{VERBALISING[0]}'
    )
    assert told.endswith("The answer is Ann, Cid, Bob.")


@pytest.mark.parametrize("wording", VERBALISING)
def test_says_what_a_solver_found(wording: str) -> None:
    task = read(QUESTION)
    assert task is not None
    for quoted in (
        '<candidate-1 label="result">\nThe result:\n43\n</candidate-1>',
        "<facts-1>\nstep1 = 50, answer = 43\n</facts-1>",
        '<facts-1>{"answer": "43"}</facts-1>',
    ):
        prompt = f"{quoted}\n\n{wording}"
        assert role_of(QUESTION, prompt) == "verbalise"
        assert stated_answer(say(QUESTION, prompt), task) == "43"


def test_a_formalisation_that_says_something_else_is_noticed_as_often_as_documented() -> None:
    broken = formalisation(QUESTION)["smt2"].replace("(- step1 7)", "(+ step1 7)")
    quoted = f'<candidate-1 label="result">\n{broken}\n\nThe result:\n67\n</candidate-1>'
    prompt = f"{quoted}\n\n{VERBALISING[0]}"
    believed = sum(say(QUESTION, prompt, model=SMALL, seed=seed).endswith("67.") for seed in range(400))
    assert abs(believed / 400 - (1 - SMALL.finds)) < 0.1


def test_an_exact_judge_is_still_a_judge() -> None:
    assert role_of(quoting("Give an exact score from 0 to 10.", "The answer is 53.")) == "rate"
