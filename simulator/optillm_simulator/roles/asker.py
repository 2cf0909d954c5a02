"""The role that guesses a question from a worked answer, without giving the answer away."""

from __future__ import annotations

import re

from optillm_simulator.roles.context import PromptContext
from optillm_simulator.roles.writing import declined, delivered
from optillm_simulator.skills.functions import code_in, described, recognised
from optillm_simulator.skills.notes import steps_noted
from optillm_simulator.skills.puzzle import ORDINALS

_REQUEST = re.compile(r"question|request|task|prompt|asked|problem", re.IGNORECASE)
_CALCULATION = re.compile(r"(\(?-?[\d./]+\)?) ([-+×÷]) (\(?-?[\d./]+\)?) = (-?[\d./]*\d)")
_ORDER = re.compile(r"gives the order ([^.\n]+)")
_ANSWER = re.compile(r"answer is ([^.\n]+(?:\.\d+)?)")


def reconstruct(context: PromptContext) -> str:
    """Return the question behind a worked answer, as far as its steps reveal it."""
    text = "\n".join(block.text for block in context.candidates) or context.message
    program = recognised(code_in(text) or "")
    if program:
        question = f"Write a Python function. {described(program[0], program[1], context.rng)}"
    else:
        question = _puzzle_behind(text) or _sum_behind(text)
    return delivered(context, question, [(_REQUEST, question)]) if question else declined(context)


def _sum_behind(text: str) -> str:
    """Return one expression put together from the steps of a sum."""
    expressions: dict[str, str] = {}  # how each outcome so far was calculated
    whole = ""
    for _, step in steps_noted(text):
        calculation = _CALCULATION.search(step)
        if calculation:
            left, sign, right, outcome = calculation.groups()
            left = expressions.pop(left.strip("()"), left)
            whole = f"{left} {sign} {expressions.pop(right.strip('()'), right)}"
            expressions[outcome] = f"({whole})"
    return f"What is {whole}?" if whole else ""


def _puzzle_behind(text: str) -> str:
    """Return the clues as the steps repeat them, and a question that fits the stated answer."""
    clues = dict.fromkeys(step.rpartition(", so ")[0] for _, step in steps_noted(text) if ", so " in step)
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
