"""Where a reasoner goes wrong: plausible wrong outcomes, and the one slip that comes back on a hard task."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from fractions import Fraction
from functools import lru_cache

from optillm_simulator.characters import Character
from optillm_simulator.skills.sums import Op, apply

_CONFUSED: Mapping[Op, Op] = {"+": "-", "-": "+", "*": "+", "/": "-"}
DOUBTED = 0.5
"""What is left of the chance of a slip where a reviewer has raised doubts about the step."""


def slipped(op: Op, left: Fraction, right: Fraction, exact: Fraction, luck: random.Random) -> Fraction:
    """A plausible wrong outcome; the first kinds come often, so that two slips at one place may agree."""
    confused = apply(_CONFUSED[op], left, right)
    carry = Fraction(10) if op == "-" else Fraction(-10)
    kinds = [
        (40, exact + carry if exact >= 20 else exact + 1),
        (25, exact + 1),
        (15, exact - 1),
        (12, exact if confused is None else confused),
        (8, _transposed(exact)),
    ]
    floor = min(exact, Fraction(0))  # people notice a negative number of apples
    plausible = [(weight, value) for weight, value in kinds if value != exact and value >= floor]
    return luck.choices([value for _, value in plausible], [weight for weight, _ in plausible])[0]


def _transposed(exact: Fraction) -> Fraction:
    digits = str(exact)
    return Fraction(digits[:-2] + digits[-1] + digits[-2]) if digits.isdigit() and exact >= 10 else exact


@lru_cache(maxsize=4096)
def stumbling_block(task: object, steps: int, character: Character) -> tuple[int, str] | None:
    """The step, from 1, at which a hard task trips a model up, and a seed for the slip that it then makes.

    `None` for a task that is not hard for it. The same task is hard in every call.
    """
    luck = random.Random(f"{character.kind}: {task!r}")  # noqa: S311 - reproducible, not secret
    if luck.random() >= character.hard or not steps:
        return None
    return luck.randint(1, steps), str(luck.random())


class Lapses:
    """The lapses of one sample: at each step by chance, and at a hard task's stumbling block time and again."""

    def __init__(
        self, task: object, steps: int, character: Character, luck: random.Random, doubts: Collection[int]
    ) -> None:
        self._luck = luck
        self._doubts = doubts
        self._block = stumbling_block(task, steps, character)
        if self._block and luck.random() >= character.stumbles * self._care(self._block[0]):
            self._block = None

    def at(self, rate: float) -> Callable[[int], random.Random | None]:
        """Tells of a step whether it goes wrong: by the chance that is to shape the slip, else `None`."""

        def lapse(place: int) -> random.Random | None:
            slips = self._luck.random() < rate * self._care(place)
            if self._block and self._block[0] == place:
                return random.Random(self._block[1])  # noqa: S311 - reproducible, not secret
            return self._luck if slips else None

        return lapse

    def _care(self, place: int) -> float:
        return DOUBTED if place in self._doubts else 1.0
