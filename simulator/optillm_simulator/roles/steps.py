"""The roles of a search through reasoning steps: one step, one sub-question, a rephrased question."""

from __future__ import annotations

import re

from optillm_simulator.roles.author import task_as_noted
from optillm_simulator.roles.context import PromptContext
from optillm_simulator.roles.writing import declined, delivered
from optillm_simulator.skills.functions import Function
from optillm_simulator.skills.language import sentences
from optillm_simulator.skills.notes import outcomes
from optillm_simulator.skills.puzzle import Puzzle
from optillm_simulator.skills.reasoner import Task, Working, parts, work
from optillm_simulator.skills.sums import Sum

_QUESTION = re.compile(r"question|problem|ask", re.IGNORECASE)
_REPLY = re.compile(r"answer|result|step|thought|solution|work|reason", re.IGNORECASE)
_CONDITIONS = re.compile(r"condition|fact|given|known", re.IGNORECASE)
_RESTATED = re.compile(r"rephras|restat|question|problem|text", re.IGNORECASE)
_NUMBERED = re.compile(r"\bsub-?\s?(?:question|problem)\s{1,2}#?(\d{1,2})", re.IGNORECASE)
_ASKED = re.compile(r"\?\s*\Z|^(?:list|order|rank|arrange|put|write|find|calculate|compute)\b", re.IGNORECASE)


def next_step(context: PromptContext) -> str:
    """Return the step after those taken so far, with the answer if it was the last."""
    task = task_as_noted(context)
    if task is None:
        return declined(context)
    step = _step(task, context, _next_number(task, context.work_so_far))
    return delivered(context, step, [(_REPLY, step)])


def sub_question(context: PromptContext) -> str:
    """Return the next smaller question and its answer; the last one is the question itself."""
    task = task_as_noted(context)
    if task is None:
        return declined(context)
    number = _next_number(task, context.work_so_far)
    step = _step(task, context, number)
    line, _, ending = step.partition("\n\n")
    question = _question(task, line, number)
    if ending:
        question = f"Now the question itself: {sentences(context.task_text)[-1]} {question}"
    prose = f"Sub-question {number}: {question}\nAnswer: {step}"
    return delivered(context, prose, [(_QUESTION, question), (_REPLY, step)])


def answer_sub(context: PromptContext) -> str:
    """Answer a quoted sub-question again, whatever was said about it before."""
    task = task_as_noted(context)
    if task is None:
        return declined(context)
    step = _step(task, context, _requested_number(task, context))
    return delivered(context, step, [(_REPLY, step), (_QUESTION, context.quoted("sub"))])


def rephrase(context: PromptContext) -> str:
    """Return the question as a list of conditions; now and then one gets lost."""
    if context.task is None:
        return declined(context)
    parts_of_text = sentences(context.task_text)
    question = next((part for part in reversed(parts_of_text) if _ASKED.search(part)), parts_of_text[-1])
    facts = [part for part in parts_of_text if part != question]
    if len(facts) > 1 and context.rng.random() < context.model.drops:
        facts.pop(context.rng.randrange(len(facts)))
    prose = "\n".join(["Conditions:", *(f"- {fact}" for fact in facts), f"Question: {question}"])
    return delivered(context, prose, [(_CONDITIONS, facts), (_RESTATED, prose)])


def _size(task: Task) -> int:
    """Return the number of lines of a working."""
    return len(parts(task)) + 1 if isinstance(task, Puzzle) else max(1, len(parts(task)))


def _next_number(task: Task, work_so_far: str) -> int:
    return min(max(outcomes(task, work_so_far), default=0) + 1, _size(task) + 1)


def _step(task: Task, context: PromptContext, number: int) -> str:
    """Return step `number`, which builds on the noted steps before it; the last comes with the answer."""
    outcomes_so_far = outcomes(task, context.work_so_far)
    noted = {earlier: outcome for earlier, outcome in outcomes_so_far.items() if earlier < number}
    working: Working = work(task, context.model, context.rng, noted)
    if number > len(working.lines):
        return working.closing
    line = working.lines[number - 1]
    return f"{line}\n\n{working.closing}" if number == len(working.lines) else line


def _question(task: Task, line: str, number: int) -> str:
    """Return the question that a step answers."""
    if isinstance(task, Function):
        return "How is the function written?"
    content = line.partition(": ")[2]
    if isinstance(task, Sum):
        about, _, calculation = content.rpartition(": ")
        question = f"what is {calculation.partition(' = ')[0]}?"
        return f"{about}: {question}" if about else question.capitalize()
    if number > len(task.clues):
        return "What order does all that give?"
    return f'What does "{task.clues[number - 1].about}" say about the order?'


def _requested_number(task: Task, context: PromptContext) -> int:
    """Return the step that a quoted sub-question is about.

    It is found by its words, then by its number; else it is the last step taken.
    """
    sub_question = context.quoted("sub") or context.instruction
    for number, about in enumerate(parts(task), start=1):
        if about and about in sub_question:
            return number
    numbered = _NUMBERED.findall(sub_question)
    if numbered:
        return min(max(1, int(numbered[-1])), _size(task))
    return max(1, _next_number(task, context.work_so_far) - 1)
