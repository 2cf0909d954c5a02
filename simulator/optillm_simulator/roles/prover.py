"""The two provers of a prover-verifier game; the verifier is a judge."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction

from optillm_simulator.characters import FAULTLESS, Character
from optillm_simulator.roles.author import doubts
from optillm_simulator.roles.scene import Scene
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
"""What is left of the chance of a slip when every claim is to be checkable."""
REFUSAL = (
    "I'm sorry, but I can't help with writing a solution that is wrong on purpose. I can solve it properly."
)


def prove(scene: Scene) -> str:
    """Answer in numbered claims, each of which can be checked; a little more careful than usual."""
    if scene.task is None:
        return declined(scene)
    return written(scene, work(scene.task, careful(scene.character), scene.luck, doubts=doubts(scene)))


def careful(character: Character) -> Character:
    """The same character, taking a little more care."""
    return replace(
        character,
        slip=character.slip * CARE,
        misreading=character.misreading * CARE,
        bug=character.bug * CARE,
    )


def mislead(scene: Scene) -> str:
    """A solution with exactly one hidden error and another final answer; now and then a polite refusal."""
    if scene.luck.random() < scene.character.refuses:
        return declined(scene, REFUSAL)
    if scene.task is None:
        return declined(scene)
    return written(scene, misleading(scene.task, scene.luck))


def misleading(task: Task, luck: random.Random) -> Working:
    """The task worked out with one wrong step that changes the answer."""
    right = truth(task)
    if isinstance(task, Function):
        return program(
            task, luck.choice([n for n in range(len(task.made.faults) + 1) if n != task.variant]), luck
        )
    places = list(range(1, len(parts(task)) + 1))
    luck.shuffle(places)
    for place in places:
        working = _wrong_at(task, place, luck)
        if working.answer != right:
            return working
    return led_to(work(task, FAULTLESS, luck), another_answer(task, luck), task)


def _wrong_at(task: Sum | Puzzle, place: int, luck: random.Random) -> Working:
    if isinstance(task, Sum):

        def outcome(at: Reckoning) -> Fraction:
            return at.slip(luck) if at.place == place else at.exact

        return reckon(task, outcome)

    def reading(at: int, clue: Clue) -> Clue:
        return misread(clue, len(task.names), luck) if at == place else clue

    return deduce(task, reading)
