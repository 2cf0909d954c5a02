"""How a reply is written: a working in the format wanted, or an honest word about what is beyond a demo model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson

from optillm_simulator.roles.filling import fill
from optillm_simulator.roles.findings import Findings
from optillm_simulator.roles.scene import Scene
from optillm_simulator.roles.shapes import Shape
from optillm_simulator.skills.functions import Function
from optillm_simulator.skills.reasoner import Task, Working
from optillm_simulator.skills.sums import Sum

_EXAMPLE = "Tom has 5 bags of 12 marbles and gives 7 marbles to Ann. How many marbles does Tom have left?"
INTRODUCTION = (
    "I am a simulated demo model, not a real language model. I can work through arithmetic word problems, plain"
    " calculations, small ordering puzzles (who is taller, who finished first) and small Python functions, and I"
    f' make mistakes now and then so that there is something to improve. Try for example: "{_EXAMPLE}"'
)
_TERSE = re.compile(
    r"\b(?:only|just|nothing but)\b[^.\n]{0,30}\b(?:number|answer|result|name|value|code|function)\b"
    r"|\bno (?:explanation|working)\b",
    re.IGNORECASE,
)
_HEADED = re.compile(r"\bheading\b[^\n\"“'`]{0,20}[\"“'`]([^\n\"”'`]{1,60})[\"”'`]", re.IGNORECASE)
_CLAIMS = re.compile(r"\bclaims?\b", re.IGNORECASE)
_STEP = re.compile(r"^Step (?=\d)", re.MULTILINE)


def written(scene: Scene, working: Working) -> str:
    """A working in the format wanted: prose, the bare answer, or JSON."""
    if scene.shape is not None and (scene.strict or scene.shape.fields):
        shape = scene.shape
        if not shape.fields:
            shape = Shape("object", {"reasoning": Shape("string"), "answer": Shape()})
        found = Findings(answer=working.answer, steps=working.lines, reason=" ".join(working.lines))
        return orjson.dumps(fill(shape, found)).decode()
    if scene.marker:
        heading = _HEADED.search(scene.instruction) or _HEADED.search(scene.standing)
        thoughts = f"{heading[1]}\n{working.reasoning}" if heading else working.reasoning
        return behind_marker(scene, thoughts, working.closing)
    if _TERSE.search(scene.said) or _TERSE.search(scene.standing):
        return working.closing if working.code else working.answer
    return _STEP.sub("Claim ", working.text) if _CLAIMS.search(scene.instruction) else working.text


def behind_marker(scene: Scene, thoughts: str, answer: str) -> str:
    """First the thoughts, then the answer, with the marker that was asked for between them."""
    return f"{thoughts}\n\n{scene.marker}\n{answer}" if scene.marker else f"{thoughts}\n\n{answer}"


def delivered(scene: Scene, prose: str, given: Sequence[tuple[re.Pattern[str], Any]]) -> str:
    """What a role has to say: JSON when a shape for it was shown, filled by the names of its keys, else prose."""
    if scene.shape is None or not (scene.strict or scene.shape.fields):
        return prose
    shape = scene.shape if scene.shape.fields else Shape("object", {"answer": Shape("string")})
    return orjson.dumps(fill(shape, Findings(reason=prose, answer=prose, given=given))).decode()


def declined(scene: Scene, told: str = INTRODUCTION) -> str:
    """What is said instead of an answer, in JSON when nothing else is wanted."""
    if not scene.strict or scene.shape is None:
        return told
    shape = scene.shape if scene.shape.fields else Shape("object", {"answer": Shape("string")})
    return orjson.dumps(fill(shape, Findings(reason=told, answer=told))).decode()


def led_to(right: Working, believed: str, task: Task) -> Working:
    """A working that ends on a wrong answer somebody was talked into."""
    if isinstance(task, Function):
        return replace(right, answer=believed, slips=1, code=believed)
    *before, last = right.lines
    told = last.rpartition("=")[0] if isinstance(task, Sum) else ""
    line = (
        f"{told}= {believed}." if told else f"{last.partition(':')[0]}: Together that settles it: {believed}."
    )
    return Working((*before, line), believed, 1)
