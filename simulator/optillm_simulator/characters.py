"""The demo models: how often each errs, and the chance that decides when.

`demo-small` and `demo-large` are the two to try. The others err as often as `demo-small` when they write, and differ
as judges.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
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
    `blind`: that, as a judge, it takes a wrong answer for right: drawn once for the question and that answer, and
    the same in every call. On a hard task such a judge believes its own typical error.
    `finds`: that a wrong step is found on checking, or a fault that was pointed out is mended. `breaks`: that a
    right step is "mended" into a wrong one.
    `drops`: that one fact is lost when a question is put in other words. `vague`: that a description of code
    leaves open what the code decides.
    `misformalises`: that one assertion of a formalisation is wrong.
    `refuses`: that it declines to write a solution with a hidden error.

    `kind` is the model that it writes like, word for word: the same tasks are hard for both. By default it is the
    model's own name.
    """

    name: str
    slip: float
    misreading: float
    reliability: float
    position_bias: float
    bug: float = 0.0
    hard: float = 0.0
    stumbles: float = 0.0
    blind: float = 0.0
    finds: float = 1.0
    breaks: float = 0.0
    drops: float = 0.0
    vague: float = 0.0
    misformalises: float = 0.0
    refuses: float = 0.0
    kind: str = ""

    def __post_init__(self) -> None:
        """Set `kind` to the model's own name where it is missing."""
        object.__setattr__(self, "kind", self.kind or self.name)


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
KIN = replace(SMALL, name="demo-kin", blind=0.65)
"""A judge of the writer's own kind: it does not see the errors that it would make itself.

14 models left 64.5 % of the errors in their own output uncorrected, although they found the same errors in a user's
text (https://arxiv.org/abs/2507.02778).
"""
OTHER = replace(SMALL, name="demo-other", kind="demo-other")
"""A judge of another family: equally reliable, but other tasks are hard for it, and its slips are new in each call."""
DULL = replace(SMALL, name="demo-dull", reliability=0.6)
"""A judge near chance."""
FAULTLESS = Character("faultless", slip=0.0, misreading=0.0, reliability=1.0, position_bias=0.0)

MODELS: Mapping[str, Character] = {model.name: model for model in (SMALL, LARGE, KIN, OTHER, DULL)}


_MARK = re.compile(rb"(?<![0-9a-z])[0-9a-f]{8,}(?![0-9a-z])")


def chance(
    model: str, messages: Any, *, seed: int | None, temperature: float, index: int = 0
) -> random.Random:
    """Return the random generator of one choice; `model` is the kind of the model that writes.

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
