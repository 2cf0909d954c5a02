"""The role that refines: check a current answer step by step, mend what is wrong, write it out again.

A wrong step is found with the error model's probability `finds`, and a correct one broken with `breaks`: refining
helps on average and now and then breaks a correct answer.
"""

from __future__ import annotations

import re
from dataclasses import replace

from optillm_simulator.error_models import FAULTLESS, ErrorModel
from optillm_simulator.roles.context import PromptContext
from optillm_simulator.roles.stated import stated_answer
from optillm_simulator.roles.writing import behind_marker, delivered, led_to
from optillm_simulator.skills.checking import Checked, Flaw, check
from optillm_simulator.skills.functions import Function, behaviour, variant_of
from optillm_simulator.skills.reasoner import Task, Working, habit, truth, work

BLIND = 0.5
"""The factor on the chance to find a wrong step in the answer that a hard task lures this model into."""
_CRITIQUE = re.compile(
    r"criti|problem|flaw|issue|error|weak|diagnos|review|reason|thought|analy", re.IGNORECASE
)
_ANSWER = re.compile(
    r"answer|solution|improved|revised|refined|better|rewrit|final|text|version", re.IGNORECASE
)
_UNKNOWN = "I am a simulated demo model and cannot check this kind of task, so I leave the answer as it is."


def refine(context: PromptContext) -> str:
    """Name the most serious problem of the current answer, then write the answer anew without it."""
    current = context.candidates[-1].text
    if context.task is None:
        return _refined(context, _UNKNOWN, current)
    critic = _critic(context, context.task, current)
    checked = check(context.task, current, critic, context.rng) or _reworked(
        context, context.task, current, critic
    )
    if not checked.flaws:
        return _refined(context, "I checked every step and found no serious problem.", checked.working.text)
    worst, *others = checked.flaws
    critique = f"The most serious problem is in step {worst.step}: {worst.reason}."
    critique += "".join(f" In step {flaw.step}, {flaw.reason}." for flaw in others)
    return _refined(context, critique, checked.working.text)


def _critic(context: PromptContext, task: Task, current: str) -> ErrorModel:
    """Return the error model for checking this answer: blinder where it would make the same error."""
    lured = habit(task, context.model)
    blind = lured != truth(task) and stated_answer(current, task) == lured
    return replace(context.model, finds=context.model.finds * BLIND) if blind else context.model


def _refined(context: PromptContext, critique: str, answer: str) -> str:
    prose = behind_marker(context, critique, answer)
    return delivered(context, prose, [(_CRITIQUE, critique), (_ANSWER, answer)])


def _reworked(context: PromptContext, task: Task, current: str, critic: ErrorModel) -> Checked:
    """Compare an answer without readable steps with the model's own working."""
    stated, model, rng = stated_answer(current, task), context.model, context.rng
    own = work(task, model, rng)
    right = work(task, FAULTLESS, rng)
    if stated is None:
        return Checked(own, ())
    wrong = stated != truth(task)
    if rng.random() < (critic.finds if wrong else critic.breaks * len(own.lines)):
        return Checked(own, _objection(task, stated, own) if own.answer != stated else ())
    return Checked(led_to(right, stated, task) if wrong else right, ())


def _objection(task: Task, stated: str, own: Working) -> tuple[Flaw, ...]:
    if not isinstance(task, Function):
        return (Flaw(len(own.lines), stated, own.answer),)
    variant = variant_of(task, stated)
    claim = "something else" if variant is None else behaviour(task, variant)
    return (Flaw(1, claim, behaviour(task, task.variant)),)
