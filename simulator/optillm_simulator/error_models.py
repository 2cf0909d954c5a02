"""The demo models: how often each errs, and the random numbers that decide when.

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
class ErrorModel:
    """How often one demo model goes wrong. All figures are probabilities.

    `slip`: one step of a sum goes wrong. `misreading`: one clue of a puzzle is misread. `bug`: a function has a
    fault.
    `reliability`: a judge is right, in one call, about whether one candidate is correct.
    `position_bias`: added to the chance that the first candidate is judged correct and subtracted from the last
    one's; candidates in between get a share that falls evenly.
    `hard`: a task is hard for this model. On a hard task one particular slip happens in a share `stumbles` of all
    samples, on top of all other slips, and as a judge this model accepts the resulting answer half the time.
    `blind`: as a judge, it takes a wrong answer for a correct one. This is drawn once per question and answer and is
    the same in every call. On a hard task such a judge believes its own typical error.
    `finds`: checking finds a wrong step, or a reported fault is mended. `breaks`: a correct step is "mended" into a
    wrong one.
    `drops`: one fact gets lost when a question is rephrased. `vague`: a description of code leaves open what the
    code decides.
    `misformalises`: one assertion of a formalisation is wrong.
    `refuses`: it declines to write a solution with a hidden error.

    `kind` names the model whose writing it shares word for word: the same tasks are hard for both. It defaults to
    the model's own name.
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
        """Default `kind` to the model's own name."""
        object.__setattr__(self, "kind", self.kind or self.name)


SMALL = ErrorModel(
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
LARGE = ErrorModel(
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
"""A judge of the writer's own kind: it overlooks the errors that it would make itself.

14 models left 64.5 % of the errors in their own output uncorrected, although they found the same errors in a user's
text (https://arxiv.org/abs/2507.02778).
"""
OTHER = replace(SMALL, name="demo-other", kind="demo-other")
"""A judge of another family: equally reliable, but with other hard tasks, and fresh slips in each call."""
DULL = replace(SMALL, name="demo-dull", reliability=0.6)
"""A judge near chance."""
FAULTLESS = ErrorModel("faultless", slip=0.0, misreading=0.0, reliability=1.0, position_bias=0.0)

MODELS: Mapping[str, ErrorModel] = {model.name: model for model in (SMALL, LARGE, KIN, OTHER, DULL)}


_MARK = re.compile(rb"(?<![0-9a-z])[0-9a-f]{8,}(?![0-9a-z])")


def choice_rng(
    model: str, messages: Any, *, seed: int | None, temperature: float, index: int = 0
) -> random.Random:
    """Return the random number generator for one choice; `model` is the kind of the model that writes.

    At temperature 0 the generator depends only on model, messages and seed. Above 0 every choice has its own: seeded
    by the seed and the choice's index if there is a seed, else by the system's entropy. Random suffixes of the tags
    around quoted text are not part of a task, so they do not change the outcome.
    """
    if temperature > 0 and seed is None:
        return random.Random()  # noqa: S311 - simulated errors, not secrets
    stream = 0 if temperature == 0 else index + 1
    key_material = orjson.dumps(
        [model, messages, str(seed), stream], default=str, option=orjson.OPT_SORT_KEYS
    )
    digest = hashlib.blake2b(_MARK.sub(b"", key_material), digest_size=8).digest()
    return random.Random(int.from_bytes(digest))  # noqa: S311 - simulated errors, not secrets
