"""Write a reply: a working in the wanted format, or an honest word about what is beyond a demo model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson

from optillm_simulator.roles.context import PromptContext
from optillm_simulator.roles.filling import fill
from optillm_simulator.roles.findings import Findings
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


def written(context: PromptContext, working: Working) -> str:
    """Return a working in the wanted format: prose, the bare answer, or JSON."""
    if context.shape is not None and (context.strict or context.shape.fields):
        shape = context.shape
        if not shape.fields:
            shape = Shape("object", {"reasoning": Shape("string"), "answer": Shape()})
        findings = Findings(answer=working.answer, steps=working.lines, reason=" ".join(working.lines))
        return orjson.dumps(fill(shape, findings)).decode()
    if context.marker:
        heading = _HEADED.search(context.instruction) or _HEADED.search(context.system)
        thoughts = f"{heading[1]}\n{working.reasoning}" if heading else working.reasoning
        return behind_marker(context, thoughts, working.closing)
    if _TERSE.search(context.message) or _TERSE.search(context.system):
        return working.closing if working.code else working.answer
    return _STEP.sub("Claim ", working.text) if _CLAIMS.search(context.instruction) else working.text


def behind_marker(context: PromptContext, thoughts: str, answer: str) -> str:
    """Return the thoughts, then the answer, with the requested marker between them."""
    return f"{thoughts}\n\n{context.marker}\n{answer}" if context.marker else f"{thoughts}\n\n{answer}"


def delivered(context: PromptContext, prose: str, overrides: Sequence[tuple[re.Pattern[str], Any]]) -> str:
    """Return what a role has to say: JSON filled by key names if a shape was shown, else prose."""
    if context.shape is None or not (context.strict or context.shape.fields):
        return prose
    shape = context.shape if context.shape.fields else Shape("object", {"answer": Shape("string")})
    return orjson.dumps(fill(shape, Findings(reason=prose, answer=prose, overrides=overrides))).decode()


def declined(context: PromptContext, text: str = INTRODUCTION) -> str:
    """Return what is said instead of an answer, as JSON if nothing else is wanted."""
    if not context.strict or context.shape is None:
        return text
    shape = context.shape if context.shape.fields else Shape("object", {"answer": Shape("string")})
    return orjson.dumps(fill(shape, Findings(reason=text, answer=text))).decode()


def led_to(right: Working, believed: str, task: Task) -> Working:
    """Return a working that ends on a wrong answer, to which the model was led."""
    if isinstance(task, Function):
        return replace(right, answer=believed, slips=1, code=believed)
    *before, last = right.lines
    calculation = last.rpartition("=")[0] if isinstance(task, Sum) else ""
    if calculation:
        line = f"{calculation}= {believed}."
    else:
        line = f"{last.partition(':')[0]}: Together that settles it: {believed}."
    return Working((*before, line), believed, 1)
