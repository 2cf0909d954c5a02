"""The roles around code, and that judges and writers know what a program does."""

from __future__ import annotations

import json
import random

import pytest
from optillm_simulator.error_models import FAULTLESS, SMALL
from optillm_simulator.problems import generate
from optillm_simulator.roles.coder import LITERAL
from optillm_simulator.roles.stated import stated_answer
from optillm_simulator.skills.functions import VAGUE, canonical, read_function, source
from optillm_simulator.skills.reasoner import truth, work

from simulator.tests.talk import quoting, role_of, say

ASK = (
    "Write a Python function `sum_above(numbers)` that returns the sum of all numbers in the list that are greater"
    " than 4."
)
found = read_function(ASK)
assert found is not None
TASK = found
GOOD = f"Here it is.\n\n```python\n{source(TASK, 0, random.Random(1))}\n```"
BAD = f"Here it is.\n\n```python\n{source(TASK, 1, random.Random(2))}\n```"

DESCRIBE = [
    "Describe what this code does as a self-contained specification.",
    "Write a specification of the program, so that somebody can write it again without seeing it.",
    "Explain in words what the function does. Do not quote the code.",
    "Summarise the behaviour of this program precisely.",
    "Specify exactly what the code computes, for every input.",
    'Reply with {"specification": "..."}',
]
REGENERATE = [
    "Implement this specification.",
    "Write the code that the specification describes.",
    "Write a Python function from this description.",
    "Reconstruct the program from its description; give the whole code.",
    "Produce the function that is described.",
    "Re-create the code from scratch.",
]
TESTS = [
    "Write test inputs for this question.",
    "List assertions that a right solution must satisfy.",
    "Write unit tests with expected values.",
    "Give test cases for the function, edge cases included.",
    "Think up inputs and the outputs expected; from the question only.",
    'Reply with {"tests": ["assert f(1) == 2"]}',
]


@pytest.mark.parametrize("wording", DESCRIBE)
def test_recognises_that_code_is_to_be_described(wording: str) -> None:
    for quoted in (
        f"<code-1a>\n{GOOD}\n</code-1a>",
        f'<candidate-1a label="code">{GOOD}</candidate-1a>',
        GOOD,
    ):
        assert role_of(f"{quoted}\n\n{wording}") == "describe"
        assert "greater than 4" in say(f"{quoted}\n\n{wording}")


@pytest.mark.parametrize("wording", REGENERATE)
def test_writes_code_from_a_specification_alone(wording: str) -> None:
    told = say(f"<code-1a>\n{GOOD}\n</code-1a>\n\n{DESCRIBE[0]}")
    for quoted in (
        f"<specification-1a>\n{told}\n</specification-1a>",
        f'<candidate-1a label="specification">\n{told}\n</candidate-1a>',
        f"Specification: {told}",
    ):
        reply = say(f"{quoted}\n\n{wording}")
        assert stated_answer(reply, TASK) == truth(TASK)


@pytest.mark.parametrize("wording", TESTS)
def test_writes_tests_for_a_question(wording: str) -> None:
    assert role_of(ASK, wording) == "write_tests"
    assert role_of(f"<user-1a>\n{ASK}\n</user-1a>\n\n{wording}") == "write_tests"
    assert "sum_above([3, 4, 5, 9])" in say(ASK, wording)


def test_tests_come_as_json_when_wanted() -> None:
    told = json.loads(say(ASK, 'Write tests. Only JSON: {"inputs": ["f(1)"], "asserts": ["..."]}'))
    assert told["inputs"][0] == "sum_above([3, 4, 5, 9])"
    assert told["asserts"][0] == "assert sum_above([3, 4, 5, 9]) == 14"


def test_a_fault_is_described_as_it_stands_as_often_as_documented() -> None:
    told = [
        say(f"<code-1>\n{BAD}\n</code-1>\n\n{DESCRIBE[0]}", model=SMALL, seed=seed) for seed in range(500)
    ]
    literal = sum("equal to 4 count" in one for one in told)
    vague = sum(VAGUE in one for one in told)
    assert abs(literal / 500 - LITERAL) < 0.1
    assert abs(vague / 500 - SMALL.vague) < 0.06


def test_what_is_described_literally_is_written_again_with_its_fault() -> None:
    told = f"The function `sum_above(numbers)` {TASK.made.asks[0].format(k=4)}. Numbers equal to 4 count as well."
    assert stated_answer(say(f"<spec-1>{told}</spec-1>\nImplement it."), TASK) == canonical(TASK, 1)


def test_a_vague_description_is_often_misunderstood() -> None:
    told = f"<spec-1>The function `sum_above(numbers)` {TASK.made.asks[0].format(k=4)}. {VAGUE}</spec-1>"
    right = sum(stated_answer(say(f"{told}\nImplement it.", seed=n), TASK) == truth(TASK) for n in range(200))
    assert 60 < right < 140


def test_judges_see_which_program_is_right() -> None:
    reply = say(quoting("Rank the candidates.", BAD, GOOD, question=ASK))
    assert reply.endswith("Ranking: B > A")
    rated = say(quoting('Rate it from 0 to 10. {"score": 5}', BAD, question=ASK))
    assert json.loads(rated.rpartition("\n\n")[2])["score"] < 5
    assert "Numbers equal to 4 count as well" in rated


def test_programs_that_do_the_same_are_grouped_without_running_them() -> None:
    others = [f"```python\n{source(TASK, 0, random.Random(seed))}\n```" for seed in (3, 4, 5)]
    told = json.loads(
        say(quoting('Group them. Only JSON {"groups": [["A"]], "pick": "A"}', *others, BAD, question=ASK))
    )
    assert told["groups"] == [["A", "B", "C"], ["D"]]


@pytest.mark.parametrize("question", [ASK, "Which is better?"])
def test_tells_whether_two_programs_are_equivalent(question: str) -> None:
    same = quoting('Are they equivalent? Only JSON: {"equivalent": true}', GOOD, GOOD, question=question)
    differ = quoting('Are they equivalent? Only JSON: {"equivalent": true}', GOOD, BAD, question=question)
    assert json.loads(say(same)) == {"equivalent": True}
    assert json.loads(say(differ)) == {"equivalent": False}


def test_merging_and_refining_work_for_programs_too() -> None:
    merged = say(ASK, quoting("Reconcile these drafts into one answer.", BAD, GOOD, BAD, question=ASK))
    assert stated_answer(merged, TASK) == truth(TASK)
    refined = say(
        ASK, quoting("Improve it. Put a line with only ===1a=== before the answer.", BAD, question=ASK)
    )
    critique, code = refined.split("\n===1a===\n")
    assert "Numbers equal to 4 count as well" in critique
    assert stated_answer(code, TASK) == truth(TASK)


def test_a_sneaky_program_differs_in_behaviour() -> None:
    for seed in range(20):
        told = say(ASK, "Write a plausible solution with one hidden error.", seed=seed)
        assert stated_answer(told, TASK) not in (None, truth(TASK))


def test_the_round_trip_catches_many_faults() -> None:
    """A description of a faulty program often leads back to a sound one; of a sound one, mostly to itself."""

    def returns(variant: int, seed: int) -> bool:
        code = source(TASK, variant, random.Random(seed))
        told = say(f"<code-1>\n{code}\n</code-1>\n\n{DESCRIBE[0]}", model=SMALL, seed=seed)
        again = say(f"<spec-1>\n{told}\n</spec-1>\n\nImplement it.", model=SMALL, seed=seed + 5000)
        return stated_answer(again, TASK) == canonical(TASK, variant)

    sound = sum(returns(0, seed) for seed in range(200))
    faulty = sum(returns(1, seed) for seed in range(200))
    assert sound > faulty + 40


def test_a_function_is_answered_with_prose_and_a_fence() -> None:
    reply = say(ASK)
    assert "\n\n```python\ndef sum_above(numbers):" in reply
    assert reply.endswith("```")
    assert say(f"{ASK} Reply with only the code.").startswith("```python")


def test_terse_and_stepwise_requests_do_not_break_on_programs() -> None:
    for wording in (
        "Give only the next step.",
        "Ask the next sub-question and answer it.",
        "Rephrase the question.",
        "Formalise this for an SMT solver.",
        "Finish from here: <notes-1>nothing yet</notes-1>",
    ):
        assert say(ASK, wording)


def test_plain_answers_of_generated_problems_are_read_by_what_they_do() -> None:
    for seed, problem in enumerate(generate("functions", 60, 9)):
        task = read_function(problem.question)
        assert task is not None
        assert problem.solved_by(say(problem.question, seed=seed))
        faulty = work(task, SMALL, random.Random(seed))
        assert problem.solved_by(faulty.text) == (faulty.slips == 0)
    assert FAULTLESS.bug == 0
