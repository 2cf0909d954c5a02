"""Small functions: read, written in many ways, known again. Only what the demo itself wrote is run here."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest
from optillm_simulator.error_models import FAULTLESS, LARGE, SMALL
from optillm_simulator.problems import generate
from optillm_simulator.skills.functions import (
    KINDS,
    Function,
    asserts,
    canonical,
    code_in,
    described,
    read_function,
    recognised,
    source,
    variant_of,
    well_formed,
)
from optillm_simulator.skills.reasoner import work

TASKS = [
    Function(kind.name, 4 if "{k}" in kind.asks[0] else 0, kind.name, kind.args) for kind in KINDS.values()
]
EVERY = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
VARIANTS = range(3)


def passes(code: str, tests: list[str]) -> bool:
    """Whether the demo's own code satisfies the demo's own tests."""
    names: dict[str, Any] = {}
    try:
        exec("\n".join((code, *tests)), names)  # noqa: S102 - our own templates
    except AssertionError:
        return False
    return True


@EVERY
def test_the_clean_function_passes_its_tests_and_every_fault_fails_one(task: Function) -> None:
    for seed in range(30):
        rng = random.Random(seed)
        assert passes(source(task, 0, rng), asserts(task))
        for variant in (1, 2):
            assert not passes(source(task, variant, rng), asserts(task))


@EVERY
def test_knows_its_own_code_again_however_it_is_written(task: Function) -> None:
    for variant in VARIANTS:
        codes = {source(task, variant, random.Random(seed)) for seed in range(40)}
        assert len(codes) > 1
        for code in codes:
            assert variant_of(task, code) == variant
            found = recognised(code)
            assert found is not None
            assert found[0].kind == task.kind
            assert found[1] == variant


@EVERY
def test_reads_its_own_descriptions_whatever_the_wording(task: Function) -> None:
    for variant in VARIANTS:
        for seed in range(12):
            told = read_function(f"Specification. {described(task, variant, random.Random(seed))}")
            assert told is not None
            assert (told.kind, told.k, told.name, told.args, told.variant) == (
                task.kind, task.k, task.name, task.args, variant
            )  # fmt: skip


def test_invented_questions_are_read_and_their_reference_passes_their_tests() -> None:
    for problem in generate("functions", 120, 4):
        task = read_function(problem.question)
        assert task is not None, problem.question
        assert problem.tests == asserts(task)
        assert passes(problem.answer, problem.tests)
        assert problem.solved_by(work(task, FAULTLESS, random.Random(1)).text)


ASKED = [
    ("Write a function that sums all numbers larger than 10 in Python.", "sum_above", 10),
    ("def `f(xs)`: a Python function to filter a list, only numbers up to 5 stay.", "keep_up_to", 5),
    ("I need a python function computing the gcd of two integers.", "greatest_common_divisor", 0),
    ("Python function that checks whether a string is a palindrome, ignoring case", "is_palindrome", 0),
    ("Implement a function that removes duplicates from a list.", "unique", 0),
    ("Write a Python function `count(text)` which counts the vowels in a text.", "count_vowels", 0),
]


@pytest.mark.parametrize(("question", "kind", "k"), ASKED)
def test_reads_functions_as_a_newcomer_words_them(question: str, kind: str, k: int) -> None:
    task = read_function(question)
    assert task is not None
    assert (task.kind, task.k) == (kind, k)


def test_takes_names_from_the_question() -> None:
    task = read_function(
        "Write a Python function `big(values)` that returns the sum of those greater than 7."
    )
    assert task is not None
    code = source(task, 0, random.Random(0))
    assert code.startswith("def big(values):")
    assert passes(code, ["assert big([7, 8]) == 8"])


FOREIGN = [
    "def sum_above(xs):\n    import os\n    return os.system('x')",
    "def f(:",
    "",
    "x = 1",
    "def " * 2000,
]


@pytest.mark.parametrize("code", FOREIGN)
def test_foreign_code_is_not_known_and_never_run(code: str) -> None:
    assert variant_of(TASKS[0], code) is None
    assert recognised(code) is None


def test_judges_foreign_code_by_its_structure() -> None:
    assert well_formed(TASKS[0], "def g(xs):\n    return 5")
    assert not well_formed(TASKS[0], "def g(xs, ys):\n    return 5")
    assert not well_formed(TASKS[0], "def g(xs):\n    pass")


@pytest.mark.parametrize("text", ["```python\ndef f(x):\n    return x\n```", "def f(x):\n    return x\n"])
def test_finds_the_code_in_a_reply(text: str) -> None:
    assert code_in(f"Here.\n\n{text}") == "def f(x):\n    return x"


def test_samples_differ_in_text_and_agree_in_behaviour() -> None:
    texts = {work(TASKS[0], FAULTLESS, random.Random(seed)).text for seed in range(30)}
    answers = {work(TASKS[0], FAULTLESS, random.Random(seed)).answer for seed in range(30)}
    assert len(texts) > 10
    assert answers == {canonical(TASKS[0], 0)}


def test_the_same_problem_is_hard_in_every_sample() -> None:
    problems = generate("functions", 400, 6)
    shares: Mapping[str, float] = {
        model.name: sum(problem.hard_for(model.name) for problem in problems) / 400
        for model in (SMALL, LARGE)
    }
    assert 0.08 < shares["demo-small"] < 0.24
    assert 0.04 < shares["demo-large"] < 0.18
