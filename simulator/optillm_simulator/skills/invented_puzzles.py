"""Ordering puzzles invented with their answers: an order is drawn first, clues are chosen until they settle it."""

from __future__ import annotations

import random
from itertools import pairwise

from optillm_simulator.skills.invented_stories import PEOPLE, listing
from optillm_simulator.skills.puzzle import ORDINALS, Clue, Order, Puzzle, answer_in, solvable

_AXES = (
    ("taller than", "shorter than", "tallest", "shortest"),
    ("older than", "younger than", "oldest", "youngest"),
    ("heavier than", "lighter than", "heaviest", "lightest"),
)
Axis = tuple[str, str, str, str]


def invent_puzzle(luck: random.Random, length: int | None = None) -> tuple[str, str]:
    """A puzzle about three to six people, or about `length`, eight at most, and its answer."""
    order = tuple(luck.sample(PEOPLE, length or luck.randint(3, 6)))
    names = tuple(luck.sample(order, len(order)))
    axis = None if luck.random() < 0.6 else luck.choice(_AXES)
    puzzle, question = _question(names, axis, luck)
    told = [_opening(names, axis, luck)]
    told += [
        _race_clue(clue, luck) if axis is None else _axis_clue(clue, axis, luck)
        for clue in _clues(order, luck)
    ]
    return " ".join((*told, question)), answer_in(puzzle, order)


def _clues(order: Order, luck: random.Random) -> list[Clue]:
    """True clues that settle the order together, none of them to spare."""
    size = len(order)
    pool = [Clue("just before", *pair) for pair in pairwise(order)]
    pool += [Clue("before", order[a], order[b]) for a in range(size) for b in range(a + 1, size)]
    pool += [Clue("not at", name, place=luck.choice((1, size))) for name in order[1:-1]]
    pool.append(Clue("at", luck.choice(order), place=0))
    luck.shuffle(pool)
    clues: list[Clue] = []
    for clue in pool:
        if clue.relation == "at":
            clue = Clue("at", clue.first, place=order.index(clue.first) + 1)
        clues.append(clue)
        if _settles(order, clues):
            break
    for clue in tuple(clues):
        fewer = [one for one in clues if one is not clue]
        if _settles(order, fewer):
            clues = fewer
    return clues


def _settles(order: Order, clues: list[Clue]) -> bool:
    return solvable(Puzzle(order, tuple(clues), "order"))


def _opening(names: Order, axis: Axis | None, luck: random.Random) -> str:
    who = listing(names)
    if axis is not None:
        return luck.choice((f"{who} compare themselves.", f"Here are some friends: {who}."))
    return luck.choice((f"{who} ran a race.", f"{who} took part in a race without ties."))


def _race_clue(clue: Clue, luck: random.Random) -> str:
    first, second = clue.first, clue.second
    place = ORDINALS[clue.place - 1]
    match clue.relation:
        case "before":
            ways = (
                f"{first} finished before {second}.",
                f"{second} came in after {first}.",
                f"{first} beat {second}.",
            )
        case "just before":
            ways = (
                f"{first} finished just before {second}.",
                f"{second} arrived immediately after {first}.",
                f"{first} was directly ahead of {second}.",
            )
        case "at":
            ways = (f"{first} finished {place}.", f"{first} came in {place} place.", f"{first} was {place}.")
        case _:
            end = "first" if clue.place == 1 else "last"
            ways = (
                f"{first} was not {end}.",
                f"{first} did not finish {end}.",
                f"{first} did not come {end}.",
            )
    return luck.choice(ways)


def _axis_clue(clue: Clue, axis: Axis, luck: random.Random) -> str:
    more, less, most, least = axis
    first, second = clue.first, clue.second
    match clue.relation:
        case "before":
            return luck.choice((f"{first} is {more} {second}.", f"{second} is {less} {first}."))
        case "just before":
            return luck.choice((f"{first} comes right before {second} from {most} to {least}.",))
        case "at":
            return (
                f"{first} is the {most}."
                if clue.place == 1
                else f"{first} is the {ORDINALS[clue.place - 1]} {most}."
            )
        case _:
            return f"{first} is not the {most if clue.place == 1 else least}."


def _question(names: Order, axis: Axis | None, luck: random.Random) -> tuple[Puzzle, str]:
    """What is asked, as the reader should understand it and in words."""
    kind = luck.random()
    size = len(names)
    if kind < 0.45:
        puzzle = Puzzle(names, (), "order", backwards=axis is not None and luck.random() < 0.3)
        if axis is None:
            ways = (
                "In what order did they finish, from first to last?",
                "What was the order, from first to last?",
            )
            return puzzle, luck.choice(ways)
        ends = (axis[3], axis[2]) if puzzle.backwards else (axis[2], axis[3])
        return puzzle, f"List them from {ends[0]} to {ends[1]}."
    if kind < 0.85 or axis is not None:
        place = luck.randint(1, size)
        puzzle = Puzzle(names, (), "who", place=place)
        if axis is not None:
            ends_told = {1: axis[2], size: axis[3]}
            return puzzle, f"Who is the {ends_told.get(place) or f'{ORDINALS[place - 1]} {axis[2]}'}?"
        told = "last" if place == size else ORDINALS[place - 1]
        return puzzle, luck.choice((f"Who finished {told}?", f"Who came {told}?", f"Who was {told}?"))
    subject = luck.choice(names)
    return Puzzle(names, (), "place", subject=subject), f"In which place did {subject} finish?"
