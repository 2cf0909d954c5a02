"""The two demo models: how often each errs, and the chance that decides when."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Character:
    """What is known about one demo model. All figures are probabilities.

    `slip`: that one step of a sum goes wrong. `misreading`: that one clue of a puzzle is misread. `bug`: that a
    function has a fault.
    `reliability`: that a judge sees rightly whether one candidate is right, in one call.
    `position_bias`: added to the chance that the first candidate shown is seen as right, taken from the
    last one's, and spread evenly between them.
    `hard`: that a task is hard for this model; there one particular slip happens in a share `stumbles` of all
    samples, whatever else goes wrong, and this model as a judge falls for the answer it leads to half the time.
    `finds`: that a wrong step is found on checking, or a fault that was pointed out is mended. `breaks`: that a
    right step is "mended" into a wrong one.
    `drops`: that one fact is lost when a question is put in other words. `vague`: that a description of code
    leaves open what the code decides.
    `misformalises`: that one assertion of a formalisation is wrong.
    `refuses`: that it declines to write a solution with a hidden error.
    """

    name: str
    slip: float
    misreading: float
    reliability: float
    position_bias: float
    bug: float = 0.0
    hard: float = 0.0
    stumbles: float = 0.0
    finds: float = 1.0
    breaks: float = 0.0
    drops: float = 0.0
    vague: float = 0.0
    misformalises: float = 0.0
    refuses: float = 0.0


SMALL = Character(
    "demo-small",
    slip=0.09,
    misreading=0.12,
    reliability=0.85,
    position_bias=0.05,
    bug=0.27,
    hard=0.15,
    stumbles=0.6,
    finds=0.75,
    breaks=0.05,
    drops=0.03,
    vague=0.12,
    misformalises=0.06,
    refuses=0.1,
)
LARGE = Character(
    "demo-large",
    slip=0.03,
    misreading=0.05,
    reliability=0.95,
    position_bias=0.02,
    bug=0.1,
    hard=0.1,
    stumbles=0.5,
    finds=0.9,
    breaks=0.02,
    drops=0.01,
    vague=0.05,
    misformalises=0.02,
    refuses=0.1,
)
FAULTLESS = Character("faultless", slip=0.0, misreading=0.0, reliability=1.0, position_bias=0.0)

MODELS: Mapping[str, Character] = {model.name: model for model in (SMALL, LARGE)}


_MARK = re.compile(rb"(?<![0-9a-z])[0-9a-f]{8,}(?![0-9a-z])")


def chance(
    model: str, messages: Any, *, seed: int | None, temperature: float, index: int = 0
) -> random.Random:
    """The chance one choice lives by.

    At temperature 0 it depends on model, messages and seed alone. Above 0 every choice has its own: from the
    seed and the choice's index when there is a seed, else from the system's entropy. Random marks around quoted
    text are no part of a task: they change nothing.
    """
    if temperature > 0 and seed is None:
        return random.Random()  # noqa: S311 - simulated errors, not secrets
    drawn = 0 if temperature == 0 else index + 1
    told = orjson.dumps([model, messages, str(seed), drawn], default=str, option=orjson.OPT_SORT_KEYS)
    digest = hashlib.blake2b(_MARK.sub(b"", told), digest_size=8).digest()
    return random.Random(int.from_bytes(digest))  # noqa: S311 - simulated errors, not secrets
