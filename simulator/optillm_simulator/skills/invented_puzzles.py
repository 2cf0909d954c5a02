"""Invent ordering puzzles: an order is drawn first, then clues are chosen until they settle it."""

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


def invent_puzzle(rng: random.Random, length: int | None = None) -> tuple[str, str]:
    """Return a puzzle and its answer, about `length` people (8 at most) or else three to six."""
    order = tuple(rng.sample(PEOPLE, length or rng.randint(3, 6)))
    names = tuple(rng.sample(order, len(order)))
    axis = None if rng.random() < 0.6 else rng.choice(_AXES)
    puzzle, question = _question(names, axis, rng)
    text = [_opening(names, axis, rng)]
    text += [
        _race_clue(clue, rng) if axis is None else _axis_clue(clue, axis, rng) for clue in _clues(order, rng)
    ]
    return " ".join((*text, question)), answer_in(puzzle, order)


def _clues(order: Order, rng: random.Random) -> list[Clue]:
    """Return true clues that together settle the order, none of them redundant."""
    size = len(order)
    pool = [Clue("just before", *pair) for pair in pairwise(order)]
    pool += [Clue("before", order[a], order[b]) for a in range(size) for b in range(a + 1, size)]
    pool += [Clue("not at", name, position=rng.choice((1, size))) for name in order[1:-1]]
    pool.append(Clue("at", rng.choice(order), position=0))
    rng.shuffle(pool)
    clues: list[Clue] = []
    for clue in pool:
        if clue.relation == "at":
            clue = Clue("at", clue.first, position=order.index(clue.first) + 1)
        clues.append(clue)
        if _settles(order, clues):
            break
    for clue in tuple(clues):
        fewer = [other for other in clues if other is not clue]
        if _settles(order, fewer):
            clues = fewer
    return clues


def _settles(order: Order, clues: list[Clue]) -> bool:
    return solvable(Puzzle(order, tuple(clues), "order"))


def _opening(names: Order, axis: Axis | None, rng: random.Random) -> str:
    who = listing(names)
    if axis is not None:
        return rng.choice((f"{who} compare themselves.", f"Here are some friends: {who}."))
    return rng.choice((f"{who} ran a race.", f"{who} took part in a race without ties."))


def _race_clue(clue: Clue, rng: random.Random) -> str:
    first, second = clue.first, clue.second
    ordinal = ORDINALS[clue.position - 1]
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
            ways = (
                f"{first} finished {ordinal}.",
                f"{first} came in {ordinal} place.",
                f"{first} was {ordinal}.",
            )
        case _:
            end = "first" if clue.position == 1 else "last"
            ways = (
                f"{first} was not {end}.",
                f"{first} did not finish {end}.",
                f"{first} did not come {end}.",
            )
    return rng.choice(ways)


def _axis_clue(clue: Clue, axis: Axis, rng: random.Random) -> str:
    more, less, most, least = axis
    first, second = clue.first, clue.second
    match clue.relation:
        case "before":
            return rng.choice((f"{first} is {more} {second}.", f"{second} is {less} {first}."))
        case "just before":
            return rng.choice((f"{first} comes right before {second} from {most} to {least}.",))
        case "at":
            return (
                f"{first} is the {most}."
                if clue.position == 1
                else f"{first} is the {ORDINALS[clue.position - 1]} {most}."
            )
        case _:
            return f"{first} is not the {most if clue.position == 1 else least}."


def _question(names: Order, axis: Axis | None, rng: random.Random) -> tuple[Puzzle, str]:
    """Return what is asked, as a puzzle for the reader and in words."""
    kind = rng.random()
    size = len(names)
    if kind < 0.45:
        puzzle = Puzzle(names, (), "order", backwards=axis is not None and rng.random() < 0.3)
        if axis is None:
            ways = (
                "In what order did they finish, from first to last?",
                "What was the order, from first to last?",
            )
            return puzzle, rng.choice(ways)
        ends = (axis[3], axis[2]) if puzzle.backwards else (axis[2], axis[3])
        return puzzle, f"List them from {ends[0]} to {ends[1]}."
    if kind < 0.85 or axis is not None:
        position = rng.randint(1, size)
        puzzle = Puzzle(names, (), "who", position=position)
        if axis is not None:
            superlatives = {1: axis[2], size: axis[3]}
            return (
                puzzle,
                f"Who is the {superlatives.get(position) or f'{ORDINALS[position - 1]} {axis[2]}'}?",
            )
        ordinal = "last" if position == size else ORDINALS[position - 1]
        return puzzle, rng.choice((f"Who finished {ordinal}?", f"Who came {ordinal}?", f"Who was {ordinal}?"))
    subject = rng.choice(names)
    return Puzzle(names, (), "place", subject=subject), f"In which place did {subject} finish?"
