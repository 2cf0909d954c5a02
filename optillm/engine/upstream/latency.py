"""How long upstream calls take: the latest calls of each kind, by any request of this process."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from optillm.toolkit.bounded import BoundedMap

QUANTILE: Final = 0.9
"""The share of the latest calls that took no longer than is usual."""
LATEST: Final = 64
"""Calls of each kind that are remembered."""
KINDS: Final = 512
"""Kinds of calls that are remembered."""


class Pace(NamedTuple):
    """How many seconds a call took, and its weight: how many times as long as a light call it may take."""

    seconds: float
    weight: float = 1.0

    def of(self, weight: float) -> float:
        """Return how many seconds a call of this weight may take; a lighter one is given no less."""
        return self.seconds * max(1.0, weight / self.weight)


@dataclass(slots=True)
class _Calls:
    """The latest calls of one kind; `usual` is `None` until it is computed from them."""

    latest: deque[Pace] = field(default_factory=lambda: deque(maxlen=LATEST))
    usual: Pace | None = None


class Paces:
    """How long the latest calls took, by what they have in common; failures are not counted."""

    def __init__(self) -> None:
        self._kinds = BoundedMap[Hashable, _Calls](KINDS)

    def add(self, kind: Hashable, pace: Pace) -> None:
        """Record one call."""
        calls = self._kinds.use(kind, _Calls)
        calls.latest.append(pace)
        calls.usual = None

    def usual(self, kind: Hashable) -> Pace | None:
        """Return the pace that most calls of this kind do not exceed; `None` when there were none."""
        calls = self._kinds.get(kind)
        if calls is None:
            return None
        if calls.usual is None:
            calls.usual = sorted(calls.latest)[int(QUANTILE * len(calls.latest))]
        return calls.usual
