"""Scorers that end their own process in the middle of a run."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from itertools import count
from typing import Any, Final

AFTER: Final = 25
_calls = count(1)


def contains(reply: str, row: Mapping[str, Any]) -> bool:
    """Whether a reply has the answer, until the signal of the environment is due."""
    if next(_calls) == AFTER and "END_BY" in os.environ:
        os.kill(os.getpid(), getattr(signal, os.environ["END_BY"]))
    return any(answer in reply for answer in row["answers"])
