"""The queue inside an upstream, inferred from the streams that come from there.

A server with a few slots refuses nothing: calls beyond its slots wait in silence. A call is taken to be in that
queue when it is silent for much longer than the time to first token of a call that did not wait. TCP Vegas estimates
a queue from latency alone (Brakmo and Peterson, 1995), and concurrency-limits by Netflix does so for requests. The
latency of a model depends more on what it is asked, so the calls that are silent are counted here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Final

LONG: Final = 4.0
"""How many times the shortest time to first token a call must be silent before it counts as queued."""
SHORTEST_WAIT: Final = 0.05
"""Times to first token below this, in seconds, count as this."""
LATEST: Final = 64
"""How many of the latest times to first token are remembered."""


class ServerQueue:
    """The calls that wait for their first token; all times are in seconds on the same clock."""

    def __init__(self) -> None:
        self._silent: dict[Hashable, float] = {}
        self._waits: deque[float] = deque(maxlen=LATEST)

    def sent(self, call: Hashable, now: float) -> None:
        """Note a call that has been sent."""
        self._silent[call] = now

    def began(self, call: Hashable, now: float) -> bool:
        """Note the first token of a call.

        Return whether the call did not queue and no other call is in the queue.
        """
        sent = self._silent.pop(call, None)
        if sent is None:
            return False
        self._waits.append(max(SHORTEST_WAIT, now - sent))
        return now - sent <= self._long and not self.length(now)

    def ended(self, call: Hashable) -> bool:
        """Note that a call is over; return whether its reply had begun, so that a slot is free now."""
        return self._silent.pop(call, None) is None

    def length(self, now: float) -> int:
        """Return how many calls are in the queue."""
        return sum(now - sent > self._long for sent in self._silent.values())

    @property
    def _long(self) -> float:
        return LONG * min(self._waits, default=float("inf"))
