"""The roles around code: say what a program does, write it again from that description, think up tests.

A program with a fault is often described as what it was meant to be; a description may be vague.
"""

from __future__ import annotations

import random
import re

from optillm_simulator.roles.scene import Scene
from optillm_simulator.roles.writing import declined, delivered, written
from optillm_simulator.skills.functions import VAGUE, Function, code_in, described, expected, recognised
from optillm_simulator.skills.reader import read
from optillm_simulator.skills.reasoner import work

LITERAL = 0.4
"""The chance that a fault is described as it stands in the code, instead of what the code seems meant to do."""

_DESCRIPTION = re.compile(r"spec|descri|summary|text|behavio|purpose", re.IGNORECASE)
_CODE = re.compile(r"code|program|source|function|implementation|answer|solution", re.IGNORECASE)
_CALLS = re.compile(r"input|call|argument|expression", re.IGNORECASE)
_VALUES = re.compile(r"expected|output|value|result", re.IGNORECASE)
_TESTS = re.compile(r"test|assert|case|check", re.IGNORECASE)
_UNKNOWN = "I am a simulated demo model and do not know this kind of program, so I only tell its outline."


def describe(scene: Scene) -> str:
    """A specification of the code that is shown, from the code alone."""
    code = code_shown(scene) or ""
    known = recognised(code)
    if known is None:
        signed = re.findall(r"def \w+\([^)\n]*\)", code)
        told = f"{_UNKNOWN} It defines {', '.join(signed) or 'nothing that can be called'}."
    else:
        task, variant = known
        literal = scene.luck.random() < LITERAL
        told = described(task, variant if literal else 0, scene.luck)
        if scene.luck.random() < scene.character.vague:
            told = f"{told} {VAGUE}"
    return delivered(scene, told, [(_DESCRIPTION, told)])


def code_shown(scene: Scene) -> str | None:
    """The program that is quoted, or that stands in the message."""
    quoted = [
        scene.quoted("code"),
        *(one.text for one in scene.candidates),
        scene.quoted("other"),
        scene.said,
    ]
    return next((code for text in quoted if (code := code_in(text))), None)


def shows_code_alone(scene: Scene) -> bool:
    """Whether there is one program and nothing that says what it should do."""
    return not scene.quoted("spec") and len(scene.candidates) < 2 and code_shown(scene) is not None


def regenerate(scene: Scene) -> str:
    """Code for a specification; nothing but the specification counts."""
    task = read(scene.quoted("spec") or scene.instruction) or scene.task
    if task is None:
        return declined(scene)
    working = work(task, scene.character, scene.luck)
    if scene.shape is not None and scene.shape.fields and working.code:
        return delivered(scene, working.text, [(_CODE, working.code)])
    return written(scene, working)


def gives_specification(scene: Scene) -> bool:
    """Whether there is a specification and no program yet."""
    told = scene.quoted("spec") or scene.instruction
    return isinstance(read(told), Function) and code_shown(scene) is None


def write_tests(scene: Scene) -> str:
    """Assertions that the function asked for should satisfy; an expected value is wrong now and then."""
    if not isinstance(scene.task, Function):
        return declined(scene)
    calls = [(call, _expectation(value, scene)) for call, value in expected(scene.task)]
    tests = [f"assert {call} == {value}" for call, value in calls]
    given = [
        (_CALLS, [call for call, _ in calls]),
        (_TESTS, tests),
        (_VALUES, [value for _, value in calls]),
    ]
    lines = "\n".join(tests)
    return delivered(scene, f"```python\n{lines}\n```", given)


def asks_for_function(scene: Scene) -> bool:
    """Whether it is all about a function."""
    return isinstance(scene.task, Function)


def _expectation(value: str, scene: Scene) -> str:
    """What is expected of a call, with a slip now and then."""
    slipped = scene.luck.random() < scene.character.slip
    return _off(value, scene.luck) if slipped else value


def _off(value: str, luck: random.Random) -> str:
    if value.lstrip("-").isdigit():
        return str(int(value) + luck.choice((1, -1)))
    return {"True": "False", "False": "True", "[]": "None", "''": "None"}.get(value, "[]")
