"""The two demo models: how often each errs, and the chance that decides when."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Character:
    """What is known about one demo model. All figures are probabilities.

    `slip`: that one step of a sum goes wrong. `misreading`: that one clue of a puzzle is misread.
    `reliability`: that a judge sees rightly whether one candidate is right, in one call.
    `position_bias`: added to the chance that the first candidate shown is seen as right, taken from the
    last one's, and spread evenly between them.
    """

    name: str
    slip: float
    misreading: float
    reliability: float
    position_bias: float


SMALL = Character("demo-small", slip=0.12, misreading=0.15, reliability=0.85, position_bias=0.05)
LARGE = Character("demo-large", slip=0.04, misreading=0.05, reliability=0.95, position_bias=0.02)
FAULTLESS = Character("faultless", slip=0.0, misreading=0.0, reliability=1.0, position_bias=0.0)

MODELS: Mapping[str, Character] = {model.name: model for model in (SMALL, LARGE)}


def chance(
    model: str, messages: Any, *, seed: int | None, temperature: float, index: int = 0
) -> random.Random:
    """The chance one choice lives by.

    At temperature 0 it depends on model, messages and seed alone. Above 0 every choice has its own: from the
    seed and the choice's index when there is a seed, else from the system's entropy.
    """
    if temperature > 0 and seed is None:
        return random.Random()  # noqa: S311 - simulated errors, not secrets
    drawn = 0 if temperature == 0 else index + 1
    told = orjson.dumps([model, messages, str(seed), drawn], default=str, option=orjson.OPT_SORT_KEYS)
    digest = hashlib.blake2b(told, digest_size=8).digest()
    return random.Random(int.from_bytes(digest))  # noqa: S311 - simulated errors, not secrets
