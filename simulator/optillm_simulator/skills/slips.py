"""How a reasoner goes wrong: plausible wrong outcomes, and the slip that recurs on a hard task."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from fractions import Fraction
from functools import lru_cache

from optillm_simulator.error_models import ErrorModel
from optillm_simulator.skills.sums import Op, apply

_CONFUSED: Mapping[Op, Op] = {"+": "-", "-": "+", "*": "+", "/": "-"}
DOUBTED = 0.5
"""The factor on the chance of a slip where a reviewer has doubted the step."""


def slipped(op: Op, left: Fraction, right: Fraction, exact: Fraction, rng: random.Random) -> Fraction:
    """Return a plausible wrong outcome; the first kinds are common, so that two slips may agree."""
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
    return rng.choices([value for _, value in plausible], [weight for weight, _ in plausible])[0]


def _transposed(exact: Fraction) -> Fraction:
    digits = str(exact)
    return Fraction(digits[:-2] + digits[-1] + digits[-2]) if digits.isdigit() and exact >= 10 else exact


def task_key(task: object) -> str:
    """Return a text that identifies a task. It seeds what is hard for whom, so it must never change."""
    return repr(task).replace(
        "position=", "place="
    )  # the field's name when the published tables were measured


@lru_cache(maxsize=4096)
def stumbling_block(task: object, steps: int, model: ErrorModel) -> tuple[int, str] | None:
    """Return the step (from 1) at which a hard task trips a model up, and a seed for that slip.

    Returns `None` for a task that is not hard for it. The same task is hard in every call.
    """
    rng = random.Random(f"{model.kind}: {task_key(task)}")  # noqa: S311 - reproducible, not secret
    if rng.random() >= model.hard or not steps:
        return None
    return rng.randint(1, steps), str(rng.random())


class Lapses:
    """The lapses of one sample: by chance at each step, and again and again where a hard task trips."""

    def __init__(
        self, task: object, steps: int, model: ErrorModel, rng: random.Random, doubts: Collection[int]
    ) -> None:
        self._rng = rng
        self._doubts = doubts
        self._block = stumbling_block(task, steps, model)
        if self._block and rng.random() >= model.stumbles * self._care(self._block[0]):
            self._block = None

    def at(self, rate: float) -> Callable[[int], random.Random | None]:
        """Return a function that tells whether a step goes wrong.

        For a step that does it returns the random numbers that shape the slip, else `None`.
        """

        def lapse(number: int) -> random.Random | None:
            # Drawn even where the block decides, so that a seed gives the same slips at all other steps.
            slips = self._rng.random() < rate * self._care(number)
            if self._block and self._block[0] == number:
                return random.Random(self._block[1])  # noqa: S311 - reproducible, not secret
            return self._rng if slips else None

        return lapse

    def _care(self, number: int) -> float:
        return DOUBTED if number in self._doubts else 1.0
