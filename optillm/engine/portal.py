"""The door between WSGI threads and the one event loop of this process.

A thread hands in a coroutine or an async iterator and blocks; the work itself runs on a loop in a thread of
its own. While a thread waits it asks now and then whether its client is still there, and cancels the work
when it is not: no upstream call begins for a client that has left.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from enum import Enum
from typing import Any, Generic, TypeVar

from optillm.engine.loop import UNWIND, LoopThread
from optillm.errors import ShuttingDown

T = TypeVar("T")

GLANCE = 0.2  # seconds between two looks at a waiting client
CLEANUP = 10.0  # seconds a cancelled coroutine may take to end before its thread stops waiting for it
AHEAD = 64  # events a producer may be ahead of its client

log = logging.getLogger(__name__)


class ClientGone(Exception):
    """The client left while its answer was being made; the work has been cancelled."""


def never() -> bool:
    """Say that the client is there: for callers that cannot tell."""
    return False


class Portal:
    """One event loop in its own thread, and the blocking way in.

    The loop starts with the first use, so a portal made before a fork starts in the child that uses it.
    """

    def __init__(self) -> None:
        self._thread: LoopThread | None = None
        self._closed = False
        self._lock = threading.Lock()

    def run(self, coroutine: Coroutine[Any, Any, T], gone: Callable[[], bool] = never) -> T:
        """Run a coroutine on the loop and give its result, or raise what it raised.

        Raises `ClientGone` when `gone()` turns true first: the coroutine has then been cancelled and has
        ended. Raises `ShuttingDown` when the portal is closed.
        """
        job = _Job(coroutine, gone)
        self._begin(job)
        job.wait()
        return job.result()

    def stream(
        self, events: AsyncIterator[T], silence: float = 0, gone: Callable[[], bool] = never
    ) -> Batches[T]:
        """Pull an async iterator on the loop, beginning now; gives what has arrived, a list at a time.

        An empty list says that `silence` seconds passed without an event (0: it is never said). What the
        iterator raises is raised after the events before it; `ClientGone` and `ShuttingDown` as in `run`.
        An iterator with `aclose` is closed at the end, however that came about.
        """
        batches = Batches(events, silence, gone)
        self._begin(batches.job)
        return batches

    def close(
        self,
        grace: float = 5.0,
        last: Callable[[], Awaitable[object]] | None = None,
        first: Callable[[], object] | None = None,
    ) -> None:
        """Cancel what is left, wait up to `grace` seconds for it to end, await `last()`, and stop the loop.

        Where `first()` says that it has told somebody to come to an end, that is waited for a moment. A loop that
        never started has nothing to close: neither is called then. A second call only waits.
        """
        with self._lock:
            again, self._closed = self._closed, True
        if self._thread is None:
            return
        if again:  # to stop a loop that winds up would break that off: Ctrl-C reaches a worker twice
            self._thread.join(grace + UNWIND)
        else:
            self._thread.stop(grace, last, first)

    def _begin(self, job: _Job[Any]) -> None:
        try:
            job.begin(self._thread or self._start())
        except (RuntimeError, ShuttingDown):  # a closed loop says RuntimeError
            job.refuse()
            raise ShuttingDown("The server is shutting down") from None

    def _start(self) -> LoopThread:
        with self._lock:
            if self._closed:
                raise ShuttingDown("The server is shutting down")
            if self._thread is None:
                self._thread = LoopThread("portal")
                self._thread.start()
            return self._thread


class _Mark(Enum):
    """What a waiting thread may find in place of an event."""

    END = "the coroutine has ended"
    SILENCE = "nothing came in time"


class _Job(Generic[T]):
    """One coroutine on the loop, and the queue on which a thread waits for its events and its end."""

    __slots__ = ("_coroutine", "_gone", "_task", "_thread", "arrived")

    def __init__(self, coroutine: Coroutine[Any, Any, T], gone: Callable[[], bool]) -> None:
        self.arrived: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._coroutine = coroutine
        self._gone = gone
        self._task: asyncio.Task[T] | None = None
        self._thread: LoopThread | None = None

    def begin(self, thread: LoopThread) -> None:
        """Start the coroutine on the loop of `thread`; `RuntimeError` when that is closed."""
        self._thread = thread
        thread.call(self._launch)

    def refuse(self) -> None:
        """Never start the coroutine."""
        self._coroutine.close()
        self.arrived.put(_Mark.END)

    def wait(self, limit: float = float("inf")) -> Any:
        """The next event, `END`, or `SILENCE` when the clock passes `limit`; raises `ClientGone`."""
        while True:
            try:
                return self.arrived.get(timeout=max(0.0, min(GLANCE, limit - time.monotonic())))
            except queue.Empty:
                if self._stranded:
                    return _Mark.END
                if self._gone():
                    self.abandon()
                    raise ClientGone from None
                if time.monotonic() >= limit:
                    return _Mark.SILENCE

    def abandon(self) -> None:
        """Cancel and wait for the end, dropping events on the way; a second call does nothing."""
        # Not before the coroutine's first step: what it has to clean up is cleaned up.
        self.call(lambda: asyncio.get_running_loop().call_soon(self._cancel))
        limit = time.monotonic() + CLEANUP
        event = None
        while event is not _Mark.END and not self._stranded:
            if time.monotonic() > limit:
                log.warning("A cancelled request did not end within %g seconds", CLEANUP)
                break
            with suppress(queue.Empty):
                event = self.arrived.get(timeout=GLANCE)
        self.arrived.put(_Mark.END)

    def call(self, callback: Callable[[], object]) -> None:
        """Call something on the loop, unless that is closed, and with it everything that ran there."""
        if self._thread is not None:
            with suppress(RuntimeError):
                self._thread.call(callback)

    def result(self) -> T:
        """What the coroutine returned or raised, once it has ended."""
        if self._task is None or not self._task.done():
            raise ShuttingDown("The server is shutting down")
        if self._task.cancelled():
            # CancelledError must not get out: it is no Exception, and would end the server's worker.
            if self._thread is not None and self._thread.closing:
                raise ShuttingDown("The server is shutting down")
            raise RuntimeError("a coroutine was cancelled, though its client is there")
        return self._task.result()

    @property
    def _stranded(self) -> bool:
        """Whether the loop has died under a coroutine that will never end."""
        return self._thread is None or not self._thread.is_alive()

    def _launch(self) -> None:
        if self._thread is None or self._thread.closing:
            self.refuse()
        else:
            self._task = self._thread.loop.create_task(self._coroutine)
            self._task.add_done_callback(self._ended)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _ended(self, task: asyncio.Task[T]) -> None:
        if not task.cancelled():
            task.exception()  # marks it as seen: what fails during a cancellation is nobody's news
        self.arrived.put(_Mark.END)


class Batches(Iterator[list[T]]):
    """The events of an async iterator for a blocking reader; made by `Portal.stream`."""

    def __init__(self, events: AsyncIterator[T], silence: float, gone: Callable[[], bool]) -> None:
        self.job = _Job(self._pump(events), gone)
        self._silence = silence or float("inf")
        self._room: asyncio.Event | None = None  # what a producer too far ahead waits for
        self._ended = False  # the producer has, and all it gave is taken
        self._closed = False  # nothing more is to be given or raised

    def __next__(self) -> list[T]:
        if not self._ended:
            batch = self._take(self.job.wait(time.monotonic() + self._silence))
            if batch or not self._ended:
                return batch
        if not self._closed:
            self._closed = True
            self.job.result()
        raise StopIteration

    def close(self) -> None:
        """Cancel the producer if it still runs and wait for its end; a second call does nothing."""
        if not self._ended:
            self.job.abandon()
        self._ended = self._closed = True

    def _take(self, event: Any) -> list[T]:
        """All that has arrived by now, `event` first."""
        batch: list[T] = []
        with suppress(queue.Empty):
            while not isinstance(event, _Mark):
                batch.append(event)
                if len(batch) == AHEAD:
                    break
                event = self.job.arrived.get_nowait()
        self._ended = event is _Mark.END
        room, self._room = self._room, None
        if room is not None:
            self.job.call(room.set)
        return batch

    async def _pump(self, events: AsyncIterator[T]) -> None:
        arrived = self.job.arrived
        try:
            async for event in events:
                arrived.put(event)
                if arrived.qsize() >= AHEAD:
                    room = self._room = asyncio.Event()
                    # Looked at again: the reader may have taken everything before it could see `room`.
                    if arrived.qsize() >= AHEAD:
                        await room.wait()
        finally:
            close = getattr(events, "aclose", None)
            if close is not None:
                await close()
