"""Translate a task into constraints for a solver: SMT-LIB 2, or a z3 program in Python."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from optillm_simulator.error_models import ErrorModel
from optillm_simulator.skills.functions import Function
from optillm_simulator.skills.puzzle import Clue, Puzzle, misread
from optillm_simulator.skills.reasoner import Task
from optillm_simulator.skills.slips import Lapses
from optillm_simulator.skills.sums import Op, Result, Step, Sum, Term, apply

Formula = str | int | Fraction | tuple["Formula", ...]
"""A variable, a number, or an operator (a string) and its operands."""

_INFIX = {"=": "==", "<": "<", "<=": "<=", "+": "+", "-": "-", "*": "*"}
_CALLS = {"and": "And", "or": "Or", "not": "Not", "distinct": "Distinct"}
_OTHER: Mapping[Op, Op] = {"+": "-", "-": "+", "*": "+", "/": "-"}


@dataclass(frozen=True, slots=True)
class Formalisation:
    """Variables of one sort, what always holds, and one fact per step or clue; `None` for a missing one.

    `answers` are the variables that answer the question; `options`, if not empty, are the possible answers, each with
    what would have to hold; `printing` is how a program prints the answer.
    """

    sort: str
    variables: tuple[str, ...]
    frame: tuple[Formula, ...]
    facts: tuple[Formula | None, ...]
    answers: tuple[str, ...]
    options: tuple[tuple[str, Formula], ...] = ()
    printing: str = "print(model[answer])"

    @property
    def assertions(self) -> list[Formula]:
        """Return everything that is asserted."""
        return [*self.frame, *(fact for fact in self.facts if fact is not None)]

    @property
    def declared(self) -> list[str]:
        """Return the declarations in SMT-LIB 2."""
        return [f"(declare-const {name} {self.sort})" for name in self.variables]

    @property
    def smt2(self) -> str:
        """Return declarations and assertions in SMT-LIB 2."""
        return "\n".join((*self.declared, *(f"(assert {smt(formula)})" for formula in self.assertions)))

    @property
    def program(self) -> str:
        """Return a z3 program in Python that prints the answers."""
        names = ", ".join(self.variables) + ("," if len(self.variables) == 1 else "")
        added = "\n".join(f"solver.add({python(formula)})" for formula in self.assertions)
        return (
            f'from z3 import *\n\n{names} = {self.sort}s("{" ".join(self.variables)}")\nsolver = Solver()\n{added}\n'
            f"assert solver.check() == sat\nmodel = solver.model()\n{self.printing}"
        )


def formalised(task: Task, model: ErrorModel, rng: random.Random) -> Formalisation | None:
    """Return the task as `model` would formalise it; `None` if there is nothing to solve."""
    clean = _clean(task)
    if clean is None:
        return None
    errs = Lapses(task, len(clean.facts), model, rng, ()).at(model.misformalises)
    facts = [
        fact if (lapse := errs(number)) is None else slipped_fact(task, number, fact, lapse)
        for number, fact in enumerate(clean.facts, start=1)
    ]
    return replace(clean, facts=tuple(facts))


def repaired(task: Task, original: str, model: ErrorModel, rng: random.Random) -> Formalisation | None:
    """Return a formalisation with each wrong fact mended with the probability `finds` of `model`."""
    clean = _clean(task)
    if clean is None or not any(_stands_in(fact, original) for fact in clean.facts):
        return formalised(task, model, rng)
    facts = [
        fact
        if _stands_in(fact, original) or rng.random() < model.finds
        else slipped_fact(task, number, fact, rng)
        for number, fact in enumerate(clean.facts, start=1)
    ]
    return replace(clean, facts=tuple(facts))


def faithful(task: Task, formalisation: str) -> bool:
    """Return whether a formalisation states every fact of the task in this module's wording."""
    clean = _clean(task)
    return clean is not None and all(_stands_in(fact, formalisation) for fact in clean.facts)


def _stands_in(fact: Formula | None, formalisation: str) -> bool:
    return fact is not None and (
        f"(assert {smt(fact)})" in formalisation or f".add({python(fact)})" in formalisation
    )


def slipped_fact(task: Task, number: int, fact: Formula | None, rng: random.Random) -> Formula | None:
    """Return a fact as it goes wrong: changed half the time, else missing or with an unknown variable."""
    kind = rng.random()
    if fact is None or kind < 0.25:
        return None
    if kind < 0.5:
        return _misspelt(fact)
    if isinstance(task, Sum):
        step = task.steps[number - 1]
        return _fact_of_step(task, number - 1, replace(step, op=_OTHER[step.op]))
    if isinstance(task, Function):
        return fact
    return _fact_of_clue(misread(task.clues[number - 1], len(task.names), rng))


def _misspelt(fact: Formula) -> Formula:
    """Return the fact with its first variable under a name that was never declared."""
    if isinstance(fact, tuple):
        head, *others = fact
        for index, part in enumerate(others):
            wrong = _misspelt(part)
            if wrong != part:
                return (head, *others[:index], wrong, *others[index + 1 :])
        return fact
    return f"{fact}_" if isinstance(fact, str) else fact


def _clean(task: Task) -> Formalisation | None:
    if isinstance(task, Sum):
        if not task.steps:
            return None
        names = tuple(_variable(task, index) for index in range(len(task.steps)))
        facts = tuple(_fact_of_step(task, index, step) for index, step in enumerate(task.steps))
        return Formalisation("Int" if _whole(task) else "Real", names, (), facts, names[-1:])
    return None if isinstance(task, Function) else _puzzle(task)


def _puzzle(task: Puzzle) -> Formalisation:
    size, names = len(task.names), task.names
    frame: list[Formula] = [("and", ("<=", 1, name), ("<=", name, size)) for name in names]
    frame.append(("distinct", *names))
    facts = tuple(_fact_of_clue(clue) for clue in task.clues)
    options: tuple[tuple[str, Formula], ...] = ()
    if task.wanted == "who":
        options = tuple((name, ("=", name, task.position)) for name in names)
    answers = (task.subject,) if task.wanted == "place" else names
    return Formalisation("Int", names, tuple(frame), facts, answers, options, _printing(task))


def _printing(task: Puzzle) -> str:
    if task.wanted == "place":
        return f"print(model[{task.subject}])"
    ordered = f"order = sorted([{', '.join(task.names)}], key=lambda one: model[one].as_long())\n"
    if task.wanted == "who":
        return f"{ordered}print(order[{task.position - 1}])"
    return f'{ordered}print(", ".join(map(str, {"reversed(order)" if task.backwards else "order"})))'


def _fact_of_step(task: Sum, index: int, step: Step) -> Formula:
    name, left, right = _variable(task, index), _side(task, step.left), _side(task, step.right)
    if step.op == "/":  # avoids a division, so that integers suffice
        return ("=", ("*", name, right), left)
    return ("=", name, (step.op, left, right))


def _fact_of_clue(clue: Clue) -> Formula:
    first, second = clue.first, clue.second
    match clue.relation:
        case "before":
            return ("<", first, second)
        case "just before":
            return ("=", ("+", first, 1), second)
        case "next to":
            return ("or", ("=", ("-", first, second), 1), ("=", ("-", second, first), 1))
        case "at":
            return ("=", first, clue.position)
        case _:
            return ("not", ("=", first, clue.position))


def _variable(task: Sum, index: int) -> str:
    return "answer" if index == len(task.steps) - 1 else f"step{index + 1}"


def _side(task: Sum, term: Term) -> Formula:
    return _variable(task, term.step) if isinstance(term, Result) else term


def _whole(task: Sum) -> bool:
    """Return whether all numbers and intermediate results of a sum are integers."""
    values: list[Fraction] = []
    for step in task.steps:
        sides = [values[side.step] if isinstance(side, Result) else side for side in (step.left, step.right)]
        values.append(apply(step.op, *sides) or Fraction(0))
        if any(side.denominator != 1 for side in (*sides, values[-1])):
            return False
    return True


def smt(formula: Formula) -> str:
    """Return a formula in SMT-LIB 2."""
    match formula:
        case str():
            return formula
        case tuple():
            return f"({' '.join(map(smt, formula))})"
        case int() | Fraction():
            value = Fraction(formula)
            shown = (
                str(abs(value.numerator))
                if value.denominator == 1
                else f"(/ {abs(value.numerator)} {value.denominator})"
            )
            return f"(- {shown})" if value < 0 else shown


def python(formula: Formula) -> str:
    """Return a formula as z3's Python API has it."""
    match formula:
        case str():
            return formula
        case (str() as sign, *parts) if sign in _CALLS:
            return f"{_CALLS[sign]}({', '.join(map(python, parts))})"
        case (str() as sign, left, right):
            return f" {_INFIX[sign]} ".join(_grouped(side) for side in (left, right))
        case tuple():
            return ", ".join(map(python, formula))
        case _:
            value = Fraction(formula)
            return (
                str(value.numerator)
                if value.denominator == 1
                else f"Q({value.numerator}, {value.denominator})"
            )


def _grouped(side: Formula) -> str:
    return f"({python(side)})" if isinstance(side, tuple) else python(side)
