"""The role that guesses a question from its answer: what must have been asked, told without the answer."""

from __future__ import annotations

import re

from optillm_simulator.roles.scene import Scene
from optillm_simulator.roles.writing import declined, delivered
from optillm_simulator.skills.functions import code_in, described, recognised
from optillm_simulator.skills.notes import steps_noted
from optillm_simulator.skills.puzzle import ORDINALS

_REQUEST = re.compile(r"question|request|task|prompt|asked|problem", re.IGNORECASE)
_CALCULATION = re.compile(r"(\(?-?[\d./]+\)?) ([-+×÷]) (\(?-?[\d./]+\)?) = (-?[\d./]*\d)")
_ORDER = re.compile(r"gives the order ([^.\n]+)")
_ANSWER = re.compile(r"answer is ([^.\n]+(?:\.\d+)?)")


def reconstruct(scene: Scene) -> str:
    """The question behind a worked answer, as far as its steps tell it."""
    text = "\n".join(one.text for one in scene.candidates) or scene.said
    program = recognised(code_in(text) or "")
    if program:
        told = f"Write a Python function. {described(program[0], program[1], scene.luck)}"
    else:
        told = _puzzle_behind(text) or _sum_behind(text)
    return delivered(scene, told, [(_REQUEST, told)]) if told else declined(scene)


def _sum_behind(text: str) -> str:
    """One expression put together from the steps of a sum."""
    known: dict[str, str] = {}
    whole = ""
    for _, told in steps_noted(text):
        calculation = _CALCULATION.search(told)
        if calculation:
            left, sign, right, outcome = calculation.groups()
            taken = known.pop(left.strip("()"), left)
            whole = f"{taken} {sign} {known.pop(right.strip('()'), right)}"
            known[outcome] = f"({whole})"
    return f"What is {whole}?" if whole else ""


def _puzzle_behind(text: str) -> str:
    """The clues as they are told in the steps, and a question with the answer that was given."""
    clues = dict.fromkeys(told.rpartition(", so ")[0] for _, told in steps_noted(text) if ", so " in told)
    order, answer = _ORDER.search(text), _ANSWER.search(text)
    if not clues or order is None or answer is None:
        return ""
    names = order[1].split(", ")
    stated = answer[1].split(", ")
    if len(stated) > 1:
        ends = "first to last" if stated == names else "last to first"
        question = f"What is the order, from {ends}?"
    elif stated[0] in names:
        question = f"Who is {ORDINALS[names.index(stated[0])]}?"
    elif stated[0] in ORDINALS[: len(names)]:
        question = f"In which place is {names[ORDINALS.index(stated[0])]}?"
    else:
        return ""
    return (
        f"There are {', '.join(sorted(names)[:-1])} and {sorted(names)[-1]}. {'. '.join(clues)}. {question}"
    )
