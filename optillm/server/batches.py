"""Streams of the engine for synchronous views: the events of an async iterator, in batches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Final, TypeVar

from anyio.streams.memory import MemoryObjectSendStream

from optillm.engine.run.events import EventQueue
from optillm.server.bridge import await_only, current_task, settled

T = TypeVar("T")

AHEAD: Final = 64
"""Events that a producer may be ahead of its client, unless it says otherwise."""


class Batches(Iterator[list[T]]):
    """The events of an async iterator, pulled from now on.

    At most `ahead` events wait for the client, though the engine's own queues have their own limit. Each batch is a
    list of all that have arrived. An empty batch says that `silence` seconds passed without an event (0: never). What
    the iterator raises is raised after the events before it; otherwise this raises what `await_only` raises. An
    iterator with `aclose` is closed in the end, however that comes about.
    """

    def __init__(self, events: AsyncIterator[T], silence: float = 0, *, ahead: int = AHEAD) -> None:
        self._silence = silence or None
        if isinstance(events, EventQueue):  # as the engine's own are: a second queue would only be in the way
            self._queue: EventQueue[T] = events
        else:
            self._queue = EventQueue(partial(_passed_on, events), ahead)
        self._queue.begin(current_task().spawn)
        self._ended = False

    def __next__(self) -> list[T]:
        batch = None if self._ended else await_only(self._next())
        if batch is None:
            self._ended = True
            raise StopIteration
        return batch

    def close(self) -> None:
        """Cancel the producer if it still runs, and wait for its end even if the client leaves.

        A second call does nothing.
        """
        self._ended = True
        if not self._queue.close_if_ended():
            current_task().wait(self._stopped())

    async def _next(self) -> list[T] | None:
        """Return all that has arrived, at least one event; `None` at the end."""
        try:
            async with asyncio.timeout(self._silence) as silence:
                return await self._queue.batch() or None
        except TimeoutError:
            if not silence.expired():  # the producer's own
                raise
            return []

    async def _stopped(self) -> None:
        await settled(asyncio.create_task(self._queue.aclose()))


async def _passed_on(events: AsyncIterator[T], inlet: MemoryObjectSendStream[T]) -> None:
    try:
        async for event in events:
            await inlet.send(event)
    finally:
        close = getattr(events, "aclose", None)
        if close is not None:
            await close()
