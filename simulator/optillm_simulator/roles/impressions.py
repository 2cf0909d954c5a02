"""How a judge sees candidates: right or wrong, how good, and which step is to blame.

A judge works the task out for itself and sees rightly whether a candidate is right as often as its character
says, anew for each candidate in each call. What a candidate says about itself does not count. A judge with blind
spots goes by what it believes to be right instead, which is fixed for each question.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from optillm_simulator.characters import Character
from optillm_simulator.roles.blocks import Block
from optillm_simulator.roles.scene import Scene
from optillm_simulator.roles.stated import stated_answer
from optillm_simulator.skills.checking import flaws_in
from optillm_simulator.skills.functions import Function, variant_of, well_formed
from optillm_simulator.skills.notes import steps_noted
from optillm_simulator.skills.reasoner import Task, habit, truth

FALLS_FOR_HABIT = 0.5
"""The chance that a judge sees the answer as right which it would itself be lured into on a hard task."""
UNKNOWN_SHAPE = 0.55
"""The chance that a program of a shape it does not know, but well formed, is seen as right."""
_UNKNOWN = "I am a simulated demo model and cannot check this kind of task; I go by how complete each one is."


@dataclass(frozen=True, slots=True)
class Impression:
    """How a judge sees one candidate: right or not, between 0 and 1, and why, at which steps."""

    label: str
    right: bool
    share: float
    remark: str
    errors: tuple[tuple[int, str], ...] = ()


def impressions(scene: Scene) -> list[Impression]:
    """How the judge of this scene sees each candidate, in the order shown."""
    if scene.task is None:
        return _by_length(scene.candidates)
    character, last = scene.character, len(scene.candidates) - 1
    seen: list[Impression] = []
    for place, block in enumerate(scene.candidates):
        stated = stated_answer(block.text, scene.task)
        lean = character.position_bias * (1 - 2 * place / last) if last else 0.0
        right = scene.luck.random() < _credit(scene.task, stated, character) + lean
        share = scene.luck.uniform(0.78, 1.0) if right else scene.luck.uniform(0.05, 0.42)
        errors = () if right else (located(scene.task, block.text, character, scene.luck),)
        seen.append(Impression(block.label, right, share, _remark(block.label, stated, errors), errors))
    return seen


def _credit(task: Task, stated: str | None, character: Character) -> float:
    """The chance that an answer is seen as right."""
    if isinstance(task, Function) and stated is not None and variant_of(task, stated) is None:
        return UNKNOWN_SHAPE if well_formed(task, stated) else 1 - character.reliability
    typical_error = stated == habit(task, character) != truth(task)
    if typical_error and not character.blind:
        return FALLS_FOR_HABIT
    return character.reliability if _believed(task, stated, character) else 1 - character.reliability


def _believed(task: Task, stated: str | None, character: Character) -> bool:
    """Return whether a judge that makes no slip believes an answer; this is the same in every call.

    One with blind spots goes by its own solution, which is wrong on a hard task, and misses some of the errors that
    models of its kind make.
    """
    if not character.blind or stated is None:
        return stated == truth(task)
    own = habit(task, character)
    if stated in (own, truth(task)):
        return stated == own
    luck = random.Random(f"{character.kind}: {task!r}: {stated}")  # noqa: S311 - reproducible, not secret
    return luck.random() < character.blind


def located(task: Task, text: str, character: Character, luck: random.Random) -> tuple[int, str]:
    """The step that a judge blames: a wrong one as often as it is reliable, else any."""
    flaws = flaws_in(task, text)
    if isinstance(task, Function) and flaws:
        return 1, flaws[0].said
    if flaws and luck.random() < character.reliability:
        return flaws[0].step, flaws[0].reason
    steps = [step for step, _ in steps_noted(text)] or [1]
    return luck.choice(steps), "I come to another result here"


def _remark(label: str, stated: str | None, errors: Sequence[tuple[int, str]]) -> str:
    who = f"Candidate {label}" if label else "The answer"
    if stated is None:
        return f"{who} states no answer that I can read" + (", yet its working holds." if not errors else ".")
    stated = "a program" if "\n" in stated else stated
    if not errors:
        return f"{who} arrives at {stated}; its steps hold up."
    step, why = errors[0]
    return f"{who} arrives at {stated}; one of its steps does not hold up, step {step}: {why}."


def _by_length(candidates: Sequence[Block]) -> list[Impression]:
    longest = max((len(block.text) for block in candidates), default=1) or 1
    return [
        Impression(block.label, True, 0.3 + 0.4 * len(block.text) / longest, _UNKNOWN) for block in candidates
    ]
