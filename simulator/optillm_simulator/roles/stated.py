"""The answer that somebody's text states, and whether it is the right one."""

from __future__ import annotations

import random
import re
from fractions import Fraction

from optillm_simulator.skills.functions import Function, canonical, code_in, variant_of
from optillm_simulator.skills.puzzle import ORDINALS, Puzzle
from optillm_simulator.skills.reasoner import Task, truth
from optillm_simulator.skills.sums import Sum, shown

_ANSWER = re.compile(r"\b(?:answer|result|total|solution)\b|\\boxed", re.IGNORECASE)
_NUMBER = re.compile(r"[-−]?\d[\d,]*(?:\.\d+)?(?:\s?/\s?[1-9]\d*)?")


_CLOSED = re.compile(
    r"\b(?:answer|result|solution)[*_]{0,2}\s{0,2}(?:is|are|=|:)[*_]{0,2}\s{0,2}\S|\\boxed", re.IGNORECASE
)


def concluded(text: str) -> bool:
    """Whether a text says what its answer is."""
    return bool(_CLOSED.search(text))


def stated_answer(text: str, task: Task) -> str | None:
    """The answer a text ends on, in the form in which right answers are kept; `None` when it states none.

    Of a program it is the canonical code when its shape is known, else the program itself.
    """
    if isinstance(task, Function):
        code = code_in(text)
        variant = None if code is None else variant_of(task, code)
        return code if variant is None else canonical(task, variant)
    lines = [line for line in text.replace("*", "").splitlines() if line.strip()]
    for line in reversed(lines):
        named = list(_ANSWER.finditer(line))
        if named:
            found = _read(line[named[-1].end() :], task, last=False)
            if found is not None:
                return found
    return _read(lines[-1], task, last=True) if lines else None


def another_answer(task: Task, luck: random.Random) -> str:
    """An answer of the right kind that is not the right one."""
    if isinstance(task, Function):
        return canonical(
            task, luck.choice([n for n in range(len(task.made.faults) + 1) if n != task.variant])
        )
    right = truth(task)
    if isinstance(task, Sum):
        return shown(Fraction(right) + luck.choice((1, 2, 10)))
    if task.wanted == "place":
        return luck.choice([place for place in ORDINALS[: len(task.names)] if place != right])
    if task.wanted == "who":
        return luck.choice([name for name in task.names if name != right])
    first, second, *others = right.split(", ")
    return ", ".join((second, first, *others))


def _read(words: str, task: Sum | Puzzle, *, last: bool) -> str | None:
    if isinstance(task, Puzzle):
        return _read_order(words, task)
    numbers = _NUMBER.findall(words)
    if not numbers:
        return None
    number = numbers[-1 if last else 0].replace(",", "").replace("−", "-").replace(" ", "")
    return shown(Fraction(number))


def _read_order(words: str, puzzle: Puzzle) -> str | None:
    if puzzle.wanted == "place":
        told = re.findall(r"\w+", words.lower())
        places = {word: ORDINALS[place] for place, word in enumerate(ORDINALS)}
        places |= {"1st": "first", "2nd": "second", "3rd": "third"} | {
            "last": ORDINALS[len(puzzle.names) - 1]
        }
        places |= {f"{place}th": ORDINALS[place - 1] for place in range(4, 9)}
        places |= {str(place): ordinal for place, ordinal in enumerate(ORDINALS, start=1)}
        return next((places[word] for word in told if word in places), None)
    named = [word for word in re.findall(r"\w+", words) if word in puzzle.names]
    if puzzle.wanted == "who":
        return named[0] if named else None
    return ", ".join(named) if len(set(named)) == len(puzzle.names) == len(named) else None
