"""The one queue between a producer of events and whoever reads them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Generic, TypeVar

import anyio
from anyio.streams.memory import MemoryObjectSendStream

T = TypeVar("T")
Produce = Callable[[MemoryObjectSendStream[T]], Coroutine[Any, Any, None]]
"""Sends events to a stream, and waits where that is full."""


class EventQueue(AsyncIterator[T], Generic[T]):
    """The events that `produce` sends, read one by one or in batches.

    At most `size` of them may wait to be read. The producer runs in a task of its own, at the latest from the first
    look at its events. What it raises is raised after the events before it. It is cancelled when the queue is closed,
    or its reader is cancelled.
    """

    def __init__(self, produce: Produce[T], size: int) -> None:
        self._produce = produce
        self._size = size
        self._task: asyncio.Task[None] | None = None

    def begin(
        self, spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]] = asyncio.create_task
    ) -> None:
        """Start the producer now, as a task that `spawn` makes."""
        inlet, self._arrived = anyio.create_memory_object_stream[T](self._size)
        self._task = spawn(self._run(inlet))

    async def _run(self, inlet: MemoryObjectSendStream[T]) -> None:
        with inlet:
            await self._produce(inlet)

    async def batch(self, most: int | None = None) -> list[T]:
        """Return all events that have arrived, at least one and at most so many; none at the end."""
        if self._task is None:
            self.begin()
        try:
            events = [await self._arrived.receive()]
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            await self._join()
            return []
        while len(events) < (most or self._size):
            try:
                events.append(self._arrived.receive_nowait())
            except (anyio.WouldBlock, anyio.EndOfStream):
                break
        return events

    async def _join(self) -> None:
        """Wait for the end of the producer, and raise what it raised.

        May be broken off and called again.
        """
        if self._task is not None:
            try:
                await asyncio.shield(self._task)
            finally:
                self.close_if_ended()

    async def __anext__(self) -> T:
        try:
            events = await self.batch(1)
        except asyncio.CancelledError:
            await self.aclose()
            raise
        if not events:
            raise StopAsyncIteration
        return events[0]

    def close_if_ended(self) -> bool:
        """Close the queue if the producer has ended or never began, and return whether that is so."""
        if self._task is None:
            return True
        if self._task.done():
            self._arrived.close()
            if not self._task.cancelled():
                self._task.exception()  # retrieved, or asyncio would log it: nobody may wait for it any more
        return self._task.done()

    async def aclose(self) -> None:
        """Cancel the producer if it still runs, and wait for its end."""
        if self._task is not None and not self._task.done():
            await asyncio.sleep(0)  # not before its first step, so that it cleans up
            self._task.cancel()
            await asyncio.wait([self._task])
        self.close_if_ended()
