"""How long upstream calls take: the latest of each kind, of all requests of one process."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Final

QUANTILE: Final = 0.9
"""The share of the latest calls that what is usual covers."""
LATEST: Final = 64
REMEMBERED: Final = 512


class Paces:
    """How long the latest calls took, by what they have in common; seconds, failures not counted."""

    def __init__(self) -> None:
        self._latest: OrderedDict[Hashable, deque[float]] = OrderedDict()
        self._usual: dict[Hashable, float] = {}

    def add(self, kind: Hashable, seconds: float) -> None:
        """Take in one call."""
        self._latest.setdefault(kind, deque(maxlen=LATEST)).append(seconds)
        self._latest.move_to_end(kind)
        self._usual.pop(kind, None)
        while len(self._latest) > REMEMBERED:
            self._usual.pop(self._latest.popitem(last=False)[0], None)

    def usual(self, kind: Hashable) -> float | None:
        """What most calls of this kind stay below; `None` when there were none."""
        if kind not in self._usual and kind in self._latest:
            latest = sorted(self._latest[kind])
            self._usual[kind] = latest[int(QUANTILE * len(latest))]
        return self._usual.get(kind)
