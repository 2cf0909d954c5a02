"""A kind of small function: how it is requested, written and tested, and which faults it may get.

In a body, `ACC`, `ITEM`, `OUT`, `BEST`, `LOW`, `HIGH` and `INDEX` stand for local names. What is in braces is filled
with `k`, the number in the question, and with `slots`, some of which a fault changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MANY = r"[^.]{0,90}?"


@dataclass(frozen=True)
class Fault:
    """A plausible bug: the slots it changes, and a sentence that would make it the specification."""

    slots: Mapping[str, str]
    note: str


@dataclass(frozen=True)
class Kind:
    """A kind of function: how it is requested and recognised, how it is written, and what it returns.

    `inputs` are arguments for tests, some of which reveal each fault; `reference` is called with the arguments and k.
    """

    name: str
    args: tuple[str, ...]
    asks: tuple[str, ...]
    reads: re.Pattern[str]
    bodies: tuple[str, ...]
    slots: Mapping[str, str]
    faults: tuple[Fault, ...]
    inputs: Callable[[int], tuple[tuple[Any, ...], ...]]
    reference: Callable[..., Any]


def reads(pattern: str) -> re.Pattern[str]:
    """Return a pattern for requests of a kind; its first group, if there is one, is k."""
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)
