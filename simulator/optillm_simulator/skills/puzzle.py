"""An ordering puzzle: names, clues about their places, and a question about the order."""

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
    """`first` stands before, just before or next to `second`; or `first` stands (not) at `place`, from 1.

    `about` is the clue in the puzzle's own words.
    """

    relation: Relation
    first: str
    second: str = ""
    place: int = 0
    about: str = ""

    def readings(self, size: int) -> list[Clue]:
        """The clue itself and the ways in which it may be misread, the likeliest first."""
        if self.relation in ("at", "not at"):
            near = (self.place, self.place - 1, self.place + 1)
            return [replace(self, place=place) for place in near if 1 <= place <= size]
        swapped = replace(self, first=self.second, second=self.first)
        if self.relation == "just before":
            return [self, swapped, replace(self, relation="before"), replace(self, relation="next to")]
        if self.relation == "next to":
            return [self, replace(self, relation="just before"), replace(swapped, relation="just before")]
        return [self, swapped]

    def holds(self, places: dict[str, int]) -> bool:
        """Whether the clue can still hold, given the places known so far (from 1)."""
        first = places.get(self.first)
        if self.relation in ("at", "not at"):
            return first is None or (first == self.place) == (self.relation == "at")
        second = places.get(self.second)
        if first is None or second is None:
            return True
        if self.relation == "before":
            return first < second
        gap = second - first
        return gap == 1 or (gap == -1 and self.relation == "next to")


@dataclass(frozen=True, slots=True)
class Puzzle:
    """The names in order of mention, the clues, and what is asked.

    `wanted` is the whole order, who stands at `place` (from 1), or the place of `subject`. `backwards` asks
    for the order from last to first.
    """

    names: tuple[str, ...]
    clues: tuple[Clue, ...]
    wanted: Wanted
    place: int = 0
    subject: str = ""
    backwards: bool = False


@lru_cache(maxsize=4096)
def orders(names: tuple[str, ...], clues: tuple[Clue, ...], most: int = 30) -> tuple[Order, ...]:
    """The orders in which all clues hold, at most `most` of them."""
    found: list[Order] = []
    for order in _search(names, clues, {}):
        found.append(order)
        if len(found) == most:
            break
    return tuple(found)


def _search(names: Sequence[str], clues: Sequence[Clue], places: dict[str, int]) -> Iterator[Order]:
    if len(places) == len(names):
        yield tuple(sorted(places, key=places.__getitem__))
        return
    for name in names:
        if name in places:
            continue
        places[name] = len(places) + 1
        if all(clue.holds(places) for clue in clues if name in (clue.first, clue.second)):
            yield from _search(names, clues, places)
        del places[name]


def solvable(puzzle: Puzzle) -> bool:
    """Whether the clues settle what is asked."""
    return len({answer_in(puzzle, order) for order in orders(puzzle.names, puzzle.clues)}) == 1


def conclude(puzzle: Puzzle, understood: Sequence[Clue]) -> tuple[Order, str]:
    """An order that fits what was understood, and the answer read off it.

    A clue that contradicts those before it is passed over, as a hasty reader would.
    """
    kept: tuple[Clue, ...] = ()
    for clue in understood:
        if orders(puzzle.names, (*kept, clue), 1):
            kept = (*kept, clue)
    order = orders(puzzle.names, kept, 1)[0]
    return order, answer_in(puzzle, order)


def answer_in(puzzle: Puzzle, order: Order) -> str:
    """What the question asks for, when the order is this."""
    if puzzle.wanted == "who":
        return order[puzzle.place - 1]
    if puzzle.wanted == "place":
        return ORDINALS[order.index(puzzle.subject)]
    return ", ".join(reversed(order) if puzzle.backwards else order)


def misread(clue: Clue, size: int, luck: random.Random) -> Clue:
    """The clue as a hasty reader takes it: most often the likeliest wrong reading."""
    wrong = clue.readings(size)[1:]
    return luck.choices(wrong, [4**-place for place in range(len(wrong))])[0]


def tell(clue: Clue) -> str:
    """What a clue says about the order, in fixed words."""
    match clue.relation:
        case "at" | "not at":
            verb = "is" if clue.relation == "at" else "is not"
            return f"{clue.first} {verb} {ORDINALS[clue.place - 1]}"
        case "before":
            return f"{clue.first} comes before {clue.second}"
        case "just before":
            return f"{clue.first} comes just before {clue.second}"
        case "next to":
            return f"{clue.first} and {clue.second} are neighbours"
