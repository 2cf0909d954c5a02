"""The role that refines: check a current answer step by step, mend what was found, write it out again.

A wrong step is found, and a right one broken, as often as the character says: refining helps on average and
breaks right answers now and then.
"""

from __future__ import annotations

import re
from dataclasses import replace

from optillm_simulator.characters import FAULTLESS, Character
from optillm_simulator.roles.scene import Scene
from optillm_simulator.roles.stated import stated_answer
from optillm_simulator.roles.writing import behind_marker, delivered, led_to
from optillm_simulator.skills.checking import Checked, Flaw, check
from optillm_simulator.skills.functions import Function, behaviour, variant_of
from optillm_simulator.skills.reasoner import Task, Working, habit, truth, work

BLIND = 0.5
"""What is left of the chance to find a wrong step in the answer that a hard task lures the same model into."""
_CRITIQUE = re.compile(
    r"criti|problem|flaw|issue|error|weak|diagnos|review|reason|thought|analy", re.IGNORECASE
)
_ANSWER = re.compile(
    r"answer|solution|improved|revised|refined|better|rewrit|final|text|version", re.IGNORECASE
)
_UNKNOWN = "I am a simulated demo model and cannot check this kind of task, so I leave the answer as it is."


def refine(scene: Scene) -> str:
    """Name the most serious problem of the current answer, then write the answer anew without it."""
    current = scene.candidates[-1].text
    if scene.task is None:
        return _refined(scene, _UNKNOWN, current)
    critic = _critic(scene, scene.task, current)
    checked = check(scene.task, current, critic, scene.luck) or _reworked(scene, scene.task, current, critic)
    if not checked.flaws:
        return _refined(scene, "I checked every step and found no serious problem.", checked.working.text)
    worst, *others = checked.flaws
    critique = f"The most serious problem is in step {worst.step}: {worst.reason}."
    critique += "".join(f" In step {flaw.step}, {flaw.reason}." for flaw in others)
    return _refined(scene, critique, checked.working.text)


def _critic(scene: Scene, task: Task, current: str) -> Character:
    """The character as it checks this answer: blinder where the answer is the one it is itself lured into."""
    lured = habit(task, scene.character)
    blind = lured != truth(task) and stated_answer(current, task) == lured
    return replace(scene.character, finds=scene.character.finds * BLIND) if blind else scene.character


def _refined(scene: Scene, critique: str, answer: str) -> str:
    prose = behind_marker(scene, critique, answer)
    return delivered(scene, prose, [(_CRITIQUE, critique), (_ANSWER, answer)])


def _reworked(scene: Scene, task: Task, current: str, critic: Character) -> Checked:
    """An answer without steps to be read is held against the model's own working."""
    stated, character, luck = stated_answer(current, task), scene.character, scene.luck
    own = work(task, character, luck)
    right = work(task, FAULTLESS, luck)
    if stated is None:
        return Checked(own, ())
    wrong = stated != truth(task)
    if luck.random() < (critic.finds if wrong else critic.breaks * len(own.lines)):
        return Checked(own, _objection(task, stated, own) if own.answer != stated else ())
    return Checked(led_to(right, stated, task) if wrong else right, ())


def _objection(task: Task, stated: str, own: Working) -> tuple[Flaw, ...]:
    if not isinstance(task, Function):
        return (Flaw(len(own.lines), stated, own.answer),)
    variant = variant_of(task, stated)
    said = "something else" if variant is None else behaviour(task, variant)
    return (Flaw(1, said, behaviour(task, task.variant)),)
