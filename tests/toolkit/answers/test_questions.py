"""What a question asks for: a program, or something that only sounds like one."""

from __future__ import annotations

import time

import pytest

from optillm.toolkit.answers.questions import Question, _last_question


@pytest.mark.parametrize(
    "question",
    [
        "Write a Python function that doubles a number.",
        "Please write me a short and well tested function in Go.",
        "Given a list of intervals, implement a class that merges them.",
        "Fix the bug in this code:\n```\ndef f(x): return\n```",
        "I have two tables. Give me the SQL that joins them.",
        "Translate this method to Rust.",
        "Generate a bash script that renames files.",
    ],
)
def test_a_program_that_is_named_is_asked_for(question: str) -> None:
    assert Question(question).asks_for_program


@pytest.mark.parametrize(
    "question",
    [
        "There are 12 boys in a class of 30. Give the share of girls in the class.",
        "Define the function f by f(x) = x + 3. For which x is f(x) = 5?",
        "Write 0.75 as a fraction. The program prints it.",
        "A lock has a code of three digits that add up to 10. Give the code.",
        "Ann, Bob and Tom sit in a row in the Python room. Who sits first?",
        "How many queries does a search of 1000 items need?",
    ],
)
def test_a_program_that_is_only_mentioned_is_not(question: str) -> None:
    assert not Question(question).asks_for_program


def test_reading_a_hostile_question_takes_no_time() -> None:
    questions = ["write " * 2_000, "write '" * 1_700, "write" + " -" * 5_900, "write " + "a b" * 3_900]
    start = time.process_time()
    for question in questions:
        Question(question).asks_for_program  # noqa: B018 - it is the reading that counts
    assert time.process_time() - start < 1


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("One. Is it 3.5? Yes.", " Is it 3.5?"),
        ("How so?? Well", "How so?"),
        ("a" * 3000 + "?", "a" * 1000 + "?"),
        ("Tell me\nwhy?\nNow", "why?"),
    ],
)
def test_the_last_question_is_found_from_its_end(text: str, question: str) -> None:
    assert _last_question(text) == question
