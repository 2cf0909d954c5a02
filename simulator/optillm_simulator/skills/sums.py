"""A sum: the exact steps from the numbers in a question to its answer, not yet worked out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

Op = Literal["+", "-", "*", "/"]


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of an earlier step, by its index."""

    step: int


Term = Fraction | Result


@dataclass(frozen=True, slots=True)
class Step:
    """One operation; `about` says in the question's own words what it stands for."""

    op: Op
    left: Term
    right: Term
    about: str = ""


@dataclass(frozen=True, slots=True)
class Sum:
    """The steps in order; the last one gives the answer. `answer` is set if there is nothing to do."""

    steps: tuple[Step, ...]
    answer: Fraction | None = None


@dataclass(slots=True)
class Sheet:
    """Scratch paper on which a reader writes steps as it meets them."""

    steps: list[Step] = field(default_factory=list)

    def do(self, op: Op, left: Term, right: Term, about: str = "") -> Term:
        """Write a step down and return the term for its outcome."""
        self.steps.append(Step(op, left, right, about))
        return Result(len(self.steps) - 1)

    def finish(self, wanted: Term) -> Sum:
        """Return only the steps that `wanted` rests on, renumbered in order."""
        if isinstance(wanted, Fraction):
            return Sum((), wanted)
        needed: set[int] = set()
        _collect(self.steps, wanted, needed)
        new_index = {old: new for new, old in enumerate(sorted(needed))}
        return Sum(tuple(_renumbered(self.steps[old], new_index) for old in new_index))


def _collect(steps: Sequence[Step], wanted: Term, needed: set[int]) -> None:
    open_terms = [wanted]
    while open_terms:
        term = open_terms.pop()
        if isinstance(term, Result) and term.step not in needed:
            needed.add(term.step)
            open_terms += [steps[term.step].left, steps[term.step].right]


def _renumbered(step: Step, new_index: dict[int, int]) -> Step:
    def moved(term: Term) -> Term:
        return Result(new_index[term.step]) if isinstance(term, Result) else term

    return Step(step.op, moved(step.left), moved(step.right), step.about)


def apply(op: Op, left: Fraction, right: Fraction) -> Fraction | None:
    """Return the exact outcome; `None` for a division by zero."""
    match op:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case "/":
            return left / right if right else None


def shown(value: Fraction) -> str:
    """Return a number as people write it: an integer, a short decimal, else a fraction."""
    if value.denominator == 1:
        return str(value.numerator)
    for places in range(1, 5):
        if 10**places % value.denominator == 0:
            return f"{float(value):.{places}f}"
    return f"{value.numerator}/{value.denominator}"


def plain_number(text: str) -> str:
    """Return a number as `shown` writes it; empty if the text is no number."""
    try:
        return shown(Fraction(text.replace(",", "")))
    except (ValueError, ZeroDivisionError):
        return ""
