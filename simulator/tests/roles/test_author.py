"""The writing roles: answering, merging and continuing."""

from __future__ import annotations

import json

import pytest
from optillm_simulator.error_models import SMALL
from optillm_simulator.roles.stated import stated_answer
from optillm_simulator.skills.reader import read

from simulator.tests.talk import PUZZLE, QUESTION, RIGHT, WRONG, quoting, say

SYNTHESISE = "Synthesise these references into one answer for the user."


def test_a_merge_is_a_fresh_worked_answer() -> None:
    reply = say(QUESTION, quoting(SYNTHESISE, WRONG, WRONG, RIGHT, question=QUESTION))
    assert reply.startswith("Step 1:")
    assert reply.endswith("The answer is 53.")
    assert "andidate" not in reply


def test_merging_beats_answering_alone() -> None:
    task = read(QUESTION)
    assert task is not None

    def right(reply: str) -> bool:
        return stated_answer(reply, task) == "53"

    prompt = quoting(SYNTHESISE, RIGHT, WRONG, RIGHT)
    alone = sum(right(say(QUESTION, model=SMALL, seed=seed)) for seed in range(300))
    merged = sum(right(say(prompt, model=SMALL, seed=seed)) for seed in range(300))
    assert merged > alone


def test_a_merge_may_be_talked_into_a_wrong_answer_and_works_it_out_all_the_same() -> None:
    replies = [say(quoting(SYNTHESISE, WRONG, WRONG, WRONG), model=SMALL, seed=seed) for seed in range(100)]
    talked_into = [reply for reply in replies if reply.endswith("The answer is 43.")]
    assert talked_into
    assert all("= 43." in reply for reply in talked_into)


@pytest.mark.parametrize(
    ("notes", "answer"),
    [
        ("Step 1: Tom has 5 bags of 12 marbles: 5 × 12 = 60.", "53"),
        ("Step 1: 5 bags of 12: 5 × 12 = 61.", "54"),
    ],
)
def test_continues_from_the_steps_that_were_taken_right_or_wrong(notes: str, answer: str) -> None:
    reply = say(f"Question: {QUESTION}\n\n<partial-3d>\n{notes}\n</partial-3d>\n\nContinue from here.")
    assert reply.startswith("Step 2:")
    assert reply.endswith(f"The answer is {answer}.")


def test_continues_a_puzzle_with_the_readings_in_the_notes() -> None:
    notes = "Step 1: Ann is taller than Bob but shorter than Cid, so Bob comes before Ann."
    reply = say(f"Question: {PUZZLE}\n\n<partial-3d>\n{notes}\n</partial-3d>\n\nContinue from here.")
    assert reply.endswith("The answer is Bob, Cid, Ann.")


def test_continues_an_answer_that_was_begun_in_its_own_name() -> None:
    reply = say(("user", QUESTION), ("assistant", "Step 1: Tom has 5 bags of 12 marbles: 5 × 12 = 60.\n"))
    assert reply.startswith("Step 2:")


def test_gives_the_bare_answer_when_nothing_else_is_wanted() -> None:
    assert say(f"{QUESTION} Reply with only the number.") == "53"


def test_wraps_the_answer_in_json_that_satisfies_a_schema() -> None:
    schema = {
        "type": "object",
        "properties": {
            "steps": {"type": "array", "items": {"type": "string"}},
            "final_answer": {"type": "integer"},
            "unit": {"type": ["string", "null"]},
        },
        "required": ["steps", "final_answer"],
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    answer = json.loads(say(QUESTION, response_format=wanted))
    assert answer["final_answer"] == 53
    assert len(answer["steps"]) == 2
    assert isinstance(answer["unit"], str)


def test_json_mode_without_a_schema_gives_reasoning_and_answer() -> None:
    answer = json.loads(say(QUESTION, response_format={"type": "json_object"}))
    assert answer["answer"] == 53
    assert "60" in answer["reasoning"]


@pytest.mark.parametrize("message", ["Hello!", "Write a poem.", "What is the capital of France?", ""])
def test_says_what_it_is_when_a_task_is_beyond_it(message: str) -> None:
    reply = say(message)
    assert "simulated demo model" in reply
    assert "How many marbles does Tom have left?" in reply


def test_a_refusal_in_json_mode_is_json() -> None:
    assert "demo model" in json.loads(say("Write a poem.", response_format={"type": "json_object"}))["answer"]


STATED = [
    ("Step 1: 60.\n\nThe answer is **53**.", "53"),
    ("… so \\boxed{53}", "53"),
    ("**Answer:** $53.00", "53"),
    ("The answer is 1,053 marbles, since 1,000 + 53", "1053"),
    ('{"reasoning": "60 - 7", "answer": 53}', "53"),
    ("First I thought the answer is 4.\nBut the answer is 5.", "5"),
    ("60 minus 7 makes 53", "53"),
    ("The answer is −7/2.", "-3.5"),
    ("I do not know.", None),
    ("", None),
]


@pytest.mark.parametrize(("text", "answer"), STATED)
def test_reads_the_answer_that_a_text_states(text: str, answer: str | None) -> None:
    task = read(QUESTION)
    assert task is not None
    assert stated_answer(text, task) == answer


def test_reads_the_order_that_a_text_states_only_when_it_is_whole() -> None:
    task = read(PUZZLE)
    assert task is not None
    assert stated_answer("The answer is Cid > Ann > Bob.", task) == "Cid, Ann, Bob"
    assert stated_answer("The answer is Cid, then Bob.", task) is None
