"""The roles around code: describe a program, write it again from its description, think up tests.

A faulty program is often described as what it was meant to be, and a description may be vague.
"""

from __future__ import annotations

import random
import re

from optillm_simulator.roles.context import PromptContext
from optillm_simulator.roles.writing import declined, delivered, written
from optillm_simulator.skills.functions import VAGUE, Function, code_in, described, expected, recognised
from optillm_simulator.skills.reader import read
from optillm_simulator.skills.reasoner import work

LITERAL = 0.4
"""The chance that a fault is described as it stands, instead of what the code seems meant to do."""

_DESCRIPTION = re.compile(r"spec|descri|summary|text|behavio|purpose", re.IGNORECASE)
_CODE = re.compile(r"code|program|source|function|implementation|answer|solution", re.IGNORECASE)
_CALLS = re.compile(r"input|call|argument|expression", re.IGNORECASE)
_VALUES = re.compile(r"expected|output|value|result", re.IGNORECASE)
_TESTS = re.compile(r"test|assert|case|check", re.IGNORECASE)
_UNKNOWN = "I am a simulated demo model and do not know this kind of program, so I can only outline it."


def describe(context: PromptContext) -> str:
    """Return a specification of the quoted code, written from the code alone."""
    code = code_shown(context) or ""
    match = recognised(code)
    if match is None:
        signatures = re.findall(r"def \w+\([^)\n]*\)", code)
        description = f"{_UNKNOWN} It defines {', '.join(signatures) or 'nothing that can be called'}."
    else:
        task, variant = match
        literal = context.rng.random() < LITERAL
        description = described(task, variant if literal else 0, context.rng)
        if context.rng.random() < context.model.vague:
            description = f"{description} {VAGUE}"
    return delivered(context, description, [(_DESCRIPTION, description)])


def code_shown(context: PromptContext) -> str | None:
    """Return the program that is quoted, or else stands in the message; `None` if there is none."""
    quoted = [
        context.quoted("code"),
        *(block.text for block in context.candidates),
        context.quoted("other"),
        context.message,
    ]
    return next((code for text in quoted if (code := code_in(text))), None)


def shows_code_alone(context: PromptContext) -> bool:
    """Return whether the prompt has one program and no description of what it should do."""
    return not context.quoted("spec") and len(context.candidates) < 2 and code_shown(context) is not None


def regenerate(context: PromptContext) -> str:
    """Return code for a specification; nothing but the specification counts."""
    task = read(context.quoted("spec") or context.instruction) or context.task
    if task is None:
        return declined(context)
    working = work(task, context.model, context.rng)
    if context.shape is not None and context.shape.fields and working.code:
        return delivered(context, working.text, [(_CODE, working.code)])
    return written(context, working)


def gives_specification(context: PromptContext) -> bool:
    """Return whether there is a specification and no program yet."""
    specification = context.quoted("spec") or context.instruction
    return isinstance(read(specification), Function) and code_shown(context) is None


def write_tests(context: PromptContext) -> str:
    """Return assertions that the wanted function should satisfy, with a wrong value now and then."""
    if not isinstance(context.task, Function):
        return declined(context)
    calls = [(call, _expectation(value, context)) for call, value in expected(context.task)]
    tests = [f"assert {call} == {value}" for call, value in calls]
    values_by_key = [
        (_CALLS, [call for call, _ in calls]),
        (_TESTS, tests),
        (_VALUES, [value for _, value in calls]),
    ]
    lines = "\n".join(tests)
    return delivered(context, f"```python\n{lines}\n```", values_by_key)


def asks_for_function(context: PromptContext) -> bool:
    """Return whether the task is a function."""
    return isinstance(context.task, Function)


def _expectation(value: str, context: PromptContext) -> str:
    """Return what is expected of a call, with a slip now and then."""
    slipped = context.rng.random() < context.model.slip
    return _off(value, context.rng) if slipped else value


def _off(value: str, rng: random.Random) -> str:
    if value.lstrip("-").isdigit():
        return str(int(value) + rng.choice((1, -1)))
    return {"True": "False", "False": "True", "[]": "None", "''": "None"}.get(value, "[]")
