"""The role that says in words what a solver found.

Certified values are passed on as they are, unless the formalisation is quoted with them, says something else
than the task and this is noticed, as often as the character finds a wrong step.
"""

from __future__ import annotations

import re

from optillm_simulator.characters import FAULTLESS
from optillm_simulator.roles.scene import Scene
from optillm_simulator.roles.stated import stated_answer
from optillm_simulator.roles.writing import declined, led_to, written
from optillm_simulator.skills.formal import faithful
from optillm_simulator.skills.functions import Function
from optillm_simulator.skills.puzzle import ORDINALS, answer_in
from optillm_simulator.skills.reasoner import Task, truth, work
from optillm_simulator.skills.sums import Sum, plain_number

_CERTIFIED = re.compile(
    r"\bcertified\b|\bsolver\b|\bz3\b|\bproved\b|\bproven\b|\bexact(?:ly)?\b", re.IGNORECASE
)
_LABEL = re.compile(r"result|solver|outcome|verdict|value|solution", re.IGNORECASE)
_VALUE = re.compile(
    r"[\"'`]?\b([A-Za-z_]\w{0,40})[\"'`]?\s{0,3}(?:=|:|->|→|↦|\bis\b)\s{0,3}[\"'`]?"
    r"(\(?-?\s?\d(?:[\d,]*\d)?(?:\.\d+|/[1-9]\d*)?)"
)
_RESULT = re.compile(
    r"^\W{0,4}(?:the |certified |solver'?s? |its )*(?:results?|verdict|values|facts|model)\b[^\n:]{0,40}:[ \t]*",
    re.IGNORECASE | re.MULTILINE,
)
_COMMAND = re.compile(r"^\s*\((?:assert|declare|define|set-)[^\n]*$", re.MULTILINE)


def has_facts(scene: Scene) -> bool:
    """Whether there is something that a solver found."""
    asked = f"{scene.instruction}\n{scene.standing}"
    return bool(scene.quoted("facts") or (_CERTIFIED.search(asked) and facts(scene)))


def facts(scene: Scene) -> str:
    """What a solver found, as it is quoted or else told; empty when nothing is."""
    quoted = [block for block in scene.blocks if block.kind == "candidate"]
    named = [block.text for block in quoted if _LABEL.match(block.label)]
    valued = [block.text for block in quoted if _VALUE.search(block.text) and "(assert" not in block.text]
    told = _RESULT.search(scene.instruction)
    inline = (
        scene.instruction[told.start() :] if told and _VALUE.search(scene.instruction, told.start()) else ""
    )
    return scene.quoted("facts") or next(iter([*named, *valued]), inline)


def verbalise(scene: Scene) -> str:
    """The answer to the user's question with the values that were certified, worked out in words."""
    task = scene.task
    if task is None:
        return declined(scene)
    told = facts(scene)
    doubtful = "(assert" in told and not faithful(task, told)
    if doubtful and scene.luck.random() < scene.character.finds:
        return written(scene, work(task, scene.character, scene.luck))
    certified = _certified(task, told)
    right = work(task, FAULTLESS, scene.luck)
    if certified in (None, truth(task)):
        return written(scene, right)
    return written(scene, led_to(right, str(certified), task))


def _certified(task: Task, told: str) -> str | None:
    """The answer that certified values give."""
    last = [match.end() for match in _RESULT.finditer(told) if told[match.end() :].strip()]
    result = _COMMAND.sub("", told[last[-1] :] if last else told).strip()
    values = {name: value.strip("( ").replace(" ", "") for name, value in _VALUE.findall(result)}
    if isinstance(task, Sum):
        named = plain_number(values.get("answer", ""))
        return named or stated_answer(result, task)
    if isinstance(task, Function):
        return None
    places = {name: int(values[name]) for name in task.names if values.get(name, "").isdecimal()}
    if len(places) == len(task.names):
        return answer_in(task, tuple(sorted(places, key=places.__getitem__)))
    if task.wanted == "place" and 1 <= places.get(task.subject, 0) <= len(ORDINALS):
        return ORDINALS[places[task.subject] - 1]
    return stated_answer(result, task)
