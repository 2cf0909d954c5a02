"""How long upstream calls take: the latest calls of each kind, by any request of this process."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Final, NamedTuple

QUANTILE: Final = 0.9
"""The share of the latest calls that took no longer than is typical."""
LATEST: Final = 64
"""Calls of each kind that are remembered."""
REMEMBERED: Final = 512
"""Kinds that are remembered."""


class Pace(NamedTuple):
    """How many seconds a call took, and its weight: how many times as long as a light call it may take."""

    seconds: float
    weight: float = 1.0

    def of(self, weight: float) -> float:
        """Return how many seconds a call of this weight may take; a lighter one is given no less."""
        return self.seconds * max(1.0, weight / self.weight)


class LatencyTracker:
    """How long the latest calls took, by what they have in common; failures are not counted."""

    def __init__(self) -> None:
        self._latest: OrderedDict[Hashable, deque[Pace]] = OrderedDict()
        self._sorted: dict[Hashable, list[Pace]] = {}

    def add(self, kind: Hashable, pace: Pace) -> None:
        """Record one call."""
        latest, by_length = self._latest.setdefault(kind, deque()), self._sorted.setdefault(kind, [])
        latest.append(pace)
        insort(by_length, pace)
        if len(latest) > LATEST:
            del by_length[bisect_left(by_length, latest.popleft())]
        self._latest.move_to_end(kind)
        while len(self._latest) > REMEMBERED:
            del self._sorted[self._latest.popitem(last=False)[0]]

    def typical(self, kind: Hashable) -> Pace | None:
        """Return the pace that most calls of this kind do not exceed; `None` when there were none."""
        by_length = self._sorted.get(kind)
        return by_length[int(QUANTILE * len(by_length))] if by_length else None
