"""The role that puts a solver's result into words.

Certified values are passed on as they are. If the formalisation is quoted with them and says something else than
the task, this is noticed with the error model's probability `finds`.
"""

from __future__ import annotations

import re

from optillm_simulator.error_models import FAULTLESS
from optillm_simulator.roles.context import PromptContext
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


def has_facts(context: PromptContext) -> bool:
    """Return whether the prompt holds a solver's result."""
    request = f"{context.instruction}\n{context.system}"
    return bool(context.quoted("facts") or (_CERTIFIED.search(request) and facts(context)))


def facts(context: PromptContext) -> str:
    """Return a solver's result, quoted or else stated in the instruction; empty if there is none."""
    quoted = [block for block in context.blocks if block.kind == "candidate"]
    named = [block.text for block in quoted if _LABEL.match(block.label)]
    valued = [block.text for block in quoted if _VALUE.search(block.text) and "(assert" not in block.text]
    return context.quoted("facts") or next(iter([*named, *valued]), _inline_facts(context.instruction))


def _inline_facts(instruction: str) -> str:
    heading = _RESULT.search(instruction)
    if heading is None or not _VALUE.search(instruction, heading.start()):
        return ""
    return instruction[heading.start() :]


def verbalise(context: PromptContext) -> str:
    """Answer the user's question with the certified values, worked out in words."""
    task = context.task
    if task is None:
        return declined(context)
    result = facts(context)
    doubtful = "(assert" in result and not faithful(task, result)
    if doubtful and context.rng.random() < context.model.finds:
        return written(context, work(task, context.model, context.rng))
    certified = _certified(task, result)
    right = work(task, FAULTLESS, context.rng)
    if certified in (None, truth(task)):
        return written(context, right)
    return written(context, led_to(right, str(certified), task))


def _certified(task: Task, result_text: str) -> str | None:
    """Return the answer that certified values give."""
    result_starts = [
        match.end() for match in _RESULT.finditer(result_text) if result_text[match.end() :].strip()
    ]
    result = _COMMAND.sub("", result_text[result_starts[-1] :] if result_starts else result_text).strip()
    values = {name: value.strip("( ").replace(" ", "") for name, value in _VALUE.findall(result)}
    if isinstance(task, Sum):
        named = plain_number(values.get("answer", ""))
        return named or stated_answer(result, task)
    if isinstance(task, Function):
        return None
    positions = {name: int(values[name]) for name in task.names if values.get(name, "").isdecimal()}
    if len(positions) == len(task.names):
        return answer_in(task, tuple(sorted(positions, key=positions.__getitem__)))
    if task.wanted == "place" and 1 <= positions.get(task.subject, 0) <= len(ORDINALS):
        return ORDINALS[positions[task.subject] - 1]
    return stated_answer(result, task)
