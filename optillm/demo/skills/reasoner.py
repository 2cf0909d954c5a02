"""Working a task out step by step, in prose, with slips that happen by chance."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from optillm.demo.characters import FAULTLESS, Character
from optillm.demo.skills.puzzle import Clue, Puzzle, conclude, misread, tell
from optillm.demo.skills.sums import Op, Result, Step, Sum, Term, apply, shown

Task = Sum | Puzzle
_SIGN: Mapping[Op, str] = {"+": "+", "-": "-", "*": "×", "/": "÷"}
_CONFUSED: Mapping[Op, Op] = {"+": "-", "-": "+", "*": "+", "/": "-"}


@dataclass(frozen=True, slots=True)
class Working:
    """A task worked out: numbered lines, the answer, and how many of the steps went wrong."""

    lines: tuple[str, ...]
    answer: str
    slips: int = 0

    @property
    def closing(self) -> str:
        """The line that states the answer."""
        return f"The answer is {self.answer}."

    @property
    def text(self) -> str:
        """The whole working as an answer to its reader."""
        return "\n".join((*self.lines, "", self.closing))


def work(
    task: Task, character: Character, luck: random.Random, noted: Mapping[int, str] | None = None
) -> Working:
    """Work a task out as `character` would. `noted` holds results of steps taken over from someone's notes."""
    if isinstance(task, Sum):
        return _work_sum(task, character, luck, noted or {})
    return _work_puzzle(task, character, luck, noted or {})


def truth(task: Task) -> str:
    """The right answer."""
    return work(task, FAULTLESS, random.Random(0)).answer  # noqa: S311 - nothing is left to chance here


def _work_sum(task: Sum, character: Character, luck: random.Random, noted: Mapping[int, str]) -> Working:
    if task.answer is not None:
        answer = shown(task.answer)
        return Working((f"Step 1: The question itself gives the number: {answer}.",), answer)
    values: list[Fraction] = []
    lines: list[str] = []
    slips = 0
    for place, step in enumerate(task.steps, start=1):
        left, right = _value(step.left, values), _value(step.right, values)
        exact = _exact(step.op, left, right)
        slipped = luck.random() < character.slip
        value = _slip(step.op, left, right, exact, luck) if slipped else exact
        if place in noted:
            value = Fraction(noted[place])
        slips += value != exact
        values.append(value)
        lines.append(f"Step {place}: {_line(step, left, right, value)}")
    return Working(tuple(lines), shown(values[-1]), slips)


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


def _slip(op: Op, left: Fraction, right: Fraction, exact: Fraction, luck: random.Random) -> Fraction:
    """A plausible wrong outcome; the first kinds come often, so that two slips at one place may agree."""
    confused = apply(_CONFUSED[op], left, right)
    carry = Fraction(10) if op == "-" else Fraction(-10)
    kinds = [
        (40, exact + carry if exact >= 20 else exact + 1),
        (25, exact + 1),
        (15, exact - 1),
        (12, exact if confused is None else confused),
        (8, _transposed(exact)),
    ]
    floor = min(exact, Fraction(0))  # people notice a negative number of apples
    plausible = [(weight, value) for weight, value in kinds if value != exact and value >= floor]
    return luck.choices([value for _, value in plausible], [weight for weight, _ in plausible])[0]


def _transposed(exact: Fraction) -> Fraction:
    digits = str(exact)
    return Fraction(digits[:-2] + digits[-1] + digits[-2]) if digits.isdigit() and exact >= 10 else exact


def _work_puzzle(
    task: Puzzle, character: Character, luck: random.Random, noted: Mapping[int, str]
) -> Working:
    understood: list[Clue] = []
    lines: list[str] = []
    slips = 0
    for place, clue in enumerate(task.clues, start=1):
        slipped = luck.random() < character.misreading
        reading = misread(clue, len(task.names), luck) if slipped else clue
        if place in noted:
            reading = next((one for one in clue.readings(len(task.names)) if tell(one) == noted[place]), clue)
        slips += reading != clue
        understood.append(reading)
        lines.append(f"Step {place}: {clue.about}, so {tell(reading)}.")
    order, answer = conclude(task, understood)
    lines.append(f"Step {len(lines) + 1}: Together that gives the order {', '.join(order)}.")
    return Working(tuple(lines), answer, slips)
