"""Ordering puzzles: names, clues about their positions, and a question about the order."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

Relation = Literal["before", "just before", "next to", "at", "not at"]
Wanted = Literal["order", "who", "place"]
Order = tuple[str, ...]

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")


@dataclass(frozen=True, slots=True)
class Clue:
    """`first` stands before, just before or next to `second`; or `first` is (not) at `position`, from 1.

    `about` is the clue in the puzzle's own words.
    """

    relation: Relation
    first: str
    second: str = ""
    position: int = 0
    about: str = ""

    def readings(self, size: int) -> list[Clue]:
        """Return the clue itself and the ways to misread it, the likeliest first."""
        if self.relation in ("at", "not at"):
            near = (self.position, self.position - 1, self.position + 1)
            return [replace(self, position=position) for position in near if 1 <= position <= size]
        swapped = replace(self, first=self.second, second=self.first)
        if self.relation == "just before":
            return [self, swapped, replace(self, relation="before"), replace(self, relation="next to")]
        if self.relation == "next to":
            return [self, replace(self, relation="just before"), replace(swapped, relation="just before")]
        return [self, swapped]

    def holds(self, positions: dict[str, int]) -> bool:
        """Return whether the clue can still hold, given the positions known so far (from 1)."""
        first = positions.get(self.first)
        if self.relation in ("at", "not at"):
            return first is None or (first == self.position) == (self.relation == "at")
        second = positions.get(self.second)
        if first is None or second is None:
            return True
        if self.relation == "before":
            return first < second
        gap = second - first
        return gap == 1 or (gap == -1 and self.relation == "next to")


@dataclass(frozen=True, slots=True)
class Puzzle:
    """The names in order of mention, the clues, and what is asked.

    `wanted` is the whole order, who stands at `position` (from 1), or the position of `subject`. `backwards` asks for
    the order from last to first.
    """

    names: tuple[str, ...]
    clues: tuple[Clue, ...]
    wanted: Wanted
    position: int = 0
    subject: str = ""
    backwards: bool = False


@lru_cache(maxsize=4096)
def orders(names: tuple[str, ...], clues: tuple[Clue, ...], most: int = 30) -> tuple[Order, ...]:
    """Return the orders in which all clues hold, `most` at most."""
    matching: list[Order] = []
    for order in _search(names, clues, {}):
        matching.append(order)
        if len(matching) == most:
            break
    return tuple(matching)


def _search(names: Sequence[str], clues: Sequence[Clue], positions: dict[str, int]) -> Iterator[Order]:
    if len(positions) == len(names):
        yield tuple(sorted(positions, key=positions.__getitem__))
        return
    for name in names:
        if name in positions:
            continue
        positions[name] = len(positions) + 1
        if all(clue.holds(positions) for clue in clues if name in (clue.first, clue.second)):
            yield from _search(names, clues, positions)
        del positions[name]


def solvable(puzzle: Puzzle) -> bool:
    """Return whether the clues settle what is asked."""
    return len({answer_in(puzzle, order) for order in orders(puzzle.names, puzzle.clues)}) == 1


def conclude(puzzle: Puzzle, understood: Sequence[Clue]) -> tuple[Order, str]:
    """Return an order that fits what was understood, and the answer it gives.

    A clue that contradicts those before it is skipped, as a hasty reader would.
    """
    kept: tuple[Clue, ...] = ()
    for clue in understood:
        if orders(puzzle.names, (*kept, clue), 1):
            kept = (*kept, clue)
    order = orders(puzzle.names, kept, 1)[0]
    return order, answer_in(puzzle, order)


def answer_in(puzzle: Puzzle, order: Order) -> str:
    """Return the answer to the question for a given order."""
    if puzzle.wanted == "who":
        return order[puzzle.position - 1]
    if puzzle.wanted == "place":
        return ORDINALS[order.index(puzzle.subject)]
    return ", ".join(reversed(order) if puzzle.backwards else order)


def misread(clue: Clue, size: int, rng: random.Random) -> Clue:
    """Return the clue as a hasty reader takes it: most often the likeliest wrong reading."""
    wrong = clue.readings(size)[1:]
    return rng.choices(wrong, [4**-index for index in range(len(wrong))])[0]


def tell(clue: Clue) -> str:
    """Return in fixed words what a clue says about the order."""
    match clue.relation:
        case "at" | "not at":
            verb = "is" if clue.relation == "at" else "is not"
            return f"{clue.first} {verb} {ORDINALS[clue.position - 1]}"
        case "before":
            return f"{clue.first} comes before {clue.second}"
        case "just before":
            return f"{clue.first} comes just before {clue.second}"
        case "next to":
            return f"{clue.first} and {clue.second} are neighbours"
