"""The reasoner: its working, and how often it errs, measured on problems with known truth."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
from optillm_simulator.error_models import FAULTLESS, LARGE, SMALL, ErrorModel, choice_rng
from optillm_simulator.problems import Family, generate
from optillm_simulator.skills.puzzle import Puzzle
from optillm_simulator.skills.reader import read
from optillm_simulator.skills.reasoner import Working, habit, truth, work
from optillm_simulator.skills.sums import Sum

from simulator.tests.talk import PUZZLE, QUESTION

ERROR_MODELS = pytest.mark.parametrize("model", [SMALL, LARGE], ids=lambda one: one.name)


def worked(question: str, model: ErrorModel = FAULTLESS, seed: int = 0) -> Working:
    task = read(question)
    assert task is not None
    return work(task, model, random.Random(seed))


def close(hits: int, trials: int, probability: float) -> bool:
    """Whether a share lies within four standard deviations of what is documented."""
    return abs(hits - trials * probability) <= 4 * math.sqrt(trials * probability * (1 - probability))


def test_works_step_by_step_and_ends_with_the_answer() -> None:
    assert worked(QUESTION).text.splitlines() == [
        "Step 1: Tom has 5 bags of 12 marbles: 5 × 12 = 60.",
        "Step 2: He gives 7 to Bob: 60 - 7 = 53.",
        "",
        "The answer is 53.",
    ]


def test_works_a_puzzle_clue_by_clue() -> None:
    text = worked(PUZZLE).text
    assert "so Ann comes before Bob." in text
    assert "so Cid comes before Ann." in text
    assert text.endswith("The answer is Cid, Ann, Bob.")


@ERROR_MODELS
def test_a_step_goes_wrong_as_often_as_documented(model: ErrorModel) -> None:
    model = replace(model, hard=0.0)
    tasks = [read(problem.question) for problem in generate("arithmetic", 400, 11)]
    sums = [task for task in tasks if isinstance(task, Sum)]
    steps = sum(len(task.steps) for task in sums)
    slips = sum(work(task, model, random.Random(seed)).slips for seed, task in enumerate(sums))
    assert close(slips, steps, model.slip)


@ERROR_MODELS
def test_a_clue_is_misread_as_often_as_documented(model: ErrorModel) -> None:
    model = replace(model, hard=0.0)
    tasks = [read(problem.question) for problem in generate("ordering", 400, 12)]
    puzzles = [task for task in tasks if isinstance(task, Puzzle)]
    clues = sum(len(task.clues) for task in puzzles)
    slips = sum(work(task, model, random.Random(seed)).slips for seed, task in enumerate(puzzles))
    assert close(slips, clues, model.misreading)


@ERROR_MODELS
@pytest.mark.parametrize("family", ["arithmetic", "ordering", "functions"])
def test_plain_accuracy_lies_in_the_promised_band(family: Family, model: ErrorModel) -> None:
    problems = generate(family, 400, 13)
    right = 0
    for problem in problems:
        rng = choice_rng(model.name, [("user", problem.question)], seed=None, temperature=0)
        task = read(problem.question)
        assert task is not None
        right += work(task, model, rng).answer == problem.answer
    low, high = (0.55, 0.72) if model is SMALL else (0.80, 0.92)
    assert low <= right / len(problems) <= high


def test_wrong_answers_sometimes_collide() -> None:
    answers = [worked(QUESTION, SMALL, seed).answer for seed in range(400)]
    wrong = [answer for answer in answers if answer != "53"]
    commonest = max(wrong.count(answer) for answer in set(wrong))
    assert len(set(wrong)) > 2
    assert 0.15 < commonest / len(wrong) < 0.7


@ERROR_MODELS
def test_some_tasks_are_hard_for_a_model_in_every_sample(model: ErrorModel) -> None:
    tasks = [read(problem.question) for problem in generate("arithmetic", 600, 17)]
    hard = [task for task in tasks if task and truth(task) != habit(task, model)]
    assert close(len(hard), len(tasks), model.hard)
    samples = [work(hard[0], model, random.Random(seed)) for seed in range(300)]
    fallen = [one for one in samples if one.answer == habit(hard[0], model)]
    assert len(fallen) > 300 * model.stumbles / 2
    assert len({one.answer for one in samples}) > 1


def test_hard_problems_can_be_left_out() -> None:
    everything = generate("arithmetic", 60, 17)
    easy = generate("arithmetic", 40, 17, easy_for="demo-small")
    assert easy == [problem for problem in everything if not problem.hard_for("demo-small")][:40]


def test_a_slip_never_leaves_a_negative_number_of_apples() -> None:
    careless = ErrorModel("careless", slip=1.0, misreading=1.0, reliability=0.5, position_bias=0.0)
    question = "Tom has 3 apples. He eats 2. He eats 1. How many apples are left?"
    for seed in range(200):
        assert not worked(question, careless, seed).answer.startswith("-")


def test_chance_at_temperature_zero_depends_on_model_messages_and_seed_alone() -> None:
    def drawn(model: str = "demo-small", text: str = "a", seed: int | None = None, index: int = 0) -> float:
        return choice_rng(model, [("user", text)], seed=seed, temperature=0, index=index).random()

    assert drawn() == drawn() == drawn(index=3)
    assert len({drawn(), drawn("demo-large"), drawn(text="b"), drawn(seed=1)}) == 4


def test_marks_around_quoted_text_change_no_luck() -> None:
    def drawn(mark: str) -> float:
        text = f'<candidate-{mark} label="A">\n7\n</candidate-{mark}>'
        return choice_rng("demo-small", [("user", text)], seed=7, temperature=0).random()

    assert drawn("0a1b2c3d") == drawn("9f3a81c2")
    assert drawn("another") != drawn("marker")


def test_chance_above_zero_is_fresh_for_each_sample_and_repeats_with_a_seed() -> None:
    def drawn(seed: int | None, index: int) -> float:
        return choice_rng("demo-small", [("user", "a")], seed=seed, temperature=0.7, index=index).random()

    assert drawn(1, 0) == drawn(1, 0)
    assert len({drawn(1, 0), drawn(1, 1), drawn(2, 0), drawn(None, 0), drawn(None, 0)}) == 5
