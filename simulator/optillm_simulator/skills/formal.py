"""A task as constraints for a solver, in SMT-LIB 2 or as a z3 program in Python."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from optillm_simulator.characters import Character
from optillm_simulator.skills.functions import Function
from optillm_simulator.skills.puzzle import Clue, Puzzle, misread
from optillm_simulator.skills.reasoner import Task
from optillm_simulator.skills.slips import Lapses
from optillm_simulator.skills.sums import Op, Result, Step, Sum, Term, apply

Formula = str | int | Fraction | tuple["Formula", ...]
"""A variable, a number, or an operator (a string) and what it is applied to."""

_INFIX = {"=": "==", "<": "<", "<=": "<=", "+": "+", "-": "-", "*": "*"}
_CALLS = {"and": "And", "or": "Or", "not": "Not", "distinct": "Distinct"}
_OTHER: Mapping[Op, Op] = {"+": "-", "-": "+", "*": "+", "/": "-"}


@dataclass(frozen=True, slots=True)
class Formalisation:
    """Variables of one sort, what always holds, and one fact for every step or clue; `None` where one is missing.

    `answers` are the variables that answer the question; `options`, when not empty, the possible answers, each
    with what would have to hold; `printing` is how a program prints the answer.
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
        """All that is asserted."""
        return [*self.frame, *(fact for fact in self.facts if fact is not None)]

    @property
    def declared(self) -> list[str]:
        """The declarations in SMT-LIB 2."""
        return [f"(declare-const {name} {self.sort})" for name in self.variables]

    @property
    def smt2(self) -> str:
        """Declarations and assertions in SMT-LIB 2."""
        return "\n".join((*self.declared, *(f"(assert {smt(one)})" for one in self.assertions)))

    @property
    def program(self) -> str:
        """A z3 program in Python that prints the answers."""
        names = ", ".join(self.variables) + ("," if len(self.variables) == 1 else "")
        added = "\n".join(f"solver.add({python(one)})" for one in self.assertions)
        return (
            f'from z3 import *\n\n{names} = {self.sort}s("{" ".join(self.variables)}")\nsolver = Solver()\n{added}\n'
            f"assert solver.check() == sat\nmodel = solver.model()\n{self.printing}"
        )


def formalised(task: Task, character: Character, luck: random.Random) -> Formalisation | None:
    """The task as `character` would put it; `None` when there is nothing to solve."""
    clean = _clean(task)
    if clean is None:
        return None
    errs = Lapses(task, len(clean.facts), character, luck, ()).at(character.misformalises)
    facts = [
        fact if (lapse := errs(place)) is None else slipped_fact(task, place, fact, lapse)
        for place, fact in enumerate(clean.facts, start=1)
    ]
    return replace(clean, facts=tuple(facts))


def repaired(task: Task, given: str, character: Character, luck: random.Random) -> Formalisation | None:
    """A given formalisation with its wrong facts mended, each as often as `character` finds a fault."""
    clean = _clean(task)
    if clean is None or not any(_stands_in(fact, given) for fact in clean.facts):
        return formalised(task, character, luck)
    facts = [
        fact
        if _stands_in(fact, given) or luck.random() < character.finds
        else slipped_fact(task, place, fact, luck)
        for place, fact in enumerate(clean.facts, start=1)
    ]
    return replace(clean, facts=tuple(facts))


def faithful(task: Task, given: str) -> bool:
    """Whether a formalisation states every fact of the task, as this module would."""
    clean = _clean(task)
    return clean is not None and all(_stands_in(fact, given) for fact in clean.facts)


def _stands_in(fact: Formula | None, given: str) -> bool:
    return fact is not None and (f"(assert {smt(fact)})" in given or f".add({python(fact)})" in given)


def slipped_fact(task: Task, place: int, fact: Formula | None, luck: random.Random) -> Formula | None:
    """A fact as it goes wrong: half the time it says something else, else it is missing or names no variable."""
    kind = luck.random()
    if fact is None or kind < 0.25:
        return None
    if kind < 0.5:
        return _misspelt(fact)
    if isinstance(task, Sum):
        step = task.steps[place - 1]
        return _fact_of_step(task, place - 1, replace(step, op=_OTHER[step.op]))
    if isinstance(task, Function):
        return fact
    return _fact_of_clue(misread(task.clues[place - 1], len(task.names), luck))


def _misspelt(fact: Formula) -> Formula:
    """The fact with its first variable under a name that was never declared."""
    if isinstance(fact, tuple):
        head, *others = fact
        for at, one in enumerate(others):
            wrong = _misspelt(one)
            if wrong != one:
                return (head, *others[:at], wrong, *others[at + 1 :])
        return fact
    return f"{fact}_" if isinstance(fact, str) else fact


def _clean(task: Task) -> Formalisation | None:
    if isinstance(task, Sum):
        if not task.steps:
            return None
        names = tuple(_variable(task, at) for at in range(len(task.steps)))
        facts = tuple(_fact_of_step(task, at, step) for at, step in enumerate(task.steps))
        return Formalisation("Int" if _whole(task) else "Real", names, (), facts, names[-1:])
    return None if isinstance(task, Function) else _puzzle(task)


def _puzzle(task: Puzzle) -> Formalisation:
    size, names = len(task.names), task.names
    frame: list[Formula] = [("and", ("<=", 1, name), ("<=", name, size)) for name in names]
    frame.append(("distinct", *names))
    facts = tuple(_fact_of_clue(clue) for clue in task.clues)
    options: tuple[tuple[str, Formula], ...] = ()
    if task.wanted == "who":
        options = tuple((name, ("=", name, task.place)) for name in names)
    answers = (task.subject,) if task.wanted == "place" else names
    return Formalisation("Int", names, tuple(frame), facts, answers, options, _printing(task))


def _printing(task: Puzzle) -> str:
    if task.wanted == "place":
        return f"print(model[{task.subject}])"
    ordered = f"order = sorted([{', '.join(task.names)}], key=lambda one: model[one].as_long())\n"
    if task.wanted == "who":
        return f"{ordered}print(order[{task.place - 1}])"
    return f'{ordered}print(", ".join(map(str, {"reversed(order)" if task.backwards else "order"})))'


def _fact_of_step(task: Sum, at: int, step: Step) -> Formula:
    name, left, right = _variable(task, at), _side(task, step.left), _side(task, step.right)
    if step.op == "/":  # without a division everything stays whole
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
            return ("=", first, clue.place)
        case _:
            return ("not", ("=", first, clue.place))


def _variable(task: Sum, at: int) -> str:
    return "answer" if at == len(task.steps) - 1 else f"step{at + 1}"


def _side(task: Sum, term: Term) -> Formula:
    return _variable(task, term.step) if isinstance(term, Result) else term


def _whole(task: Sum) -> bool:
    """Whether every number in a sum and every outcome on the way is whole."""
    values: list[Fraction] = []
    for step in task.steps:
        sides = [values[one.step] if isinstance(one, Result) else one for one in (step.left, step.right)]
        values.append(apply(step.op, *sides) or Fraction(0))
        if any(one.denominator != 1 for one in (*sides, values[-1])):
            return False
    return True


def smt(formula: Formula) -> str:
    """A formula in SMT-LIB 2."""
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
    """A formula as z3 has it in Python."""
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
