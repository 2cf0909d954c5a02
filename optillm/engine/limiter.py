"""How many calls run at a time: in all, and for each model and key, shared fairly between requests that wait.

Additive increase, multiplicative decrease: a 429 halves the window, every success widens it a little, up to
the operator's cap (Chiu and Jain, 1989). Requests take turns, so one of 64 calls cannot starve one of a single
call. Rate limits belong to a key and a model, and so does a window: what one client's key is refused slows
down nobody else.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from typing import Final

REMEMBERED: Final = 512
"""Windows kept at least; beyond that, those that nobody uses are forgotten."""


class Limiter:
    """A fair, adaptive gate; `cap` is the most calls it ever lets run at once."""

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.window = float(cap)
        self.running = 0
        self._narrowed = float("-inf")
        self._waiting: OrderedDict[Hashable, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def slot(self, request: Hashable) -> AsyncIterator[None]:
        """Hold one place for as long as the block runs; `request` is whose turn it uses."""
        if not self.free:
            await self._turn(request)
        else:
            self.running += 1
        try:
            yield
        finally:
            self.running -= 1
            self._wake()

    @property
    def idle(self) -> bool:
        """Whether nobody runs or waits here."""
        return not self.running and not self._waiting

    @property
    def free(self) -> bool:
        """Whether there is a place that nobody waits for."""
        return not self._waiting and self.running < int(self.window)

    def succeeded(self) -> None:
        """Widen the window by one place per window of successes."""
        self.window = min(self.cap, self.window + 1 / self.window)

    def throttled(self, sent: float, now: float) -> None:
        """Halve the window: the upstream says that it was too much at the time `sent`.

        Calls sent before the window was last halved say nothing new: a burst of 64 refusals halves it once.
        """
        if sent >= self._narrowed:
            self.window, self._narrowed = max(1.0, self.window / 2), now

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


class Limiters:
    """The gates of one upstream: one for all calls, and before it one for each model and key."""

    def __init__(self, cap: int) -> None:
        self.total = Limiter(cap)
        self._windows: OrderedDict[tuple[str, str], Limiter] = OrderedDict()

    def __len__(self) -> int:
        return len(self._windows)

    def of(self, authorization: str | None, model: str) -> Limiter:
        """The window of this model for this key."""
        key = (authorization or "", model)
        window = self._windows.get(key)
        if window is None:
            self._forget()
            window = self._windows[key] = Limiter(self.total.cap)
        self._windows.move_to_end(key)
        return window

    def free(self, authorization: str | None, model: str) -> bool:
        """Whether a call could leave at once."""
        return self.total.free and self.of(authorization, model).free

    @asynccontextmanager
    async def slot(
        self, request: Hashable, authorization: str | None, model: str
    ) -> AsyncIterator[Callable[[int], None]]:
        """Hold a place for one call; what it gives is to be told the status of the reply."""
        window = self.of(authorization, model)
        async with window.slot(request), self.total.slot(request):
            clock = asyncio.get_running_loop().time
            sent = clock()

            def told(status: int) -> None:
                if status == 200:
                    window.succeeded()
                elif status == 429:
                    window.throttled(sent, clock())

            yield told

    def _forget(self) -> None:
        if len(self._windows) >= REMEMBERED:
            for key in [key for key, window in self._windows.items() if window.idle][: REMEMBERED // 2]:
                del self._windows[key]
