"""The roles of a search through reasoning steps: one step, one sub-question, the question in other words."""

from __future__ import annotations

import re

from optillm_simulator.roles.author import task_as_noted
from optillm_simulator.roles.scene import Scene
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


def next_step(scene: Scene) -> str:
    """The step after those taken so far, and the answer when it was the last."""
    task = task_as_noted(scene)
    if task is None:
        return declined(scene)
    told = _step(task, scene, _place_to_take(task, scene.begun))
    return delivered(scene, told, [(_REPLY, told)])


def sub_question(scene: Scene) -> str:
    """The next smaller question and its answer; the last one is the question itself."""
    task = task_as_noted(scene)
    if task is None:
        return declined(scene)
    place = _place_to_take(task, scene.begun)
    told = _step(task, scene, place)
    line, _, ending = told.partition("\n\n")
    question = _asking(task, line, place)
    if ending:
        question = f"Now the question itself: {sentences(scene.asked)[-1]} {question}"
    prose = f"Sub-question {place}: {question}\nAnswer: {told}"
    return delivered(scene, prose, [(_QUESTION, question), (_REPLY, told)])


def answer_sub(scene: Scene) -> str:
    """A given sub-question answered once more, whatever was said about it before."""
    task = task_as_noted(scene)
    if task is None:
        return declined(scene)
    told = _step(task, scene, _place_asked(task, scene))
    return delivered(scene, told, [(_REPLY, told), (_QUESTION, scene.quoted("sub"))])


def rephrase(scene: Scene) -> str:
    """The question as a list of conditions, one of which is lost now and then."""
    if scene.task is None:
        return declined(scene)
    told = sentences(scene.asked)
    asked = next((one for one in reversed(told) if _ASKED.search(one)), told[-1])
    facts = [one for one in told if one != asked]
    if len(facts) > 1 and scene.luck.random() < scene.character.drops:
        facts.pop(scene.luck.randrange(len(facts)))
    prose = "\n".join(["Conditions:", *(f"- {fact}" for fact in facts), f"Question: {asked}"])
    return delivered(scene, prose, [(_CONDITIONS, facts), (_RESTATED, prose)])


def _size(task: Task) -> int:
    """The number of lines of a working."""
    return len(parts(task)) + 1 if isinstance(task, Puzzle) else max(1, len(parts(task)))


def _place_to_take(task: Task, begun: str) -> int:
    return min(max(outcomes(task, begun), default=0) + 1, _size(task) + 1)


def _step(task: Task, scene: Scene, place: int) -> str:
    """Step `place`, taken on the steps before it as they were noted; the answer with the last."""
    noted = {at: told for at, told in outcomes(task, scene.begun).items() if at < place}
    working: Working = work(task, scene.character, scene.luck, noted)
    if place > len(working.lines):
        return working.closing
    line = working.lines[place - 1]
    return f"{line}\n\n{working.closing}" if place == len(working.lines) else line


def _asking(task: Task, line: str, place: int) -> str:
    """The question that a step answers."""
    if isinstance(task, Function):
        return "How is the function written?"
    told = line.partition(": ")[2]
    if isinstance(task, Sum):
        about, _, calculation = told.rpartition(": ")
        asked = f"what is {calculation.partition(' = ')[0]}?"
        return f"{about}: {asked}" if about else asked.capitalize()
    if place > len(task.clues):
        return "What order does all that give?"
    return f'What does "{task.clues[place - 1].about}" say about the order?'


def _place_asked(task: Task, scene: Scene) -> int:
    """The step that a given sub-question is about: by its words, by its number, else the last one taken."""
    asked = scene.quoted("sub") or scene.instruction
    for place, about in enumerate(parts(task), start=1):
        if about and about in asked:
            return place
    numbered = _NUMBERED.findall(asked)
    if numbered:
        return min(max(1, int(numbered[-1])), _size(task))
    return max(1, _place_to_take(task, scene.begun) - 1)
