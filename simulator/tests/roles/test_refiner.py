"""Refining: the marker, what is found, and what it is worth."""

from __future__ import annotations

import json
import random

import pytest
from optillm_simulator.error_models import LARGE, SMALL, ErrorModel
from optillm_simulator.problems import generate
from optillm_simulator.roles.markers import marker_in
from optillm_simulator.roles.stated import stated_answer
from optillm_simulator.skills.reader import read
from optillm_simulator.skills.reasoner import work

from simulator.tests.talk import PUZZLE, QUESTION, RIGHT, WRONG, quoting, role_of, say

ASK = (
    "Find its most serious problem, then write a better full answer. First the critique, then a line with only"
    " ===9f3a=== and then the answer."
)


@pytest.mark.parametrize(
    "wording",
    [
        ASK,
        "Improve the answer above.",
        "Refine the current answer: name its worst flaw, then rewrite it in full.",
        "Here is the current answer. What is its most important mistake? Write a corrected version of the answer.",
        "Revise this draft. Point out errors first.",
        "Criticise the answer as a strict reviewer would, then give an improved answer to my message.",
        "Fix the answer, if there is anything wrong with it, and write it out completely.",
    ],
)
def test_recognises_that_an_answer_is_to_be_refined(wording: str) -> None:
    assert role_of(QUESTION, quoting(wording, WRONG)) == "refine"
    assert role_of(("user", QUESTION), ("assistant", WRONG), ("user", wording)) == "refine"


MARKERS = [
    ("a line with only ===9f3a=== and then the answer", "===9f3a==="),
    ("then a line that reads\n\n=== 9f3a12 ===\n\nand then the answer", "=== 9f3a12 ==="),
    ("then the line `=== 9f3a12 ===` alone, then your answer", "=== 9f3a12 ==="),
    ('put a line consisting only of "FINAL-77ab" before the answer', "FINAL-77ab"),
    ("Use the marker: @@final-3c@@ on a line of its own.", "@@final-3c@@"),
    ("separate both with the delimiter <<<answer 81>>>.", "<<<answer 81>>>"),
    ("End with a line like 'The answer is 5'.", ""),
    ("Improve it.", ""),
]


@pytest.mark.parametrize(("wording", "marker"), MARKERS)
def test_finds_the_marker_that_is_asked_for(wording: str, marker: str) -> None:
    assert marker_in(f"Write a critique, {wording}") == marker


@pytest.mark.parametrize(("wording", "marker"), MARKERS[:6])
def test_writes_the_marker_on_a_line_of_its_own(wording: str, marker: str) -> None:
    reply = say(QUESTION, quoting(f"Improve this answer. First the critique, {wording}", WRONG))
    critique, answer = reply.split(f"\n{marker}\n")
    assert "step 1: it says 50, but it should be 60" in critique
    assert answer.startswith("Step 1:")
    assert answer.endswith("The answer is 53.")


def test_leaves_a_sound_answer_as_it_was() -> None:
    sound = say(QUESTION)
    reply = say(QUESTION, quoting(ASK, sound))
    assert reply == f"I checked every step and found no serious problem.\n\n===9f3a===\n{sound}"


def test_refines_a_puzzle_clue_by_clue() -> None:
    wrong = (
        "Step 1: Ann is taller than Bob but shorter than Cid, so Bob comes before Ann.\nThe answer is Ann."
    )
    assert say(PUZZLE, quoting(ASK, wrong, question=PUZZLE)).endswith("The answer is Cid, Ann, Bob.")


def test_refines_an_answer_without_numbered_steps() -> None:
    assert say(QUESTION, quoting(ASK, "Surely the answer is 43.")).endswith("The answer is 53.")
    assert say(QUESTION, quoting(ASK, RIGHT)).endswith("The answer is 53.")


def test_fills_critique_and_answer_into_json() -> None:
    wanted = 'Improve it. Reply only with JSON: {"critique": "...", "answer": "..."}'
    reply = json.loads(say(QUESTION, quoting(wanted, WRONG)))
    assert "step 1" in reply["critique"]
    assert reply["answer"].endswith("The answer is 53.")


def test_leaves_an_answer_alone_that_is_beyond_its_skills() -> None:
    poem = "Waves, grey and tall."
    assert say("Write a poem about the sea.", quoting(ASK, poem, question="Write a poem.")).endswith(poem)


def refined(model: ErrorModel) -> tuple[int, int, int]:
    """How many answers were right before and after refining, and how many right ones were broken."""
    before = after = broken = 0
    for seed, problem in enumerate(generate("arithmetic", 300, 5)):
        task = read(problem.question)
        assert task is not None
        first = work(task, model, random.Random(seed))
        reply = say(problem.question, quoting(ASK, first.text, question=problem.question),
                    model=model, seed=seed + 10_000)  # fmt: skip
        was, now = (text == problem.answer for text in (first.answer, stated_answer(reply, task)))
        before, after, broken = before + was, after + now, broken + (was and not now)
    return before, after, broken


@pytest.mark.parametrize("model", [SMALL, LARGE], ids=lambda one: one.name)
def test_refining_helps_on_average_and_sometimes_breaks_a_right_answer(model: ErrorModel) -> None:
    before, after, broken = refined(model)
    assert after > before
    assert 0 < broken < 0.35 * before
