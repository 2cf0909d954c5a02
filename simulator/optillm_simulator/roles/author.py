"""The roles that answer: the question itself, a merger of several answers, the end of what somebody began."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

from optillm_simulator.characters import FAULTLESS
from optillm_simulator.roles.impressions import impressions
from optillm_simulator.roles.scene import Scene
from optillm_simulator.roles.stated import stated_answer
from optillm_simulator.roles.writing import INTRODUCTION, declined, led_to, written
from optillm_simulator.skills.notes import outcomes
from optillm_simulator.skills.reader import read
from optillm_simulator.skills.reasoner import Task, work

_GREETING = re.compile(
    r"\s{0,4}(?:hi|hello|hey|good (?:morning|evening|day|afternoon)|thanks|thank you)\b", re.IGNORECASE
)
_AGAIN = re.compile(
    r"\b(?:again|are you sure|check|verify|review|rewrite|improve|revise|correct|wrong|mistake|your answer|redo|explain"
    r"|reconsider|previous|above)\b",
    re.IGNORECASE,
)
_DOUBT = re.compile(r"\b(?:step|claim|line|clue)s?\s{1,3}#?(\d{1,2})\b", re.IGNORECASE)
_ALL = re.compile(
    r"\b(?:complete|full|whole|entire) (?:\w+ )?(?:answer|response|reply)\b|\ball (?:its |the |of the )?steps\b"
    r"|\bfrom the (?:very )?(?:beginning|start)\b",
    re.IGNORECASE,
)
_BULLET = re.compile(r"^- ", re.MULTILINE)
_CONDITIONS = re.compile(r"^(?:Conditions|Known facts|Given)\b[^\n:]{0,40}:\s*\n", re.MULTILINE)


def answer(scene: Scene) -> str:
    """Work the question out; say honestly what is beyond a demo model.

    Steps that a quoted review objects to are done with more care.
    """
    if scene.task is None or not (scene.own or _AGAIN.search(scene.instruction)):
        greeting = "Hello! " if _GREETING.match(scene.said) else ""
        return declined(scene, greeting + INTRODUCTION)
    return written(scene, work(scene.task, scene.character, scene.luck, doubts=doubts(scene)))


def doubts(scene: Scene) -> frozenset[int]:
    """The steps that a quoted review names."""
    return frozenset(map(int, _DOUBT.findall(scene.quoted("feedback"))))


def merge(scene: Scene) -> str:
    """Write one fresh answer to the user's question with the help of several others.

    Each reference is believed when it looks right, the model's own working counts as one more voice, and the
    answer with most support is written out.
    """
    task = scene.task
    if task is None:
        fullest = max(scene.candidates, key=lambda block: len(block.text)).text
        return fullest if scene.shape is None else declined(scene, fullest)
    own = work(task, scene.character, scene.luck)
    support: Counter[str] = Counter({own.answer: 2})
    for block, seen in zip(scene.candidates, impressions(scene), strict=True):
        stated = stated_answer(block.text, task)
        if stated is not None:
            support[stated] += 3 if seen.right else 0
    believed = support.most_common(1)[0][0]
    if believed == own.answer:
        return written(scene, own)
    right = work(task, FAULTLESS, scene.luck)
    return written(scene, right if believed == right.answer else led_to(right, believed, task))


def carry_on(scene: Scene) -> str:
    """Continue partial work: steps that were taken stay as they are, right or wrong.

    They are told again only when the whole answer is wanted.
    """
    task = task_as_noted(scene)
    if task is None:
        return declined(scene)
    noted = outcomes(task, scene.begun)
    working = work(task, scene.character, scene.luck, noted)
    done = 0 if _ALL.search(scene.instruction) else max(noted, default=0)
    return written(scene, replace(working, lines=working.lines[done:]))


def task_as_noted(scene: Scene) -> Task | None:
    """The task as the work begun puts it, when that opens with conditions in other words, else as asked."""
    conditions = _CONDITIONS.search(scene.begun)
    if conditions:
        restated = scene.begun[conditions.end() :].partition("\n\n")[0]
        return read(_BULLET.sub("", restated)) or scene.task
    return scene.task
