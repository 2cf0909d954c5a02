"""The sampling values that a technique's calls are made from; those of a plain relay are for the upstream to judge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from optillm.errors import InvalidRequest

RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
}
SEEDS: Final = 2**63  # beyond them; calls add a little to a seed, and it has to stay one


def check_sampling(body: Mapping[str, Any]) -> None:
    """Raise `InvalidRequest`, with the field as `param`, for a value that no call could be made with."""
    for name, (low, high) in RANGES.items():
        value = body.get(name)
        if value is not None and (type(value) not in (int, float) or not low <= value <= high):
            raise InvalidRequest(f"{name} must be a number from {low} to {high}", param=name)
    seed = body.get("seed")
    if seed is not None and (type(seed) is not int or not -SEEDS <= seed < SEEDS):
        raise InvalidRequest("seed must be an integer of 64 bits", param="seed")
