"""The roles that answer: the question itself, a merger of several answers, the end of a partial answer."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

from optillm_simulator.error_models import FAULTLESS
from optillm_simulator.roles.context import PromptContext
from optillm_simulator.roles.impressions import impressions
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


def answer(context: PromptContext) -> str:
    """Work out the question, or say honestly that it is beyond a demo model.

    Steps that a quoted review objects to are done with more care.
    """
    if context.task is None or not (context.is_current or _AGAIN.search(context.instruction)):
        greeting = "Hello! " if _GREETING.match(context.message) else ""
        return declined(context, greeting + INTRODUCTION)
    return written(context, work(context.task, context.model, context.rng, doubts=doubts(context)))


def doubts(context: PromptContext) -> frozenset[int]:
    """Return the numbers of the steps that a quoted review names."""
    return frozenset(map(int, _DOUBT.findall(context.quoted("feedback"))))


def merge(context: PromptContext) -> str:
    """Write one fresh answer to the user's question with the help of several others.

    A reference that looks right gets a vote, the model's own working counts as one more, and the answer with most
    votes is written out.
    """
    task = context.task
    if task is None:
        fullest = max(context.candidates, key=lambda block: len(block.text)).text
        return fullest if context.shape is None else declined(context, fullest)
    own = work(task, context.model, context.rng)
    support: Counter[str] = Counter({own.answer: 2})
    for block, impression in zip(context.candidates, impressions(context), strict=True):
        stated = stated_answer(block.text, task)
        if stated is not None:
            support[stated] += 3 if impression.right else 0
    believed = support.most_common(1)[0][0]
    if believed == own.answer:
        return written(context, own)
    right = work(task, FAULTLESS, context.rng)
    return written(context, right if believed == right.answer else led_to(right, believed, task))


def carry_on(context: PromptContext) -> str:
    """Continue partial work, keeping the steps already taken, right or wrong.

    The steps are only repeated if the instruction asks for the whole answer.
    """
    task = task_as_noted(context)
    if task is None:
        return declined(context)
    noted = outcomes(task, context.work_so_far)
    working = work(task, context.model, context.rng, noted)
    done = 0 if _ALL.search(context.instruction) else max(noted, default=0)
    return written(context, replace(working, lines=working.lines[done:]))


def task_as_noted(context: PromptContext) -> Task | None:
    """Return the task as the partial work restates it, if it opens with conditions, else as asked."""
    conditions = _CONDITIONS.search(context.work_so_far)
    if conditions:
        restated = context.work_so_far[conditions.end() :].partition("\n\n")[0]
        return read(_BULLET.sub("", restated)) or context.task
    return context.task
