"""Limit how many calls run at a time.

There is a limit for all, and one for each model and key, shared fairly between requests. A window for each model and
key starts at the operator's cap. A 429 narrows it, but never below the number of calls that the upstream was seen to
accept at a time: refusals that come by chance, or that are due to others, must not stop what works. That number is
measured by Little's law over one round trip, as BBR measures a path (Cardwell et al., 2016). Each success widens the
window: by little while there are refusals, and by twice as much after each round trip without any, or in which fewer
calls were accepted than shortly before. While the window is narrowed, starts are spaced, as TCP paces packets: a
refused call must not be replaced at once by one that will be refused too.

A server with a few slots does not refuse calls, it queues them, which shows where replies come as streams (see
`server_queue`). Its window starts small and grows with each first token that came without queueing. It shrinks to
the calls that are being generated and one that waits, so that no slot is ever idle. Calls that wait here, rather
than in the server's queue, take turns, can be cancelled, and are not taken to be slow.

Requests take turns, so one with 64 calls cannot starve one with a single call. Rate limits belong to a key and a
model, and so does a window: refusals for one client's key slow down nobody else.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from optillm.engine.upstream.server_queue import ServerQueue
from optillm.toolkit.bounded import BoundedMap

WINDOWS: Final = 512
"""Number of windows beyond which those that nobody uses are forgotten."""
CUT: Final = 0.7
"""The share of the window that a refusal leaves, at least."""
KEPT: Final = 0.95
"""The share of the calls accepted at a time that refusals leave, at least; their measure is a little high."""
LEAST_GROWTH: Final = 0.05
MOST_GROWTH: Final = 1.5
"""Bounds of how much a success widens the window; the upper one makes up for 6 refusals among 10 calls."""
FADING: Final = 0.95
"""By what a round trip with refusals multiplies the most calls ever accepted at a time."""
USED: Final = 0.9
"""The share of that number below which the window is widened quickly: narrowing it has not helped."""
SMOOTHING: Final = 0.1
"""The weight of the latest call in the average latency."""
PACE: Final = 2.0
"""How many times the window may be filled with new calls in one round trip."""
FIRST_WINDOW: Final = 8
"""The window with which a server that queues begins."""
IN_LINE: Final = 1
"""Calls that may wait at such a server, so that a slot that gets free is taken at once."""
GRAIN: Final = 0.001
"""Resolution of the loop's clock in seconds."""


class Limiter:
    """A fair, adaptive gate; `cap` is the most calls it lets run at once.

    `queues` says that the upstream queues calls instead of refusing them, and that its replies come as streams.
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

    async def enter(self, request: Hashable) -> None:
        """Wait for a place and take it, until `leave`.

        The requests that wait take turns by `request`.
        """
        if not self.free:
            await self._turn(request)
        else:
            self._start()

    def leave(self) -> None:
        """Give a place back."""
        self.running -= 1
        self._wake()

    @property
    def idle(self) -> bool:
        """Whether no call runs or waits here."""
        return not self.running and not self._waiting

    @property
    def free(self) -> bool:
        """Whether a call could start now."""
        return not self._waiting and self._open and self._pause <= GRAIN

    def succeeded(self, sent: float, now: float) -> None:
        """Widen the window: a call sent at the time `sent` has been answered."""
        seconds = now - sent
        self._latency += (seconds - self._latency) * (SMOOTHING if self._latency else 1.0)
        self._round.add(seconds)
        if (
            self._queue is None
        ):  # a server that queues takes any number: there first tokens count, see `began`
            self.window = min(self.cap, self.window + self._growth)
        self._end_round(now)

    def throttled(self, now: float) -> None:
        """Narrow the window after a 429.

        It stays at the number of calls that the upstream accepts at a time, at least.
        """
        # One call more was too much, the others were not. Halving, as TCP does, left 2 places of 256 where an upstream
        # refused 30 % of all calls by chance.
        self._round.refused += 1
        others = self.running - 1.0
        self.window = min(self.cap, max(1.0, others, KEPT * self._accepted, CUT * self.window))
        self._end_round(now)

    # The queue of an upstream that has one.

    def bound(self, cap: int, *, queues: bool) -> None:
        """Set the most calls that may run at once.

        If that is new, learn anew how many keep the slots busy.
        """
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
        # A window that is not full has not been tried: there is no reason to widen it.
        if self._queue is not None and self._queue.began(call, now) and self.running >= int(self.window):
            self.window = min(self.cap, self.window + 1.0)
            self._wake()

    def ended(self, call: Hashable, now: float) -> None:
        """Narrow the window if too many calls wait at the upstream while another one ends.

        Too many are more than `IN_LINE`.
        """
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
        # A quiet round trip shows nothing of what would be accepted: only refusals lower the measure.
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
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(request, deque()).append(turn)
        self._wake()  # the pace may be all that it waits for
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # woken and cancelled at once: hand the place on
                self.running -= 1
                self._wake()
            raise

    def _wake(self) -> None:
        """Start the calls for which there is a place, each when the spacing allows."""
        while self._waiting and self._open:
            pause = self._pause
            if pause > GRAIN:
                if self._timer is None:
                    self._timer = asyncio.get_running_loop().call_later(pause, self._resume)
                return
            request, turns = next(iter(self._waiting.items()))
            turn = turns.popleft()
            if turns:
                self._waiting.move_to_end(request)
            else:
                del self._waiting[request]
            if not turn.done():  # else it was cancelled while it stood in line
                self._start()
                turn.set_result(None)

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
    """The turn of one call at its upstream.

    The call reports to it when it is heard, answered and over.
    """

    __slots__ = ("_limiters", "_sent", "_window", "begun")

    def __init__(self, limiters: Limiters, window: Limiter) -> None:
        self._limiters = limiters
        self._window = window
        self._sent = _now()
        self.begun = False
        window.sent(self, self._sent)

    def heard(self) -> None:
        """Note that a piece of the reply has come."""
        now = self._limiters.last_heard = _now()
        if not self.begun:
            self.begun = True
            self._window.began(self, now)

    def answered(self, status: int) -> None:
        """Note the status of the reply."""
        if status == HTTPStatus.OK:
            self._window.succeeded(self._sent, _now())
        elif status == HTTPStatus.TOO_MANY_REQUESTS:
            self._window.throttled(_now())

    def end(self) -> None:
        """Note that the call is over, whatever became of it."""
        self._window.ended(self, _now())


class Limiters:
    """The gates of one upstream: one for all calls, and before it one for each model and key.

    `queues` says that the upstream queues calls instead of refusing them. `last_heard` is when the latest piece of a
    streamed reply came, on the loop's clock.
    """

    def __init__(self, cap: int, *, queues: bool = False) -> None:
        self.total = Limiter(cap)
        self.last_heard = float("-inf")
        self._cap = cap
        self._queues = queues
        self._slots: int | None = None
        self._windows = BoundedMap[tuple[str, str], Limiter](WINDOWS, busy=lambda window: not window.idle)

    def __len__(self) -> int:
        return len(self._windows)

    @property
    def slots(self) -> int | None:
        """How many replies the upstream generates at a time; `None` where it does not say."""
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
        """Whether the number of slots must be learned from the upstream's queue."""
        return self._queues and self._slots is None

    def of(self, authorization: str | None, model: str) -> Limiter:
        """Return the window of this model for this key."""
        return self._windows.use((authorization or "", model), self._opened)

    def free(self, authorization: str | None, model: str) -> bool:
        """Return whether a call could be sent at once."""
        return self.total.free and self.of(authorization, model).free

    @asynccontextmanager
    async def slot(self, request: Hashable, authorization: str | None, model: str) -> AsyncIterator[Turn]:
        """Wait for the turn of one call, and hold it while the block runs.

        The block reports the outcome to it.
        """
        window = self.of(authorization, model)
        # The window before the total: a call held back by its own key must not take a place from others.
        await window.enter(request)
        try:
            await self.total.enter(request)
            turn = Turn(self, window)
            try:
                yield turn
            finally:
                turn.end()
                self.total.leave()
        finally:
            window.leave()

    def _opened(self) -> Limiter:
        return Limiter(self._bound, queues=self._learns)


def _now() -> float:
    return asyncio.get_running_loop().time()
