"""How many calls run at a time: in all, and for each model and key, shared fairly between requests that wait.

A window for each model and key starts at the operator's cap. A 429 narrows it, but never below the number of calls
that the upstream was seen to accept at a time: refusals that come by chance, or meant for others, must not stop
what works. That number is measured by Little's law over one round trip, as BBR measures a path (Cardwell et al.,
2016). Each success widens the window; a little while there are refusals, and twice as much after each round trip
that has none, or in which less was accepted than shortly before. Starts are spaced while the window is narrowed, as
TCP paces packets, so that what is refused is not replaced at once by what will be refused as well.

A server with a few slots refuses nothing and queues instead, which shows where replies come as streams (see
`server_queue`). Such a window starts small, grows with each first token that did not have to wait, and shrinks to
the calls that are generated at a time and one that waits, so that no slot is ever idle. What waits here instead of
there is ordered fairly, can be taken back, and is not counted as time of the call.

Requests take turns, so one of 64 calls cannot starve one of a single call. Rate limits belong to a key and a model,
and so does a window: what one client's key is refused slows down nobody else.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from optillm.engine.server_queue import ServerQueue

REMEMBERED: Final = 512
"""Windows kept at least; beyond that, those that nobody uses are forgotten."""
CUT: Final = 0.7
"""What a refusal leaves of the window at least."""
KEPT: Final = 0.95
"""What refusals leave at least of the number of calls that are accepted at a time; its measure is a little high."""
LEAST_GROWTH: Final = 0.05
MOST_GROWTH: Final = 1.5
"""Places that a success adds to the window; at most so many that 6 refusals of 10 calls are made up for."""
FADING: Final = 0.95
"""What a round trip with refusals leaves of the memory how many were ever accepted at a time."""
USED: Final = 0.9
"""The share of that below which the window is widened quickly: narrowing it has done no good."""
SMOOTHING: Final = 0.1
PACE: Final = 2.0
"""How many times as often calls may start as the window fills once in a round trip."""
FIRST_WINDOW: Final = 8
"""Calls that a server which queues is given at first."""
IN_LINE: Final = 1
"""Calls that may wait at such a server, so that a slot that gets free is taken at once."""
GRAIN: Final = 0.001
"""Seconds to which the loop's clock is exact."""


class Limiter:
    """A fair, adaptive gate; `cap` is the most calls it lets run at once.

    `queues` says that the upstream queues what is too much for it, and that its replies come as streams.
    """

    def __init__(self, cap: int, *, queues: bool = False) -> None:
        self.cap = cap
        self.running = 0
        self.window = float(min(cap, FIRST_WINDOW) if queues else cap)
        self._queue = ServerQueue() if queues else None
        self._growth = LEAST_GROWTH
        self._round = Round()
        self._accepted = 0.0  # calls at a time, in the latest round trips
        self._most_accepted = 0.0  # the same at its best, fading
        self._latency = 0.0  # seconds that an answer takes
        self._next_start = float("-inf")
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: OrderedDict[Hashable, deque[asyncio.Future[None]]] = OrderedDict()

    @asynccontextmanager
    async def slot(self, request: Hashable) -> AsyncIterator[None]:
        """Hold one place for as long as the block runs; `request` is whose turn it uses."""
        if not self.free:
            await self._turn(request)
        else:
            self._start()
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
        return not self._waiting and self._open and self._pause <= GRAIN

    def succeeded(self, sent: float, now: float) -> None:
        """Widen the window: a call sent at the time `sent` has been answered."""
        seconds = now - sent
        self._latency += (seconds - self._latency) * (SMOOTHING if self._latency else 1.0)
        self._round.add(seconds)
        if self._queue is None:
            self.window = min(self.cap, self.window + self._growth)
        self._end_round(now)

    def throttled(self, now: float) -> None:
        """Narrow the window, or set it to what the upstream does accept where that is more."""
        self._round.refused += 1
        others = self.running - 1.0
        self.window = min(self.cap, max(1.0, others, KEPT * self._accepted, CUT * self.window))
        self._end_round(now)

    # The queue of an upstream that has one.

    def bound(self, cap: int, *, queues: bool) -> None:
        """Set the most calls that may run at once, and begin anew to learn how many of them are of use."""
        if cap != self.cap or queues != (self._queue is not None):
            self.cap = cap
            self.window = float(min(cap, FIRST_WINDOW) if queues else cap)
            self._queue = ServerQueue() if queues else None
            self._wake()

    def sent(self, call: Hashable, now: float) -> None:
        """Note that a call has been sent."""
        if self._queue is not None:
            self._queue.sent(call, now)

    def began(self, call: Hashable, now: float) -> None:
        """Widen the window if a first token shows that the upstream has room for more."""
        if self._queue is not None and self._queue.began(call, now) and self.running >= int(self.window):
            self.window = min(self.cap, self.window + 1.0)
            self._wake()

    def ended(self, call: Hashable, now: float) -> None:
        """Narrow the window if more calls than one wait at the upstream while another one ends."""
        if self._queue is not None and self._queue.ended(call):
            queued = self._queue.length(now)
            if queued > IN_LINE:
                self.window = min(self.window, max(1.0, self.running - queued + IN_LINE))

    def _end_round(self, now: float) -> None:
        """Judge the latest round trip, if it is over."""
        ended = self._round
        if now - ended.begun < self._latency or not ended.answered:
            return
        accepted = ended.seconds / (now - ended.begun)
        self._accepted = max(accepted, self._accepted * ended.share)
        self._most_accepted = max(accepted, self._most_accepted * (FADING if ended.refused else 1.0))
        if ended.refused and accepted > USED * self._most_accepted:
            self._growth = LEAST_GROWTH
        else:
            self._growth = min(MOST_GROWTH, 2 * self._growth)
        self._round = Round(now)

    @property
    def _open(self) -> bool:
        return self.running < int(self.window)

    @property
    def _pause(self) -> float:
        """Seconds until the next call may start."""
        if self.window >= self.cap or self._queue is not None:
            return 0.0
        return self._next_start - asyncio.get_running_loop().time()

    def _start(self) -> None:
        self.running += 1
        if self.window < self.cap:
            spacing = self._latency / (PACE * self.window)
            self._next_start = max(self._next_start, asyncio.get_running_loop().time()) + spacing

    async def _turn(self, request: Hashable) -> None:
        place = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(request, deque()).append(place)
        self._wake()  # the pace may be all that it waits for
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():  # woken and cancelled at once: hand the place on
                self.running -= 1
                self._wake()
            raise

    def _wake(self) -> None:
        """Let calls start for which there is a place, each at its time."""
        while self._waiting and self._open:
            pause = self._pause
            if pause > GRAIN:
                if self._timer is None:
                    self._timer = asyncio.get_running_loop().call_later(pause, self._resume)
                return
            request, places = next(iter(self._waiting.items()))
            place = places.popleft()
            if places:
                self._waiting.move_to_end(request)
            else:
                del self._waiting[request]
            if not place.done():
                self._start()
                place.set_result(None)

    def _resume(self) -> None:
        self._timer = None
        self._wake()


@dataclass(slots=True)
class Round:
    """What came of the calls that were answered or refused in about one round trip."""

    begun: float = 0.0
    seconds: float = 0.0  # of all calls that were answered
    answered: int = 0
    refused: int = 0

    def add(self, seconds: float) -> None:
        """Count a call that was answered in so many seconds."""
        self.seconds += seconds
        self.answered += 1

    @property
    def share(self) -> float:
        """The share of calls that were answered."""
        return self.answered / (self.answered + self.refused)


class Turn:
    """The place of one call at its upstream; it is told what becomes of the call."""

    __slots__ = ("_limiters", "_sent", "_window", "begun")

    def __init__(self, limiters: Limiters, window: Limiter) -> None:
        self._limiters = limiters
        self._window = window
        self._sent = _now()
        self.begun = False
        window.sent(self, self._sent)

    def heard(self) -> None:
        """Note that another piece of the reply has come."""
        now = self._limiters.last_heard = _now()
        if not self.begun:
            self.begun = True
            self._window.began(self, now)

    def answered(self, status: int) -> None:
        """Note the status of the reply."""
        if status == 200:
            self._window.succeeded(self._sent, _now())
        elif status == 429:
            self._window.throttled(_now())

    def end(self) -> None:
        """Note that the call is over, whatever became of it."""
        self._window.ended(self, _now())


class Limiters:
    """The gates of one upstream: one for all calls, and before it one for each model and key.

    `queues` says that it queues what is too much instead of refusing it. `last_heard` is when a piece of a streamed
    reply came last, on the loop's clock.
    """

    def __init__(self, cap: int, *, queues: bool = False) -> None:
        self.total = Limiter(cap)
        self.last_heard = float("-inf")
        self._cap = cap
        self._queues = queues
        self._slots: int | None = None
        self._windows: OrderedDict[tuple[str, str], Limiter] = OrderedDict()

    def __len__(self) -> int:
        return len(self._windows)

    @property
    def slots(self) -> int | None:
        """How many replies the upstream generates at a time, `None` where it does not tell."""
        return self._slots

    @slots.setter
    def slots(self, slots: int | None) -> None:
        if slots != self._slots:
            self._slots = slots
            self.total.bound(self._bound, queues=False)
            for window in self._windows.values():
                window.bound(self._bound, queues=self._learns)

    @property
    def _bound(self) -> int:
        return self._cap if self._slots is None else min(self._cap, self._slots)

    @property
    def _learns(self) -> bool:
        """Whether it is to be learned from the upstream's queue how many calls are of use."""
        return self._queues and self._slots is None

    def of(self, authorization: str | None, model: str) -> Limiter:
        """The window of this model for this key."""
        key = (authorization or "", model)
        window = self._windows.get(key)
        if window is None:
            self._forget()
            window = self._windows[key] = Limiter(self._bound, queues=self._learns)
        self._windows.move_to_end(key)
        return window

    def free(self, authorization: str | None, model: str) -> bool:
        """Whether a call could leave at once."""
        return self.total.free and self.of(authorization, model).free

    @asynccontextmanager
    async def slot(self, request: Hashable, authorization: str | None, model: str) -> AsyncIterator[Turn]:
        """Hold a place for one call; what it gives is to be told what becomes of it."""
        window = self.of(authorization, model)
        async with window.slot(request), self.total.slot(request):
            turn = Turn(self, window)
            try:
                yield turn
            finally:
                turn.end()

    def _forget(self) -> None:
        if len(self._windows) >= REMEMBERED:
            for key in [key for key, window in self._windows.items() if window.idle][: REMEMBERED // 2]:
                del self._windows[key]


def _now() -> float:
    return asyncio.get_running_loop().time()
