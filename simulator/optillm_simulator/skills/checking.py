"""Checking worked steps: which do not follow, and a working in which what was found is mended."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from optillm_simulator.characters import Character
from optillm_simulator.skills.functions import Function, behaviour, code_in, variant_of
from optillm_simulator.skills.notes import outcomes
from optillm_simulator.skills.puzzle import Clue, Puzzle, misread, tell
from optillm_simulator.skills.reasoner import Reckoning, Task, Working, deduce, parts, read_as, reckon
from optillm_simulator.skills.sums import Sum, shown


@dataclass(frozen=True, slots=True)
class Flaw:
    """One objection: to which step, what it says, what it should say."""

    step: int
    said: str
    better: str

    @property
    def reason(self) -> str:
        """The objection in words."""
        return f"it says {self.said}, but it should be {self.better}"


@dataclass(frozen=True, slots=True)
class Checked:
    """A working after a check, and what the check objected to."""

    working: Working
    flaws: tuple[Flaw, ...]


def flaws_in(task: Task, text: str) -> list[Flaw]:
    """Every step of a text that does not follow from the steps before it; nothing escapes."""
    if isinstance(task, Function):
        variant = variant_of(task, code_in(text) or "")
        if variant is None or variant == task.variant:
            return []
        return [Flaw(1, *(behaviour(task, one) for one in (variant, task.variant)))]
    return list(recheck(task, text, finds=1.0, breaks=0.0, luck=random.Random(0)).flaws)  # noqa: S311 - no chance


def check(task: Task, text: str, character: Character, luck: random.Random) -> Checked | None:
    """The working of a text gone through as `character` would; `None` when it has no steps to be read."""
    if isinstance(task, Function) or not 0 < len(parts(task)) <= len(outcomes(task, text)):
        return None
    return recheck(task, text, character.finds, character.breaks, luck)


def recheck(task: Sum | Puzzle, text: str, finds: float, breaks: float, luck: random.Random) -> Checked:
    """Go through the steps noted in a text; a step that was not noted is taken anew and rightly."""
    noted = outcomes(task, text)
    if isinstance(task, Sum):
        return _sum_checked(task, noted, finds, breaks, luck)
    return _puzzle_checked(task, noted, finds, breaks, luck)


def _sum_checked(
    task: Sum, noted: Mapping[int, str], finds: float, breaks: float, luck: random.Random
) -> Checked:
    flaws: list[Flaw] = []
    excess: dict[int, Fraction] = {}

    def as_noted(at: Reckoning) -> Fraction:
        value = Fraction(noted[at.place]) if at.place in noted else at.exact
        excess[at.place] = value - at.exact
        return value

    reckon(task, as_noted)

    def settled(at: Reckoning) -> Fraction:
        off = excess[at.place]
        if luck.random() >= (finds if off else breaks):
            return max(at.exact + off, min(at.exact, Fraction(0)))
        better = at.exact if off else at.slip(luck)
        flaws.append(Flaw(at.place, noted.get(at.place, shown(at.exact)), shown(better)))
        return better

    working = reckon(task, settled)
    return Checked(working, tuple(flaws))


def _puzzle_checked(
    task: Puzzle, noted: Mapping[int, str], finds: float, breaks: float, luck: random.Random
) -> Checked:
    flaws: list[Flaw] = []
    size = len(task.names)

    def settled(place: int, clue: Clue) -> Clue:
        taken = (read_as(clue, size, noted[place]) if place in noted else None) or clue
        if luck.random() >= (finds if taken != clue else breaks):
            return taken
        better = clue if taken != clue else misread(clue, size, luck)
        flaws.append(Flaw(place, tell(taken), tell(better)))
        return better

    return Checked(deduce(task, settled), tuple(flaws))
