"""How many calls one upstream gets at a time, shared fairly between the requests that wait.

Additive increase, multiplicative decrease: a 429 halves the window, every success widens it a little, up to
the operator's cap (Chiu and Jain, 1989). Requests take turns, so one of 64 calls cannot starve one of a single
call.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager


class Limiter:
    """A fair, adaptive gate for one upstream; `cap` is the most calls it ever lets run at once."""

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.window = float(cap)
        self.running = 0
        self._waiting: OrderedDict[Hashable, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def slot(self, request: Hashable) -> AsyncIterator[None]:
        """Hold one place for as long as the block runs; `request` is whose turn it uses."""
        if self._waiting or self.running >= int(self.window):
            await self._turn(request)
        else:
            self.running += 1
        try:
            yield
        finally:
            self.running -= 1
            self._wake()

    def waiting(self, request: Hashable) -> int:
        """How many calls of a request wait for their turn."""
        return len(self._waiting.get(request, ()))

    def succeeded(self) -> None:
        """Widen the window by one place per window of successes."""
        self.window = min(self.cap, self.window + 1 / self.window)

    def throttled(self) -> None:
        """Halve the window: the upstream says it is too much."""
        self.window = max(1.0, self.window / 2)

    async def _turn(self, request: Hashable) -> None:
        place = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(request, deque()).append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # woken and cancelled at once: hand the place on
                self.running -= 1
                self._wake()
            raise

    def _wake(self) -> None:
        while self._waiting and self.running < int(self.window):
            request, places = next(iter(self._waiting.items()))
            place = places.popleft()
            if places:
                self._waiting.move_to_end(request)
            else:
                del self._waiting[request]
            if not place.done():
                self.running += 1
                place.set_result(None)
