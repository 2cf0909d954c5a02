"""How a judge sees candidates: correct or not, how good, and which step is to blame.

A judge works the task out for itself. With its probability `reliability` it is right about a candidate, drawn anew
for each candidate in each call. What a candidate says about itself does not count. A judge with blind spots goes by
what it believes to be right, which is fixed for each question.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from optillm_simulator.error_models import ErrorModel
from optillm_simulator.roles.blocks import Block
from optillm_simulator.roles.context import PromptContext
from optillm_simulator.roles.stated import stated_answer
from optillm_simulator.skills.checking import flaws_in
from optillm_simulator.skills.functions import Function, variant_of, well_formed
from optillm_simulator.skills.notes import steps_noted
from optillm_simulator.skills.reasoner import Task, habit, truth
from optillm_simulator.skills.slips import task_key

FALLS_FOR_HABIT = 0.5
"""The chance that a judge accepts the answer that it would itself be lured into on a hard task."""
UNKNOWN_SHAPE = 0.55
"""The chance that a well-formed program of an unknown shape is judged correct."""
_UNKNOWN = "I am a simulated demo model and cannot check this kind of task; I go by how complete each one is."


@dataclass(frozen=True, slots=True)
class Impression:
    """What a judge thinks of one candidate.

    `share` is its rating from 0 to 1; `errors` are (step, reason).
    """

    label: str
    right: bool
    share: float
    remark: str
    errors: tuple[tuple[int, str], ...] = ()


def impressions(context: PromptContext) -> list[Impression]:
    """Return what the judge thinks of each candidate, in the order shown."""
    if context.task is None:
        return _by_length(context.candidates)
    model, last = context.model, len(context.candidates) - 1
    judged: list[Impression] = []
    for index, block in enumerate(context.candidates):
        stated = stated_answer(block.text, context.task)
        lean = model.position_bias * (1 - 2 * index / last) if last else 0.0
        right = context.rng.random() < _credit(context.task, stated, model) + lean
        share = context.rng.uniform(0.78, 1.0) if right else context.rng.uniform(0.05, 0.42)
        errors = () if right else (located(context.task, block.text, model, context.rng),)
        judged.append(Impression(block.label, right, share, _remark(block.label, stated, errors), errors))
    return judged


def _credit(task: Task, stated: str | None, model: ErrorModel) -> float:
    """Return the chance that an answer is judged correct."""
    if isinstance(task, Function) and stated is not None and variant_of(task, stated) is None:
        return UNKNOWN_SHAPE if well_formed(task, stated) else 1 - model.reliability
    typical_error = stated == habit(task, model) != truth(task)
    if typical_error and not model.blind:
        return FALLS_FOR_HABIT
    return model.reliability if _believed(task, stated, model) else 1 - model.reliability


def _believed(task: Task, stated: str | None, model: ErrorModel) -> bool:
    """Return whether a judge that makes no slip believes an answer; this is the same in every call.

    A judge with blind spots goes by its own solution, which is wrong on a hard task, and misses some of the errors
    that models of its kind make.
    """
    if not model.blind or stated is None:
        return stated == truth(task)
    own = habit(task, model)
    if stated in (own, truth(task)):
        return stated == own
    rng = random.Random(f"{model.kind}: {task_key(task)}: {stated}")  # noqa: S311 - reproducible, not secret
    return rng.random() < model.blind


def located(task: Task, text: str, model: ErrorModel, rng: random.Random) -> tuple[int, str]:
    """Return the step that a judge blames, and why: a wrong step if the judge is reliable, else any."""
    flaws = flaws_in(task, text)
    if isinstance(task, Function) and flaws:
        return 1, flaws[0].claim
    if flaws and rng.random() < model.reliability:
        return flaws[0].step, flaws[0].reason
    steps = [step for step, _ in steps_noted(text)] or [1]
    return rng.choice(steps), "I come to another result here"


def _remark(label: str, stated: str | None, errors: Sequence[tuple[int, str]]) -> str:
    who = f"Candidate {label}" if label else "The answer"
    if stated is None:
        return f"{who} states no answer that I can read" + (", yet its working holds." if not errors else ".")
    stated = "a program" if "\n" in stated else stated
    if not errors:
        return f"{who} arrives at {stated}; its steps hold up."
    step, reason = errors[0]
    return f"{who} arrives at {stated}; one of its steps does not hold up, step {step}: {reason}."


def _by_length(candidates: Sequence[Block]) -> list[Impression]:
    longest = max((len(block.text) for block in candidates), default=1) or 1
    return [
        Impression(block.label, True, 0.3 + 0.4 * len(block.text) / longest, _UNKNOWN) for block in candidates
    ]
