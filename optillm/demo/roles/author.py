"""The roles that write: answer a question, merge several answers into one, continue what somebody began."""

from __future__ import annotations

import re
from collections import Counter

import orjson

from optillm.demo.characters import FAULTLESS
from optillm.demo.roles.findings import Findings, fill
from optillm.demo.roles.judge import impressions
from optillm.demo.roles.scene import Scene
from optillm.demo.roles.shapes import Shape
from optillm.demo.roles.stated import stated_answer
from optillm.demo.skills.reasoner import Working, work
from optillm.demo.skills.sums import Sum

_EXAMPLE = "Tom has 5 bags of 12 marbles and gives 7 marbles to Ann. How many marbles does Tom have left?"
INTRODUCTION = (
    "I am a simulated demo model, not a real language model. I can work through arithmetic word problems, plain"
    " calculations and small ordering puzzles (who is taller, who finished first), and I make mistakes now and then"
    f' so that there is something to improve. Try for example: "{_EXAMPLE}"'
)
_GREETING = re.compile(
    r"\s{0,4}(?:hi|hello|hey|good (?:morning|evening|day|afternoon)|thanks|thank you)\b", re.IGNORECASE
)
_TERSE = re.compile(
    r"\b(?:only|just|nothing but)\b[^.\n]{0,30}\b(?:number|answer|result|name|value)\b|\bno (?:explanation|working)\b",
    re.IGNORECASE,
)
_AGAIN = re.compile(
    r"\b(?:again|are you sure|check|verify|review|rewrite|improve|revise|correct|wrong|mistake|your answer|redo|explain"
    r"|reconsider|previous|above)\b",
    re.IGNORECASE,
)
_NOTED_SUM = re.compile(
    r"^\W{0,6}step (\d{1,2}):[^\n]*=\s{0,3}(-?\d[\d,]*(?:\.\d+|/\d+)?)\.?\s*$", re.IGNORECASE | re.MULTILINE
)
_NOTED_CLUE = re.compile(r"^\W{0,6}step (\d{1,2}):[^\n]*, so ([^\n]+?)\.?\s*$", re.IGNORECASE | re.MULTILINE)


def answer(scene: Scene) -> str:
    """Work the question out; say honestly what is beyond a demo model."""
    if scene.task is None or not (scene.own or _AGAIN.search(scene.instruction)):
        greeting = "Hello! " if _GREETING.match(scene.said) else ""
        return _decline(scene, greeting + INTRODUCTION)
    return _written(scene, work(scene.task, scene.character, scene.luck))


def merge(scene: Scene) -> str:
    """Write one fresh answer to the user's question with the help of several others.

    Each reference is believed when it looks right, the model's own working counts as one more voice, and the
    answer with most support is written out.
    """
    task = scene.task
    if task is None:
        fullest = max(scene.candidates, key=lambda block: len(block.text)).text
        return fullest if scene.shape is None else _decline(scene, fullest)
    own = work(task, scene.character, scene.luck)
    support: Counter[str] = Counter({own.answer: 2})
    for block, seen in zip(scene.candidates, impressions(scene), strict=True):
        stated = stated_answer(block.text, task)
        if stated is not None:
            support[stated] += 3 if seen.right else 0
    believed = support.most_common(1)[0][0]
    if believed == own.answer:
        return _written(scene, own)
    right = work(task, FAULTLESS, scene.luck)
    return _written(scene, right if believed == right.answer else _led_to(right, believed, task))


def _led_to(right: Working, believed: str, task: object) -> Working:
    """A working that ends on a wrong answer somebody was talked into."""
    *before, last = right.lines
    told = last.rpartition("=")[0] if isinstance(task, Sum) else ""
    line = (
        f"{told}= {believed}." if told else f"{last.partition(':')[0]}: Together that settles it: {believed}."
    )
    return Working((*before, line), believed, 1)


def carry_on(scene: Scene) -> str:
    """Continue partial work: steps that were taken stay as they are, right or wrong."""
    if scene.task is None:
        return _decline(scene, INTRODUCTION)
    pattern = _NOTED_SUM if isinstance(scene.task, Sum) else _NOTED_CLUE
    noted = {
        int(place): told.replace(",", "") if isinstance(scene.task, Sum) else told
        for place, told in pattern.findall(scene.partial)
    }
    working = work(scene.task, scene.character, scene.luck, noted)
    done = max(noted, default=0)
    return _written(scene, Working(working.lines[done:], working.answer, working.slips))


def _written(scene: Scene, working: Working) -> str:
    """A working in the format wanted: prose, the bare answer, or JSON."""
    if scene.shape is not None and (scene.strict or scene.shape.fields):
        shape = scene.shape
        if not shape.fields:
            shape = Shape("object", {"reasoning": Shape("string"), "answer": Shape()})
        found = Findings(answer=working.answer, steps=working.lines, reason=" ".join(working.lines))
        return orjson.dumps(fill(shape, found)).decode()
    if _TERSE.search(scene.said) or _TERSE.search(scene.standing):
        return working.answer
    return working.text


def _decline(scene: Scene, told: str) -> str:
    if not scene.strict or scene.shape is None:
        return told
    shape = scene.shape if scene.shape.fields else Shape("object", {"answer": Shape("string")})
    return orjson.dumps(fill(shape, Findings(reason=told, answer=told))).decode()
