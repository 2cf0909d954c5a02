"""The door between synchronous views and the event loop they run on.

A view is written as Flask wants it, without `await`. It runs in a greenlet on the event loop itself: where it has
to wait it steps aside, what it waits for is awaited by the task that serves its request, and it goes on with
the outcome. So a request takes no thread, and changes none on its way through the proxy.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextvars import Context
from typing import Any, Final, TypeVar, cast

import anyio
from greenlet import getcurrent, greenlet

T = TypeVar("T")

AHEAD: Final = 64
"""Events a producer may be ahead of its client."""


class ClientGone(Exception):
    """The client left, or the request was called off; what it waited for has been cancelled."""


class GreenletTask(greenlet):
    """The synchronous code that serves one request.

    It has a context of its own: what Flask keeps there ends with it, and no asyncio task made on the way
    holds on to it.
    """

    def __init__(self, code: Callable[..., Any]) -> None:
        super().__init__(code)
        self.gr_context = Context()
        self._task: asyncio.Task[Any] | None = None
        self._heeds = False  # waits for something that may be broken off
        self._interruption: Exception | None = None

    @classmethod
    def current(cls) -> GreenletTask:
        """Return the task that this code belongs to; raises `RuntimeError` outside of one."""
        task = getcurrent()
        if not isinstance(task, GreenletTask):
            raise RuntimeError("only a GreenletTask can wait for the event loop")
        return task

    async def drive(self) -> Any:
        """Run the code to its end, awaiting on the way what it waits for; gives what it returns.

        When this is cancelled, the code gets `ClientGone` where it waits, and may clean up.
        """
        self._task = asyncio.current_task()
        try:
            return await self._steps()
        except ClientGone:
            if self._left:
                raise asyncio.CancelledError from None
            raise

    @property
    def _left(self) -> bool:
        return self._task is not None and self._task.cancelling() > 0

    async def _steps(self) -> Any:
        step: Any = self.switch()
        while not self.dead:
            try:
                outcome = await step
            except asyncio.CancelledError:
                error = ClientGone() if self._left else RuntimeError("what was awaited cancelled itself")
                step = self.throw(error)
            except Exception as error:  # noqa: BLE001 - the code's to handle
                step = self.throw(error)
            else:
                step = self.switch(outcome)
        return step

    def wait(self, awaitable: Awaitable[T]) -> T:
        """What an awaitable gives, or raises; called by the code of the task."""
        return cast("T", cast("greenlet", self.parent).switch(awaitable))

    def interrupt(self, error: Exception) -> None:
        """Have the code get an error where it waits for the engine, now or the next time; only one is kept."""
        if self._interruption is None and not self.dead:
            self._interruption = error
            if self._heeds and self._task is not None:
                self._task.cancel()

    async def interruptible(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Await something that an interruption breaks off."""
        if self._interruption is None:
            self._heeds = True
            try:
                return await coroutine
            except asyncio.CancelledError:
                if self._interruption is None:
                    raise
            finally:
                self._heeds = False
                if self._interruption is not None and self._task is not None:
                    self._task.uncancel()
        coroutine.close()
        error, self._interruption = self._interruption, None
        raise error


def await_only(coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine gives or raises; `ClientGone` when the client leaves first, or what interrupts the task."""
    task = GreenletTask.current()
    return task.wait(task.interruptible(coroutine))


def in_thread(function: Callable[..., T], *args: Any) -> T:
    """What a function gives or raises that blocks or takes long: in a thread, and to its end."""
    return GreenletTask.current().wait(_to_the_end(function, args))


class Batches(Iterator[list[T]]):
    """The events of an async iterator for a view, pulled from now on; what has arrived, a list at a time.

    An empty list says that `silence` seconds passed without an event (0: it is never said). What the
    iterator raises is raised after the events before it; otherwise as `await_only`. An iterator with `aclose` is
    closed at the end, however that came about.
    """

    def __init__(self, events: AsyncIterator[T], silence: float = 0) -> None:
        self._silence = silence or None
        self._inlet, self._arrived = anyio.create_memory_object_stream[T](AHEAD)
        self._pump = asyncio.get_running_loop().create_task(self._pumped(events), context=Context())
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
        self._arrived.close()
        if not self._pump.done():
            work = asyncio.get_running_loop().create_task(_cancelled(self._pump))
            GreenletTask.current().wait(_settled(work))
        if not self._pump.cancelled():
            self._pump.exception()  # seen: what fails once nobody listens is nobody's news

    async def _next(self) -> list[T] | None:
        """All that has arrived, at least one event; `None` at the end."""
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


async def _to_the_end(function: Callable[..., T], args: tuple[Any, ...]) -> T:
    """What a function gives in a thread, which cannot be cancelled."""
    work = asyncio.get_running_loop().run_in_executor(None, function, *args)
    await _settled(work)
    return work.result()


async def _settled(work: asyncio.Future[Any]) -> None:
    """Wait until this is done; a cancellation waits too, and is felt where the code waits next."""
    cancelled = False
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError:
            cancelled = True
    task = asyncio.current_task()
    if cancelled and task is not None:
        task.cancel()


async def _cancelled(task: asyncio.Task[Any]) -> None:
    """Cancel a task and wait for its end; not before its first step, so that it cleans up."""
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
