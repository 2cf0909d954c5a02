"""Streams of the engine for synchronous views: the events of an async iterator, in batches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Final, TypeVar

import anyio

from optillm.server.bridge import await_only, current_task, settled

T = TypeVar("T")

AHEAD: Final = 64
"""Events that a producer may be ahead of its client."""


class Batches(Iterator[list[T]]):
    """The events of an async iterator, pulled from now on; each batch is a list of all that have arrived.

    An empty batch says that `silence` seconds passed without an event (0: never). What the iterator raises is raised
    after the events before it; otherwise this raises what `await_only` raises. An iterator with `aclose` is closed in
    the end, however that comes about.
    """

    def __init__(self, events: AsyncIterator[T], silence: float = 0) -> None:
        self._silence = silence or None
        self._inlet, self._arrived = anyio.create_memory_object_stream[T](AHEAD)
        self._pump = current_task().spawn(self._pumped(events))
        self._ended = False

    def __next__(self) -> list[T]:
        batch = None if self._ended else await_only(self._next())
        if batch is None:
            self._ended = True
            raise StopIteration
        return batch

    def close(self) -> None:
        """Cancel the producer if it still runs and wait for its end, also when the client leaves meanwhile.

        A second call does nothing.
        """
        self._ended = True
        if self._pump.done():
            self._arrived.close()
        else:
            current_task().wait(self._stopped())
        if not self._pump.cancelled():
            self._pump.exception()  # retrieved, or asyncio would log it: nobody waits for it any more

    async def _next(self) -> list[T] | None:
        """Return all that has arrived, at least one event; `None` at the end."""
        try:
            async with asyncio.timeout(self._silence):
                batch = [await self._arrived.receive()]
        except TimeoutError:
            return []
        except anyio.EndOfStream:
            self._arrived.close()
            await self._pump
            return None
        while len(batch) < AHEAD:
            try:
                batch.append(self._arrived.receive_nowait())
            except (anyio.WouldBlock, anyio.EndOfStream):
                break
        return batch

    async def _pumped(self, events: AsyncIterator[T]) -> None:
        try:
            with self._inlet:
                async for event in events:
                    await self._inlet.send(event)
        finally:
            close = getattr(events, "aclose", None)
            if close is not None:
                await close()

    async def _stopped(self) -> None:
        self._arrived.close()
        await settled(asyncio.create_task(_cancelled(self._pump)))


async def _cancelled(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait for its end; not before its first step, so that it cleans up."""
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
