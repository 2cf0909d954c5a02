"""What a kind of small function is: how it is asked for, written, tested, and which faults it may get.

In a body `ACC`, `ITEM`, `OUT`, `BEST`, `LOW`, `HIGH` and `INDEX` stand for local names; what is in braces is
filled with `k`, the number in the question, and with `slots`, some of which a fault changes.
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
    """A kind of function: how it is asked for and read, how it is written, and what it gives.

    `inputs` are arguments for tests, some of which show up each fault; `reference` is given the arguments and k.
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
    """A pattern for how a kind is asked for; its first group, when there is one, is k."""
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)
