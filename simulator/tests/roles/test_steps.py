"""One step, one sub-question, the question in other words: the actions of a search through reasoning."""

from __future__ import annotations

import json

import pytest
from optillm_simulator.error_models import SMALL
from optillm_simulator.problems import Family, generate
from optillm_simulator.roles.stated import stated_answer
from optillm_simulator.skills.reader import read
from optillm_simulator.skills.reasoner import truth

from simulator.tests.talk import PUZZLE, QUESTION, role_of, say

FIRST = "Step 1: Tom has 5 bags of 12 marbles: 5 × 12 = 60."
SECOND = "Step 2: He gives 7 to Bob: 60 - 7 = 53."
WORDINGS = {
    "next_step": [
        "Give only the next step.",
        "Propose one next reasoning step and then stop.",
        "Write exactly one further step of the solution, nothing more.",
        "What is the next step? Do not finish the solution.",
        "Continue with a single step. Stop after it.",
        "Add just the next logical step to the steps so far.",
        "Think one step at a time: state the single next step.",
    ],
    "sub_question": [
        "Ask the next sub-question and answer it.",
        "Decompose the problem: pose one simpler sub-question and answer that.",
        "Break it down. State the next subquestion, then its answer.",
        "Which smaller sub-problem should be solved next? Ask and answer it.",
        "Propose one sub-question whose answer brings us closer, and answer it.",
        'Reply with {"sub_question": "...", "answer": "..."}',
    ],
    "rephrase": [
        "Rephrase the question as a list of conditions. Keep all facts.",
        "Restate the problem: list every condition, then what is asked. Do not solve it.",
        "Put the question in other words, as a list of facts.",
        "Paraphrase the problem so that each condition stands on a line of its own.",
        "Reformulate it clearly. List the conditions first.",
        "Reword the task. Lose nothing.",
    ],
    "carry_on": [
        "Finish from here.",
        "Complete the solution from the notes; state the final answer.",
        "Continue the partial work to the end.",
        "Pick up where these steps end and go on to the final answer.",
        "These are my notes. Proceed from them and finish.",
        "Take over the remaining steps.",
    ],
}
CALLS = [(role, wording) for role, wordings in WORDINGS.items() for wording in wordings]


@pytest.mark.parametrize(("role", "wording"), CALLS)
def test_recognises_the_action_in_whichever_form_the_work_is_quoted(role: str, wording: str) -> None:
    for begun in (
        f"<partial-1a>\n{FIRST}\n</partial-1a>",
        f'<candidate-7f3a label="steps">\n{FIRST}\n</candidate-7f3a>',
        f"Steps so far:\n{FIRST}",
        f"Partial solution:\n{FIRST}",
    ):
        assert role_of(f"Question: {QUESTION}\n\n{begun}\n\n{wording}") == role
        assert role_of(QUESTION, f"{begun}\n\n{wording}") == role


@pytest.mark.parametrize(("role", "wording"), [call for call in CALLS if call[0] != "carry_on"])
def test_recognises_the_action_before_anything_was_done(role: str, wording: str) -> None:
    assert role_of(QUESTION, wording) == role
    assert role_of(f"{QUESTION}\n\n{wording}") == role


@pytest.mark.parametrize(
    "wording",
    [
        "Answer this sub-question again, from scratch.",
        "Re-answer the sub-question.",
        "Answer the following sub-question once more, carefully and independently.",
        "Reconsider the sub-question above and give its answer.",
        "Take a second look at this sub-question.",
        "Redo the sub-question on its own.",
    ],
)
def test_answers_a_given_sub_question_again(wording: str) -> None:
    asked = "Sub-question 1: Tom has 5 bags of 12 marbles: what is 5 × 12?"
    notes = (
        f"<partial-1a>\n{asked}\nAnswer: Step 1: Tom has 5 bags of 12 marbles: 5 × 12 = 50.\n</partial-1a>"
    )
    prompt = f"{notes}\n\n<sub-question-1a>\n{asked}\n</sub-question-1a>\n\n{wording}"
    assert role_of(QUESTION, prompt) == "answer_sub"
    assert say(QUESTION, prompt) == FIRST


def walked(question: str, wording: str) -> str:
    """All steps, taken one call after the other."""
    notes = ""
    for _ in range(12):
        said = say(question, f"<notes-1>\n{notes or 'none yet'}\n</notes-1>\n\n{wording}")
        notes += said + "\n"
        if "The answer is" in said:
            return notes
    raise AssertionError(notes)


@pytest.mark.parametrize("wording", ["Give only the next step.", "Ask the next sub-question and answer it."])
@pytest.mark.parametrize("family", ["arithmetic", "ordering"])
def test_step_after_step_leads_to_the_answer(wording: str, family: Family) -> None:
    for problem in generate(family, 15, 3):
        task = read(problem.question)
        assert task is not None
        assert stated_answer(walked(problem.question, wording), task) == problem.answer


def test_a_step_is_one_line_and_the_last_states_the_answer() -> None:
    assert say(QUESTION, "Give only the first step.") == FIRST
    assert say(QUESTION, f"Steps so far:\n{FIRST}\n\nGive only the next step.").splitlines() == [
        SECOND,
        "",
        "The answer is 53.",
    ]
    assert (
        say(QUESTION, f"Steps so far:\n{FIRST}\n{SECOND}\n\nGive only the next step.") == "The answer is 53."
    )


def test_sub_questions_come_with_their_answers_in_prose_or_json() -> None:
    assert say(QUESTION, "Ask one simpler sub-question and answer it.") == (
        f"Sub-question 1: Tom has 5 bags of 12 marbles: what is 5 × 12?\nAnswer: {FIRST}"
    )
    reply = say(PUZZLE, 'Ask the next sub-question. Reply {"sub_question": "...", "answer": "..."}')
    assert set(json.loads(reply)) == {"sub_question", "answer"}


@pytest.mark.parametrize("family", ["arithmetic", "ordering"])
def test_a_question_in_other_words_keeps_its_answer(family: Family) -> None:
    for problem in generate(family, 150, 8):
        restated = say(problem.question, "Rephrase the question as a list of conditions.")
        task = read(restated.removeprefix("Conditions:\n"))
        assert task is not None, restated
        assert truth(task) == problem.answer
        notes = f"<notes-1>\n{restated}\n</notes-1>\n\nFinish from here."
        assert say(problem.question, notes).endswith(f"The answer is {problem.answer}.")


def test_a_fact_is_lost_now_and_then_when_a_question_is_put_in_other_words() -> None:
    lost = 0
    for seed, problem in enumerate(generate("arithmetic", 600, 8)):
        wording = "Rephrase the question as a list of conditions."
        full = say(problem.question, wording)
        lost += say(problem.question, wording, model=SMALL, seed=seed) != full
    assert 0.5 * SMALL.drops < lost / 600 < 2 * SMALL.drops


@pytest.mark.parametrize("notes", ["Step 1: 5 × 12 = 60. Step 2: He gives 7", "Step 1: 5 × 12 = 60"])
def test_continues_work_that_was_cut_anywhere(notes: str) -> None:
    reply = say(QUESTION, f'<candidate-1 label="notes">{notes}</candidate-1>\nFinish from the notes.')
    assert reply == f"{SECOND}\n\nThe answer is 53."
