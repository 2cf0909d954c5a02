"""Work out a task step by step, in prose, with slips that happen by chance."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

from optillm_simulator.error_models import FAULTLESS, ErrorModel
from optillm_simulator.skills.functions import Function, canonical, described, source
from optillm_simulator.skills.puzzle import Clue, Puzzle, conclude, misread, tell
from optillm_simulator.skills.slips import Lapses, slipped
from optillm_simulator.skills.sums import Op, Result, Step, Sum, Term, apply, shown

Task = Sum | Puzzle | Function
MISUNDERSTOOD = 0.5
"""The chance that a function is written otherwise than meant if its description is vague."""
_SIGN: Mapping[Op, str] = {"+": "+", "-": "-", "*": "×", "/": "÷"}


@dataclass(frozen=True, slots=True)
class Working:
    """A task worked out: its lines, the answer, how many steps went wrong, and the program if it is one."""

    lines: tuple[str, ...]
    answer: str
    slips: int = 0
    code: str = ""

    @property
    def closing(self) -> str:
        """Return what states the answer: a line, or the program in a fence."""
        return f"```python\n{self.code}\n```" if self.code else f"The answer is {self.answer}."

    @property
    def reasoning(self) -> str:
        """Return the working without the answer, and a look back at it."""
        return "\n".join((*self.lines, "", "Checking: I went through it again and it holds."))

    @property
    def text(self) -> str:
        """Return the whole working as an answer to its reader."""
        return "\n".join((*self.lines, "", self.closing))


@dataclass(frozen=True, slots=True)
class Reckoning:
    """One step of a sum as it is taken: its number from 1, its two sides and the exact outcome."""

    number: int
    step: Step
    left: Fraction
    right: Fraction
    exact: Fraction

    def slip(self, rng: random.Random) -> Fraction:
        """Return a plausible wrong outcome."""
        return slipped(self.step.op, self.left, self.right, self.exact, rng)


def work(
    task: Task,
    model: ErrorModel,
    rng: random.Random,
    noted: Mapping[int, str] | None = None,
    doubts: Collection[int] = (),
) -> Working:
    """Work a task out as `model` would.

    `noted` holds results of steps taken over from someone's notes; at steps in `doubts` it takes more care.
    """
    if isinstance(task, Function):
        return program(task, _variant(task, model, rng, doubts), rng)
    results = noted or {}
    if isinstance(task, Sum):
        errs = Lapses(task, len(task.steps), model, rng, doubts).at(model.slip)

        def outcome(step: Reckoning) -> Fraction:
            if step.number in results:
                return Fraction(results[step.number])
            lapse = errs(step.number)
            return step.slip(lapse) if lapse else step.exact

        return reckon(task, outcome)
    errs = Lapses(task, len(task.clues), model, rng, doubts).at(model.misreading)

    def reading(number: int, clue: Clue) -> Clue:
        if number in results:
            return read_as(clue, len(task.names), results[number]) or clue
        lapse = errs(number)
        return misread(clue, len(task.names), lapse) if lapse else clue

    return deduce(task, reading)


def parts(task: Task) -> tuple[str, ...]:
    """Return what a working goes through: operations or clues, in the question's own words."""
    if isinstance(task, Function):
        return ()
    return tuple(part.about for part in (task.steps if isinstance(task, Sum) else task.clues))


def _variant(task: Function, model: ErrorModel, rng: random.Random, doubts: Collection[int]) -> int:
    """Return the variant of a function that is written: the one that is meant, or another by a slip."""
    lapse = Lapses(task, 1, model, rng, doubts).at(model.bug)(1)
    if lapse is None and task.vague and rng.random() < MISUNDERSTOOD:
        lapse = rng
    others = [variant for variant in range(len(task.made.faults) + 1) if variant != task.variant]
    return task.variant if lapse is None else lapse.choice(others)


def program(task: Function, variant: int, rng: random.Random) -> Working:
    """Return a function written out, with a sentence about what it does."""
    description = described(replace(task, variant=0), 0, rng).rpartition("` ")[2]
    line = rng.choice(("This function {}", "The function below {}", "Here is a function that {}")).format(
        description
    )
    code = source(task, variant, rng)
    return Working((line,), canonical(task, variant), int(variant != task.variant), code)


@lru_cache(maxsize=4096)
def truth(task: Task) -> str:
    """Return the correct answer."""
    return work(task, FAULTLESS, random.Random(0)).answer  # noqa: S311 - nothing is left to chance here


@lru_cache(maxsize=4096)
def habit(task: Task, model: ErrorModel) -> str:
    """Return the answer that a hard task lures a model into; for other tasks, the correct answer."""
    lured = replace(model, slip=0.0, misreading=0.0, bug=0.0, stumbles=1.0)
    return work(task, lured, random.Random(0)).answer  # noqa: S311 - nothing is left to chance here


def reckon(task: Sum, outcome: Callable[[Reckoning], Fraction]) -> Working:
    """Go through a sum step by step; `outcome` decides the result of each."""
    if task.answer is not None:
        answer = shown(task.answer)
        return Working((f"Step 1: The question itself gives the number: {answer}.",), answer)
    values: list[Fraction] = []
    lines: list[str] = []
    slips = 0
    for number, step in enumerate(task.steps, start=1):
        left, right = _value(step.left, values), _value(step.right, values)
        exact = _exact(step.op, left, right)
        value = outcome(Reckoning(number, step, left, right, exact))
        slips += value != exact
        values.append(value)
        lines.append(f"Step {number}: {_line(step, left, right, value)}")
    return Working(tuple(lines), shown(values[-1]), slips)


def deduce(task: Puzzle, reading: Callable[[int, Clue], Clue]) -> Working:
    """Go through a puzzle clue by clue; `reading` decides how each is understood."""
    understood: list[Clue] = []
    lines: list[str] = []
    for number, clue in enumerate(task.clues, start=1):
        understood.append(reading(number, clue))
        lines.append(f"Step {number}: {clue.about}, so {tell(understood[-1])}.")
    order, answer = conclude(task, understood)
    lines.append(f"Step {len(lines) + 1}: Together that gives the order {', '.join(order)}.")
    slips = sum(taken != clue for taken, clue in zip(understood, task.clues, strict=True))
    return Working(tuple(lines), answer, slips)


def read_as(clue: Clue, size: int, words: str) -> Clue | None:
    """Return the reading of a clue that somebody's words express; `None` if they express none."""
    return next((reading for reading in clue.readings(size) if tell(reading) == words), None)


def _value(term: Term, values: list[Fraction]) -> Fraction:
    return values[term.step] if isinstance(term, Result) else term


def _exact(op: Op, left: Fraction, right: Fraction) -> Fraction:
    outcome = apply(op, left, right)
    return Fraction(0) if outcome is None else outcome  # only an earlier slip leads to a division by zero


def _line(step: Step, left: Fraction, right: Fraction, value: Fraction) -> str:
    calculation = f"{_bracketed(left)} {_SIGN[step.op]} {_bracketed(right)} = {shown(value)}."
    return f"{step.about}: {calculation}" if step.about else calculation


def _bracketed(value: Fraction) -> str:
    written = shown(value)
    return f"({written})" if written.startswith("-") or "/" in written else written
