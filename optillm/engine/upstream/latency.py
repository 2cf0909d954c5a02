"""Know how long upstream calls take: the latest of each kind, by any request."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Hashable
from typing import Final, NamedTuple

from optillm.toolkit.bounded import BoundedMap

QUANTILE: Final = 0.9
"""The share of the latest calls that took no longer than is typical."""
LATEST: Final = 64
"""Calls of each kind that are remembered."""
KINDS: Final = 512
"""Kinds of calls that are remembered."""


class Pace(NamedTuple):
    """How many seconds a call took, and its weight: how many times a light call's it may take."""

    seconds: float
    weight: float = 1.0

    def of(self, weight: float) -> float:
        """Return how many seconds a call of this weight may take; a lighter one is given no less."""
        return self.seconds * max(1.0, weight / self.weight)


class _Latest:
    """The latest calls of one kind, in the order in which they came and by how long they took."""

    __slots__ = ("_arrived", "by_length")

    def __init__(self) -> None:
        self.by_length = list[Pace]()
        self._arrived = deque[Pace]()

    def add(self, pace: Pace) -> None:
        self._arrived.append(pace)
        insort(self.by_length, pace)
        if len(self._arrived) > LATEST:
            del self.by_length[bisect_left(self.by_length, self._arrived.popleft())]


class LatencyTracker:
    """How long the latest calls took, by what they have in common; failures are not counted."""

    def __init__(self) -> None:
        self._kinds = BoundedMap[Hashable, _Latest](KINDS)

    def add(self, kind: Hashable, pace: Pace) -> None:
        """Record one call."""
        self._kinds.use(kind, _Latest).add(pace)

    def typical(self, kind: Hashable) -> Pace | None:
        """Return the pace that most calls of this kind do not exceed; `None` when there were none."""
        latest = self._kinds.get(kind)
        return latest.by_length[int(QUANTILE * len(latest.by_length))] if latest else None
