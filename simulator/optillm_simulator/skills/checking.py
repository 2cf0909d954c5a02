"""Check worked steps: find those that do not follow, and mend what was found."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from optillm_simulator.error_models import ErrorModel
from optillm_simulator.skills.functions import Function, behaviour, code_in, variant_of
from optillm_simulator.skills.notes import outcomes
from optillm_simulator.skills.puzzle import Clue, Puzzle, misread, tell
from optillm_simulator.skills.reasoner import Reckoning, Task, Working, deduce, parts, read_as, reckon
from optillm_simulator.skills.sums import Sum, shown


@dataclass(frozen=True, slots=True)
class Flaw:
    """One objection to a step: what it claims, and what it should say."""

    step: int
    claim: str
    better: str

    @property
    def reason(self) -> str:
        """Return the objection in words."""
        return f"it says {self.claim}, but it should be {self.better}"


@dataclass(frozen=True, slots=True)
class Checked:
    """A working after a check, and what the check objected to."""

    working: Working
    flaws: tuple[Flaw, ...]


def flaws_in(task: Task, text: str) -> list[Flaw]:
    """Return every step of a text that does not follow from those before it; none is missed."""
    if isinstance(task, Function):
        variant = variant_of(task, code_in(text) or "")
        if variant is None or variant == task.variant:
            return []
        return [Flaw(1, *(behaviour(task, one) for one in (variant, task.variant)))]
    return list(recheck(task, text, finds=1.0, breaks=0.0, rng=random.Random(0)).flaws)  # noqa: S311 - no chance


def check(task: Task, text: str, model: ErrorModel, rng: random.Random) -> Checked | None:
    """Go through a text's working as `model` would; return `None` if it has no readable steps."""
    if isinstance(task, Function) or not 0 < len(parts(task)) <= len(outcomes(task, text)):
        return None
    return recheck(task, text, model.finds, model.breaks, rng)


def recheck(task: Sum | Puzzle, text: str, finds: float, breaks: float, rng: random.Random) -> Checked:
    """Go through the steps noted in a text; a missing step is done again, correctly."""
    noted = outcomes(task, text)
    if isinstance(task, Sum):
        return _sum_checked(task, noted, finds, breaks, rng)
    return _puzzle_checked(task, noted, finds, breaks, rng)


def _sum_checked(
    task: Sum, noted: Mapping[int, str], finds: float, breaks: float, rng: random.Random
) -> Checked:
    flaws: list[Flaw] = []
    excess: dict[int, Fraction] = {}

    def as_noted(step: Reckoning) -> Fraction:
        value = Fraction(noted[step.number]) if step.number in noted else step.exact
        excess[step.number] = value - step.exact
        return value

    # The first pass finds by how much each noted result is off, given the noted results before it.
    reckon(task, as_noted)

    def settled(step: Reckoning) -> Fraction:
        off = excess[step.number]
        if rng.random() >= (finds if off else breaks):
            return max(step.exact + off, min(step.exact, Fraction(0)))
        better = step.exact if off else step.slip(rng)
        flaws.append(Flaw(step.number, noted.get(step.number, shown(step.exact)), shown(better)))
        return better

    working = reckon(task, settled)
    return Checked(working, tuple(flaws))


def _puzzle_checked(
    task: Puzzle, noted: Mapping[int, str], finds: float, breaks: float, rng: random.Random
) -> Checked:
    flaws: list[Flaw] = []
    size = len(task.names)

    def settled(number: int, clue: Clue) -> Clue:
        reading = (read_as(clue, size, noted[number]) if number in noted else None) or clue
        if rng.random() >= (finds if reading != clue else breaks):
            return reading
        better = clue if reading != clue else misread(clue, size, rng)
        flaws.append(Flaw(number, tell(reading), tell(better)))
        return better

    return Checked(deduce(task, settled), tuple(flaws))
