"""Working a task out step by step, in prose, with slips that happen by chance."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

from optillm_simulator.characters import FAULTLESS, Character
from optillm_simulator.skills.functions import Function, canonical, described, source
from optillm_simulator.skills.puzzle import Clue, Puzzle, conclude, misread, tell
from optillm_simulator.skills.slips import Lapses, slipped
from optillm_simulator.skills.sums import Op, Result, Step, Sum, Term, apply, shown

Task = Sum | Puzzle | Function
MISUNDERSTOOD = 0.5
"""The chance that a function is written otherwise than meant when its description is vague."""
_SIGN: Mapping[Op, str] = {"+": "+", "-": "-", "*": "×", "/": "÷"}


@dataclass(frozen=True, slots=True)
class Working:
    """A task worked out: its lines, the answer, how many of the steps went wrong, and the program if it is one."""

    lines: tuple[str, ...]
    answer: str
    slips: int = 0
    code: str = ""

    @property
    def closing(self) -> str:
        """What states the answer: a line, or the program in a fence."""
        return f"```python\n{self.code}\n```" if self.code else f"The answer is {self.answer}."

    @property
    def reasoning(self) -> str:
        """The working without the answer, and a look back at it."""
        return "\n".join((*self.lines, "", "Checking: I went through it again and it holds."))

    @property
    def text(self) -> str:
        """The whole working as an answer to its reader."""
        return "\n".join((*self.lines, "", self.closing))


@dataclass(frozen=True, slots=True)
class Reckoning:
    """One step of a sum at the moment it is taken: its number from 1, its two sides and the exact outcome."""

    place: int
    step: Step
    left: Fraction
    right: Fraction
    exact: Fraction

    def slip(self, luck: random.Random) -> Fraction:
        """A plausible wrong outcome."""
        return slipped(self.step.op, self.left, self.right, self.exact, luck)


def work(
    task: Task,
    character: Character,
    luck: random.Random,
    noted: Mapping[int, str] | None = None,
    doubts: Collection[int] = (),
) -> Working:
    """Work a task out as `character` would.

    `noted` holds results of steps taken over from someone's notes; at steps in `doubts` it takes more care.
    """
    if isinstance(task, Function):
        return program(task, _variant(task, character, luck, doubts), luck)
    taken = noted or {}
    if isinstance(task, Sum):
        errs = Lapses(task, len(task.steps), character, luck, doubts).at(character.slip)

        def outcome(at: Reckoning) -> Fraction:
            if at.place in taken:
                return Fraction(taken[at.place])
            lapse = errs(at.place)
            return at.slip(lapse) if lapse else at.exact

        return reckon(task, outcome)
    errs = Lapses(task, len(task.clues), character, luck, doubts).at(character.misreading)

    def reading(place: int, clue: Clue) -> Clue:
        if place in taken:
            return read_as(clue, len(task.names), taken[place]) or clue
        lapse = errs(place)
        return misread(clue, len(task.names), lapse) if lapse else clue

    return deduce(task, reading)


def parts(task: Task) -> tuple[str, ...]:
    """What a working goes through step by step: operations or clues, in the question's own words."""
    if isinstance(task, Function):
        return ()
    return tuple(part.about for part in (task.steps if isinstance(task, Sum) else task.clues))


def _variant(task: Function, character: Character, luck: random.Random, doubts: Collection[int]) -> int:
    """The variant of a function that is written: the one that is meant, or another by a slip."""
    lapse = Lapses(task, 1, character, luck, doubts).at(character.bug)(1)
    if lapse is None and task.vague and luck.random() < MISUNDERSTOOD:
        lapse = luck
    others = [one for one in range(len(task.made.faults) + 1) if one != task.variant]
    return task.variant if lapse is None else lapse.choice(others)


def program(task: Function, variant: int, luck: random.Random) -> Working:
    """A function written out, with a sentence about what it does."""
    said = described(replace(task, variant=0), 0, luck).rpartition("` ")[2]
    line = luck.choice(("This function {}", "The function below {}", "Here is a function that {}")).format(
        said
    )
    code = source(task, variant, luck)
    return Working((line,), canonical(task, variant), int(variant != task.variant), code)


@lru_cache(maxsize=4096)
def truth(task: Task) -> str:
    """The right answer."""
    return work(task, FAULTLESS, random.Random(0)).answer  # noqa: S311 - nothing is left to chance here


@lru_cache(maxsize=4096)
def habit(task: Task, character: Character) -> str:
    """The answer that a task which is hard for a model lures it into; the right one when it is not hard."""
    lured = replace(character, slip=0.0, misreading=0.0, bug=0.0, stumbles=1.0)
    return work(task, lured, random.Random(0)).answer  # noqa: S311 - nothing is left to chance here


def reckon(task: Sum, outcome: Callable[[Reckoning], Fraction]) -> Working:
    """Go through a sum step by step; `outcome` says what comes out of each."""
    if task.answer is not None:
        answer = shown(task.answer)
        return Working((f"Step 1: The question itself gives the number: {answer}.",), answer)
    values: list[Fraction] = []
    lines: list[str] = []
    slips = 0
    for place, step in enumerate(task.steps, start=1):
        left, right = _value(step.left, values), _value(step.right, values)
        exact = _exact(step.op, left, right)
        value = outcome(Reckoning(place, step, left, right, exact))
        slips += value != exact
        values.append(value)
        lines.append(f"Step {place}: {_line(step, left, right, value)}")
    return Working(tuple(lines), shown(values[-1]), slips)


def deduce(task: Puzzle, reading: Callable[[int, Clue], Clue]) -> Working:
    """Go through a puzzle clue by clue; `reading` says how each is understood."""
    understood: list[Clue] = []
    lines: list[str] = []
    for place, clue in enumerate(task.clues, start=1):
        understood.append(reading(place, clue))
        lines.append(f"Step {place}: {clue.about}, so {tell(understood[-1])}.")
    order, answer = conclude(task, understood)
    lines.append(f"Step {len(lines) + 1}: Together that gives the order {', '.join(order)}.")
    slips = sum(one != clue for one, clue in zip(understood, task.clues, strict=True))
    return Working(tuple(lines), answer, slips)


def read_as(clue: Clue, size: int, told: str) -> Clue | None:
    """The reading of a clue that somebody's words tell; `None` when they tell none of them."""
    return next((one for one in clue.readings(size) if tell(one) == told), None)


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
