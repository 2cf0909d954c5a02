"""The queue inside an upstream, as far as it shows in the streams that come from there.

A server with a few slots refuses nothing: what is too much waits, without a word. A call is taken to be in that
queue when it is silent for much longer than a first token takes where nothing waits. TCP Vegas estimates a queue
from latency alone (Brakmo and Peterson, 1995), and concurrency-limits by Netflix does so for requests; the latency
of a model depends more on what it is asked, so the calls themselves are counted here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Final

LONG: Final = 4.0
"""How many times as long as the shortest wait for a first token a call is silent before it counts as queued."""
SHORTEST_WAIT: Final = 0.05
"""Seconds below which waits for a first token are not told apart."""
LATEST: Final = 64
"""The latest waits for a first token that are remembered."""


class ServerQueue:
    """The calls that wait for their first token; times are seconds of one clock."""

    def __init__(self) -> None:
        self._silent: dict[Hashable, float] = {}
        self._waits: deque[float] = deque(maxlen=LATEST)

    def sent(self, call: Hashable, now: float) -> None:
        """Note a call that has been sent."""
        self._silent[call] = now

    def began(self, call: Hashable, now: float) -> bool:
        """Note the first token of a call; return whether it came without waiting in a queue, and nothing waits."""
        sent = self._silent.pop(call, None)
        if sent is None:
            return False
        self._waits.append(max(SHORTEST_WAIT, now - sent))
        return now - sent <= self._long and not self.length(now)

    def ended(self, call: Hashable) -> bool:
        """Note that a call is over; return whether it had been generated, so that another one may begin."""
        return self._silent.pop(call, None) is None

    def length(self, now: float) -> int:
        """Return how many calls are in the queue."""
        return sum(now - sent > self._long for sent in self._silent.values())

    @property
    def _long(self) -> float:
        return LONG * min(self._waits, default=float("inf"))
