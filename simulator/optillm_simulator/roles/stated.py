"""Find the answer that a text states."""

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
    """Return whether a text states its answer."""
    return bool(_CLOSED.search(text))


def stated_answer(text: str, task: Task) -> str | None:
    """Return the answer at the end of a text in canonical form; `None` if it states none.

    For a program it is the canonical code if its shape is known, else the program itself.
    """
    if isinstance(task, Function):
        code = code_in(text)
        variant = None if code is None else variant_of(task, code)
        return code if variant is None else canonical(task, variant)
    lines = [line for line in text.replace("*", "").splitlines() if line.strip()]
    for line in reversed(lines):
        named = list(_ANSWER.finditer(line))
        if named:
            answer = _read(line[named[-1].end() :], task, last=False)
            if answer is not None:
                return answer
    return _read(lines[-1], task, last=True) if lines else None


def another_answer(task: Task, rng: random.Random) -> str:
    """Return an answer of the right kind that is not the correct one."""
    if isinstance(task, Function):
        return canonical(task, rng.choice([n for n in range(len(task.made.faults) + 1) if n != task.variant]))
    right = truth(task)
    if isinstance(task, Sum):
        return shown(Fraction(right) + rng.choice((1, 2, 10)))
    if task.wanted == "place":
        return rng.choice([ordinal for ordinal in ORDINALS[: len(task.names)] if ordinal != right])
    if task.wanted == "who":
        return rng.choice([name for name in task.names if name != right])
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
        ordinals = {word: word for word in ORDINALS}
        ordinals |= {"1st": "first", "2nd": "second", "3rd": "third", "last": ORDINALS[len(puzzle.names) - 1]}
        ordinals |= {f"{number}th": ORDINALS[number - 1] for number in range(4, 9)}
        ordinals |= {str(number): ordinal for number, ordinal in enumerate(ORDINALS, start=1)}
        return next((ordinals[word] for word in re.findall(r"\w+", words.lower()) if word in ordinals), None)
    named = [word for word in re.findall(r"\w+", words) if word in puzzle.names]
    if puzzle.wanted == "who":
        return named[0] if named else None
    return ", ".join(named) if len(set(named)) == len(puzzle.names) == len(named) else None
