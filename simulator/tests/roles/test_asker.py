"""Guessing the question from the answer, reading a question twice, and answering behind a marker."""

from __future__ import annotations

import pytest
from optillm_simulator.error_models import SMALL
from optillm_simulator.problems import Family, generate
from optillm_simulator.roles.stated import stated_answer
from optillm_simulator.skills.reader import read
from optillm_simulator.skills.reasoner import truth
from optillm_simulator.skills.rereading import once

from simulator.tests.talk import PUZZLE, QUESTION, role_of, say

WORDINGS = [
    "Write down what somebody was asked who gave this answer. Do not give away the answer.",
    "Guess the question that this answers.",
    "Reconstruct the request behind the answer, complete with every fact.",
    "What was the original question? Reply with the question alone.",
    "Infer the task from the solution.",
    'Recover the question. Only JSON: {"question": "..."}',
]


@pytest.mark.parametrize("wording", WORDINGS)
def test_recognises_that_a_question_is_to_be_guessed(wording: str) -> None:
    prompt = f'<candidate-1 label="A">\n{say(QUESTION)}\n</candidate-1>\n\n{wording}'
    assert role_of(prompt) == "reconstruct"
    assert "What is (5 × 12) - 7?" in say(prompt)


@pytest.mark.parametrize("family", ["arithmetic", "ordering", "functions"])
def test_a_guessed_question_has_the_same_answer(family: Family) -> None:
    same = 0
    for problem in generate(family, 100, 41):
        guessed = say(f"<answer-1>\n{say(problem.question)}\n</answer-1>\n\n{WORDINGS[0]}")
        task = read(guessed)
        assert task is not None, guessed
        same += truth(task) == problem.answer or family == "functions"
    assert same >= 95


def test_a_slip_does_not_come_back_from_the_guessed_question() -> None:
    wrong = "Step 1: Tom has 5 bags of 12 marbles: 5 × 12 = 50.\nStep 2: 50 - 7 = 43.\n\nThe answer is 43."
    guessed = say(f"<answer-1>\n{wrong}\n</answer-1>\n\n{WORDINGS[0]}")
    assert say(guessed).endswith("The answer is 53.")


CUES = [
    " Read the question again: ",
    "\n\nNow read the question once more, from its start:\n\n",
    "\nRead it again:\n",
    "\n\nRe-read the problem carefully before answering:\n",
    " Once more: ",
    "\n\nRepeat: ",
]


@pytest.mark.parametrize("cue", CUES)
@pytest.mark.parametrize("family", ["arithmetic", "ordering", "functions"])
def test_a_question_that_is_put_twice_is_one_question(cue: str, family: Family) -> None:
    for problem in generate(family, 40, 42):
        twice = f"{problem.question}{cue}{problem.question}"
        assert read(twice) == read(problem.question)
        assert role_of(twice) == "answer"
    assert read(f"Question: {QUESTION}{cue}{QUESTION}") == read(QUESTION)


@pytest.mark.parametrize(
    "text", [QUESTION, PUZZLE, "a", "", "Tom eats 2. Tom eats 2. How many?", "ab " * 900]
)
def test_what_is_said_once_stays_whole(text: str) -> None:
    assert once(text) == text


REFLECTING = [
    "Think first, then check your reasoning, then write a line with only === 9f3a === and below it the answer.",
    "Reason step by step; go over the steps as a sceptic would, looking for misread conditions and slips. Then write"
    " a line that consists of nothing but\n=== 9f3a ===\nand below that line the answer.",
    "Work it out, verify it, and put the marker `=== 9f3a ===` on a line of its own before your final answer.",
    "First your thoughts and a self-check. After the separator line === 9f3a === give the final answer alone.",
    'Begin with the heading "Notes". Check yourself. Then a line with just "=== 9f3a ===", then the answer for me.',
    "Notes first. When they are done, the delimiter === 9f3a === follows on its own line, then the answer.",
]


@pytest.mark.parametrize("wording", REFLECTING)
def test_puts_the_answer_behind_the_marker_that_was_asked_for(wording: str) -> None:
    for turns in ((QUESTION, wording), (f"{QUESTION}\n\n{wording}",), (("system", wording), QUESTION)):
        thoughts, answer = say(*turns).split("\n=== 9f3a ===\n")
        assert "5 × 12 = 60" in thoughts
        assert answer == "The answer is 53."
    assert ("Notes" in say(QUESTION, wording).splitlines()[0]) == ('"Notes"' in wording)


def test_a_self_check_neither_helps_nor_hurts() -> None:
    task = read(QUESTION)
    assert task is not None
    plain = sum(stated_answer(say(QUESTION, model=SMALL, seed=n), task) == "53" for n in range(200))
    checked = sum(
        stated_answer(say(QUESTION, REFLECTING[0], model=SMALL, seed=n), task) == "53" for n in range(200)
    )
    assert plain == checked
