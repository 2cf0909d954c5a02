"""How long upstream calls take: the latest of each kind, of all requests of one process."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Final, NamedTuple

QUANTILE: Final = 0.9
"""The share of the latest calls that what is usual covers."""
LATEST: Final = 64
REMEMBERED: Final = 512


class Pace(NamedTuple):
    """How long a call took in seconds, and how heavy it was; see `Calls`."""

    seconds: float
    weight: float = 1.0

    def of(self, weight: float) -> float:
        """Return the seconds that a call of this weight may take; a lighter one is given no less."""
        return self.seconds * max(1.0, weight / self.weight)


class Paces:
    """How long the latest calls took, by what they have in common; failures are not counted."""

    def __init__(self) -> None:
        self._latest: OrderedDict[Hashable, deque[Pace]] = OrderedDict()
        self._usual: dict[Hashable, Pace] = {}

    def add(self, kind: Hashable, pace: Pace) -> None:
        """Take in one call."""
        self._latest.setdefault(kind, deque(maxlen=LATEST)).append(pace)
        self._latest.move_to_end(kind)
        self._usual.pop(kind, None)
        while len(self._latest) > REMEMBERED:
            self._usual.pop(self._latest.popitem(last=False)[0], None)

    def usual(self, kind: Hashable) -> Pace | None:
        """What most calls of this kind stay below; `None` when there were none."""
        if kind not in self._usual and kind in self._latest:
            latest = sorted(self._latest[kind])
            self._usual[kind] = latest[int(QUANTILE * len(latest))]
        return self._usual.get(kind)
