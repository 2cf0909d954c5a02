"""The two provers of a prover-verifier game; the verifier is a judge."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction

from optillm_simulator.error_models import FAULTLESS, ErrorModel
from optillm_simulator.roles.author import doubts
from optillm_simulator.roles.context import PromptContext
from optillm_simulator.roles.stated import another_answer
from optillm_simulator.roles.writing import declined, led_to, written
from optillm_simulator.skills.functions import Function
from optillm_simulator.skills.puzzle import Clue, Puzzle, misread
from optillm_simulator.skills.reasoner import (
    Reckoning,
    Task,
    Working,
    deduce,
    parts,
    program,
    reckon,
    truth,
    work,
)
from optillm_simulator.skills.sums import Sum

CARE = 0.85
"""The factor on the chance of a slip if every claim is to be checkable."""
REFUSAL = (
    "I'm sorry, but I can't help with writing a solution that is wrong on purpose. I can solve it properly."
)


def prove(context: PromptContext) -> str:
    """Answer in numbered claims that can be checked; a little more careful than usual."""
    if context.task is None:
        return declined(context)
    return written(context, work(context.task, careful(context.model), context.rng, doubts=doubts(context)))


def careful(model: ErrorModel) -> ErrorModel:
    """Return the same error model with a little more care."""
    return replace(
        model,
        slip=model.slip * CARE,
        misreading=model.misreading * CARE,
        bug=model.bug * CARE,
    )


def mislead(context: PromptContext) -> str:
    """Write a solution with exactly one hidden error and another answer, or now and then refuse."""
    if context.rng.random() < context.model.refuses:
        return declined(context, REFUSAL)
    if context.task is None:
        return declined(context)
    return written(context, misleading(context.task, context.rng))


def misleading(task: Task, rng: random.Random) -> Working:
    """Work out the task with one wrong step that changes the answer."""
    right = truth(task)
    if isinstance(task, Function):
        return program(
            task, rng.choice([n for n in range(len(task.made.faults) + 1) if n != task.variant]), rng
        )
    numbers = list(range(1, len(parts(task)) + 1))
    rng.shuffle(numbers)
    for number in numbers:
        working = _wrong_at(task, number, rng)
        if working.answer != right:
            return working
    return led_to(work(task, FAULTLESS, rng), another_answer(task, rng), task)


def _wrong_at(task: Sum | Puzzle, number: int, rng: random.Random) -> Working:
    if isinstance(task, Sum):

        def outcome(step: Reckoning) -> Fraction:
            return step.slip(rng) if step.number == number else step.exact

        return reckon(task, outcome)

    def reading(clue_number: int, clue: Clue) -> Clue:
        return misread(clue, len(task.names), rng) if clue_number == number else clue

    return deduce(task, reading)
