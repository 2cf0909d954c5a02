"""Hedged calls: one that is silent for longer than usual is made again beside itself, and the first reply wins.

After Dean and Barroso, The Tail at Scale (2013). The request's own calls are the best measure of what is usual.
Until one of them has returned, the latest calls of the same model and role by any request are the measure, and only
one call is repeated at a time: if answers are long, many calls would seem to be lost.

What is measured is silence: for a whole reply all of its time, for a stream the time to its first token. Long
prompts and busy servers make it longer; the weight of a call accounts for both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from contextvars import Context as Variables
from contextvars import ContextVar
from dataclasses import dataclass
from math import inf
from typing import Any, Final, Generic, TypeVar
from weakref import ref

from optillm.engine.upstream.latency import Pace, Paces
from optillm.errors import BudgetExhausted, UpstreamError

HEDGE: Final = 2.0
"""How many times the usual silence a call is given before it is made again."""
PATIENCE: Final = 0.25
"""Seconds that a call is given beyond what is usual, at least: short calls vary by more than they take."""
UNKNOWN: Final = 30.0
"""Seconds that a call is given when nothing is known of its model, but at most a quarter of the time left."""
STALL: Final = 60.0
"""Seconds of silence that end a stream in its middle; shorter pauses are normal while a server reads other prompts."""

NOTHING: Final = Pace(0.0)

T = TypeVar("T")

# A weak reference: a connection keeps the context of the call that opened it for as long as it lives, and a hedge
# holds all replies.
_hedge: ContextVar[ref[Hedge[Any]] | None] = ContextVar(
    "the hedged call that this task works on", default=None
)


class Usual:
    """What is usual for one request's calls: the longest of its own, else what the latest of all requests took."""

    def __init__(self, paces: Paces) -> None:
        self._paces = paces
        self.longest: dict[Hashable, Pace] = {}

    def known(self, kind: Hashable) -> bool:
        """Return whether any call of this kind has succeeded before."""
        return kind in self.longest or self._paces.usual(kind) is not None

    def of(self, kind: Hashable) -> Pace:
        """Return what is usual for a call of this kind; `NOTHING` if that is not known."""
        own = self.longest.get(kind)
        return own or max((self._paces.usual(kind) or NOTHING, *self.longest.values()))

    def add(self, kind: Hashable, pace: Pace) -> None:
        """Record a call that succeeded."""
        self._paces.add(kind, pace)
        self.longest[kind] = max(pace, self.longest.get(kind, NOTHING))


class Hedges:
    """The hedging of one request: what its own calls took, which of them wait, and one timer for all.

    `silence` is how long calls are silent at first, `duration` how long they take.
    """

    def __init__(self, silences: Paces, durations: Paces) -> None:
        self.silence = Usual(silences)
        self.duration = Usual(durations)
        self._waiting: set[Hedge[Any]] = set()
        self._mute: set[Hashable] = set()
        self._probes: dict[Hashable, Hedge[Any]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._at = inf

    def admits(self, hedge: Hedge[Any]) -> bool:
        """Return whether this call may be repeated: until one of its kind has returned, only one at a time may."""
        return hedge.kind in self.silence.longest or self._probes.setdefault(hedge.kind, hedge) is hedge

    def took(self, kind: Hashable, silence: Pace, seconds: float) -> None:
        """Record a call that succeeded; the first of its kind shows how long the others may take."""
        first_of_kind = kind not in self.silence.longest
        self.silence.add(kind, silence)
        self.duration.add(kind, Pace(seconds))
        self._mute.discard(kind)
        if first_of_kind:
            for hedge in self._waiting:
                hedge.hear()
            self.expect(min((hedge.due() for hedge in self._waiting), default=inf))

    def expect(self, due: float) -> None:
        """Set the timer to this time, unless it is set to an earlier one."""
        if due < self._at:
            self._stop()
            self._at = due
            self._timer = asyncio.get_running_loop().call_at(due, self._look, due, context=Variables())

    def _look(self, now: float) -> None:
        self._stop()
        dues = {hedge: hedge.due() for hedge in self._waiting}
        for hedge in [hedge for hedge, due in dues.items() if due <= now]:
            hedge.rescue()
        self.expect(min((due for due in dues.values() if due > now), default=inf))

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._at = inf

    def hopeless(self, hedge: Hedge[Any]) -> bool:
        """Return whether all repetitions of this call, or of another one of its kind, were silent for too long."""
        if not hedge.left:
            self._mute.add(hedge.kind)
        return hedge.kind in self._mute

    def begin(self, hedge: Hedge[Any]) -> None:
        """Add a call that waits for its reply."""
        self._waiting.add(hedge)

    def end(self, hedge: Hedge[Any]) -> None:
        """Remove a call that no longer waits."""
        self._waiting.discard(hedge)
        if self._probes.get(hedge.kind) is hedge:
            del self._probes[hedge.kind]
        if not self._waiting:
            self._stop()


@dataclass(frozen=True, slots=True)
class Terms:
    """When a call may be made again.

    `repetitions` is how many repetitions there are at even intervals; `seconds_left` counts to the deadline. `room`
    returns whether the request and the upstream have room for one more call now; `dispensable` returns whether there
    is an answer without this call. A dispensable call is given up when its last repetition has been silent for too
    long as well. Any other call is waited for, and made again at intervals that double each time.
    """

    repetitions: int
    seconds_left: float
    room: Callable[[], bool]
    dispensable: Callable[[], bool]


class Hedge(Generic[T]):
    """One call and its repetitions; `first` may be awaited several times, one after the other."""

    __slots__ = (
        *("kind", "left", "_hedges", "_terms", "_stretch", "_unknown", "_loop", "_call", "_main", "_scope"),
        *(
            "__weakref__",
            "_rescue",
            "_failure",
            "_shown",
            "_waiting",
            "_sent_at",
            "_since",
            "_repeated",
            "_stirred",
            "_weight",
            "_heard_at",
            "_stalls",
            "_stalled",
        ),
    )

    def __init__(self, hedges: Hedges, kind: Hashable, terms: Terms) -> None:
        self._hedges = hedges
        self.kind = kind
        self._terms = terms
        self.left = terms.repetitions
        self._stretch = 1
        self._unknown = max(PATIENCE, min(UNKNOWN, terms.seconds_left / 4))
        self._loop = asyncio.get_running_loop()

    async def first(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the reply that comes first; raise the failure of the call itself if its repetitions fail, too."""
        self._call = call
        self._main = asyncio.current_task()
        self._scope = asyncio.timeout(None)
        self._rescue: asyncio.Task[T] | None = None
        self._failure: UpstreamError | None = None
        self._shown: asyncio.Task[Any] | None = None
        self._waiting = False
        self._sent_at: dict[asyncio.Task[Any] | None, float] = {}
        self._since = inf
        self._weight = 1.0
        self._heard_at: dict[asyncio.Task[Any] | None, float] = {}
        self._stalls = self._stalled = False
        token = _hedge.set(ref(self))
        self._hedges.begin(self)
        try:
            return await self._awaited()
        finally:
            _hedge.reset(token)
            self._hedges.end(self)
            if self._rescue is not None:
                self._rescue.cancel()
                await asyncio.gather(self._rescue, return_exceptions=True)

    async def _awaited(self) -> T:
        """Await the call itself, in no task of its own: nearly all calls return before they are late."""
        try:
            async with self._scope:
                self._waiting = True
                try:
                    result = await self._call()
                finally:
                    self._waiting = False
        except TimeoutError:
            if self._stalled:
                raise _silent_in_the_middle() from None
            if self._rescue is None:
                raise
        except UpstreamError as error:
            if self._rescue is None or self._shown is self._main:
                raise
            self._failure = error
            self._stirred.set()
        else:
            self._took(self._main)
            return result
        return await self._rescue

    async def _rescued(self) -> T:
        """Repeat the call, again whenever the silence has lasted too long; return the first reply to a repetition."""
        try:
            self._repeat()
            while True:
                due = self._due()
                try:
                    async with asyncio.timeout_at(None if self._shown else due):
                        await self._stirred.wait()
                except TimeoutError:
                    if self._due() <= due:  # else other calls have shown that it takes longer
                        self._repeat()
                self._stirred.clear()
                for task in [task for task in self._repeated if task.done()]:
                    self._repeated.discard(task)
                    if self._came(task):
                        return task.result()
                if self._failure is not None and not self._repeated:
                    raise self._failure
        finally:
            for task in self._repeated:
                task.cancel()
            await asyncio.gather(*self._repeated, return_exceptions=True)

    def _repeat(self) -> None:
        """Make the call once more; if that is not possible now, wait as long again; at the end, give it up."""
        self._since = self._loop.time()
        if self._terms.repetitions and self._hedges.hopeless(self) and self._terms.dispensable():
            raise UpstreamError("the upstream fell silent", status=504)
        if self._terms.repetitions and self._terms.room() and self._hedges.admits(self):
            self._stretch *= 1 if self.left else 2
            self.left = max(0, self.left - 1)
            task = self._loop.create_task(self._call())
            task.add_done_callback(lambda _: self._stirred.set())
            self._repeated.add(task)

    def _came(self, task: asyncio.Task[T]) -> bool:
        """Return whether a repetition ended in a reply; a failed one is ignored unless its reply was shown."""
        if task.cancelled():
            if self._stalled:
                raise _silent_in_the_middle()
            return False
        failure = task.exception()
        if failure is None:
            self._took(task)
        elif task is self._shown or not isinstance(failure, UpstreamError | BudgetExhausted):
            raise failure
        return failure is None

    def _took(self, task: asyncio.Task[Any] | None) -> None:
        if task in self._sent_at:
            sent, end = self._sent_at[task], self._loop.time()
            silence = self._heard_at.get(task, end) - sent
            self._hedges.took(self.kind, Pace(silence, self._weight), end - sent)

    # What the call reports on its way, from whichever task it runs in.

    def departed(self, weight: float) -> None:
        """Note that the call has been sent: what it waited for before was not the upstream."""
        task = asyncio.current_task()
        self._weight = weight
        self._heard_at.pop(task, None)  # at another upstream, which failed since
        self._since = self._sent_at[task] = self._loop.time()
        if self._rescue is None:
            self._hedges.expect(self.due())

    def held_up(self, seconds: float) -> None:
        """Take off the seconds in which the call waited for the client to read."""
        self._sent_at[asyncio.current_task()] += seconds

    async def heard(self) -> None:
        """Note that a piece of the reply has come; the first piece ends the other attempts.

        From then on, the silence between two pieces is measured.
        """
        task = asyncio.current_task()
        self._since = self._loop.time()
        if task not in self._heard_at:
            self._heard_at[task] = self._since
            await self.show()
            self._stalls = True
            self._hedges.expect(self.due())

    @property
    def repeated(self) -> bool:
        """Whether the running task makes one of the repetitions."""
        return asyncio.current_task() is not self._main

    async def show(self) -> None:
        """Choose the reply of the running task and end the other attempts; return only in the chosen one."""
        task = asyncio.current_task()
        if self._shown is None:
            self._shown = task
            if self._rescue is not None and task is self._main:
                self._rescue.cancel()
            elif task is not self._main:
                for other in self._repeated - {task}:
                    other.cancel()
                self._end_main()
        if self._shown is not task:
            await self._loop.create_future()  # this task is about to be cancelled

    # The timer.

    def due(self) -> float:
        """Return when the silence will have lasted too long; never while repetitions are already at work.

        Once a reply is chosen, only a silence in its middle counts.
        """
        if self._stalls and not self._stalled:
            return self._since + STALL
        return inf if self._rescue is not None or self._shown is not None else self._due()

    def _due(self) -> float:
        usual = self._hedges.silence.of(self.kind).of(self._weight)
        patience = max(HEDGE * usual, usual + PATIENCE)
        if not (self.left or self._hedges.silence.known(self.kind)):
            patience = max(patience, UNKNOWN)  # a guess is reason to repeat a call, but not to give it up
        elif not usual:
            patience = self._unknown
        return self._since + patience * self._stretch

    def rescue(self) -> None:
        """Repeat a call that was silent for too long, or end a reply that has stopped in its middle."""
        if self._stalls:
            self._give_up()
            return
        self._repeated: set[asyncio.Task[T]] = set()
        self._stirred = asyncio.Event()
        variables = Variables()
        variables.run(_hedge.set, ref(self))
        self._rescue = self._loop.create_task(self._rescued(), context=variables)
        self._rescue.add_done_callback(self._end_main)

    def _give_up(self) -> None:
        """End a reply that has stopped in its middle."""
        self._stalled = True
        if self._shown is self._main:
            self._scope.reschedule(self._loop.time())
        elif self._shown is not None:
            self._shown.cancel()

    def hear(self) -> None:
        """Reconsider when the call is due: others have shown how long calls take."""
        if self._rescue is not None:
            self._stirred.set()

    def _end_main(self, _: object = None) -> None:
        if self._waiting and self._shown is not self._main:
            self._scope.reschedule(self._loop.time())


def repeated() -> bool:
    """Return whether the current call is a repetition of one that is still waited for."""
    hedge = _current()
    return hedge is not None and hedge.repeated


def departed(weight: float = 1.0) -> None:
    """Note that the current call has been sent; `weight` is how many times as long as a light one it may be silent."""
    hedge = _current()
    if hedge is not None:
        hedge.departed(weight)


async def heard() -> None:
    """Note that a piece of the reply to the current call has come, which the client is not shown now."""
    hedge = _current()
    if hedge is not None:
        await hedge.heard()


def _current() -> Hedge[Any] | None:
    """Return the hedged call that the running task works on, if there is one."""
    hedge = _hedge.get()
    return None if hedge is None else hedge()


def _silent_in_the_middle() -> UpstreamError:
    return UpstreamError("the upstream fell silent in the middle of its reply", status=504, retryable=True)
