"""The bridge between synchronous views and the event loop of the engine.

A view is written as Flask wants it, without `await`. Where it has to wait, it calls `await_only` or `in_thread`, and
what it waits for is awaited on the event loop. There are two ways to run a view:

- A `GreenletTask` runs it in a greenlet on the loop itself: a request takes no thread, and changes none on its way
  through the proxy. The device is SQLAlchemy's, and so are its words.
- A `ThreadTask` runs it in a thread beside the loop, for servers that have a thread for each request.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from typing import Any, TypeVar, cast

from greenlet import getcurrent, greenlet

T = TypeVar("T")


class ClientGone(Exception):
    """The client left, or the request was cancelled; what it waited for has been cancelled."""


class ViewTask(ABC):
    """The synchronous code that serves one request."""

    _task: asyncio.Task[Any] | None = None
    """The asyncio task that awaits what the code waits for."""
    _interruptible = False
    """Whether that may be cancelled by an interruption."""
    _interruption: Exception | None = None

    @abstractmethod
    def wait(self, awaitable: Awaitable[T]) -> T:
        """Return what an awaitable returns, or raise what it raises; for the code of the task."""

    @abstractmethod
    def in_thread(self, function: Callable[..., T], *args: Any) -> T:
        """Return what a blocking function returns, or raise its error, without blocking the loop."""

    @abstractmethod
    def spawn(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start an asyncio task on the loop, with an empty context."""

    def interrupt(self, error: Exception) -> None:
        """Raise an error in the code where it waits for the engine, now or the next time.

        The first one counts.
        """
        if self._interruption is None:
            self._interruption = error
            if self._interruptible and self._task is not None:
                self._task.cancel(error)

    async def interruptible(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine returns; `interrupt` cancels it."""
        if self._interruption is None:
            self._interruptible = True
            try:
                return await coroutine
            except asyncio.CancelledError:
                if self._interruption is None:
                    raise
            finally:
                self._interruptible = False
                # The code goes on with the error: its task must not count as cancelled, as it would if the client left.
                if self._interruption is not None and self._task is not None:
                    self._task.uncancel()
        coroutine.close()  # it has not begun if the interruption came first
        error, self._interruption = self._interruption, None
        raise error


class GreenletTask(greenlet, ViewTask):
    """Code in a greenlet on the event loop.

    Its context is its own: what Flask keeps there ends with it, and no asyncio task made on the way holds on to it.
    """

    def __init__(self, code: Callable[..., Any]) -> None:
        super().__init__(code)
        self.gr_context = Context()

    async def drive(self) -> Any:
        """Run the code to its end, awaiting on the way what it waits for; return what it returns.

        When this is cancelled, `ClientGone` is raised in the code where it waits, which may then clean up.
        """
        self._task = asyncio.current_task()
        try:
            return await self._steps()
        except ClientGone:
            if self._cancelled:
                raise asyncio.CancelledError from None
            raise

    @property
    def _cancelled(self) -> bool:
        return self._task is not None and self._task.cancelling() > 0

    async def _steps(self) -> Any:
        step: Any = self.switch()
        while not self.dead:
            try:
                outcome = await step
            except asyncio.CancelledError:
                # A view must not take what cancelled itself for a client that has left.
                error = ClientGone() if self._cancelled else RuntimeError("what was awaited cancelled itself")
                step = self.throw(error)
            except Exception as error:  # noqa: BLE001 - the code's to handle
                step = self.throw(error)
            else:
                step = self.switch(outcome)
        return step

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Switch to the event loop until the awaitable is done."""
        return cast("T", cast("greenlet", self.parent).switch(awaitable))

    def in_thread(self, function: Callable[..., T], *args: Any) -> T:
        """Run the function in another thread, to its end even if the client leaves."""
        return self.wait(_to_the_end(function, args))

    def spawn(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start an asyncio task, with an empty context."""
        return asyncio.get_running_loop().create_task(coroutine, context=Context())


class ThreadTask(ViewTask):
    """Code in a thread beside that of `loop`, on which it waits.

    WSGI does not say when its client leaves.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    @contextmanager
    def running(self) -> Iterator[None]:
        """Take the calling thread for the task's own while the block runs."""
        _thread_task.set(self)
        try:
            yield
        finally:
            _thread_task.set(None)

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Block the thread until the awaitable is done on the loop."""
        # In an empty context: the task would keep alive what Flask has in this one.
        return Context().run(asyncio.run_coroutine_threadsafe, self._awaited(awaitable), self._loop).result()

    def in_thread(self, function: Callable[..., T], *args: Any) -> T:
        """Call the function: this is a thread that may block."""
        return function(*args)

    def spawn(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start an asyncio task on the loop, with an empty context."""
        return self.wait(_spawned(coroutine))

    def interrupt(self, error: Exception) -> None:
        """Interrupt the code as soon as the loop comes to it; for any thread."""
        self._loop.call_soon_threadsafe(super().interrupt, error)

    async def _awaited(self, awaitable: Awaitable[T]) -> T:
        self._task = asyncio.current_task()
        try:
            return await awaitable
        except asyncio.CancelledError:
            raise RuntimeError("what was awaited cancelled itself") from None


_thread_task: ContextVar[ThreadTask | None] = ContextVar("thread_task", default=None)


def current_task() -> ViewTask:
    """Return the task that the calling code belongs to; raises `RuntimeError` outside of any."""
    task = getcurrent()
    if isinstance(task, GreenletTask):
        return task
    thread_task = _thread_task.get()
    if thread_task is None:
        raise RuntimeError("only the code of a GreenletTask or a ThreadTask can wait for the event loop")
    return thread_task


def await_only(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns, or raise what it raises.

    Raises `ClientGone` if the client leaves first, and the error of an interruption.
    """
    task = current_task()
    return task.wait(task.interruptible(coroutine))


def in_thread(function: Callable[..., T], *args: Any) -> T:
    """Return what a function returns that blocks or takes long, or raise what it raises.

    It runs to its end.
    """
    return current_task().in_thread(function, *args)


async def settled(work: asyncio.Future[Any]) -> None:
    """Wait until this is done.

    A cancellation waits, too, and takes effect where the code waits next.
    """
    cancelled = False
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError:
            cancelled = True
    task = asyncio.current_task()
    if cancelled and task is not None:  # `wait` above has used the cancellation up
        task.cancel()


async def _to_the_end(function: Callable[..., T], args: tuple[Any, ...]) -> T:
    """Return what a function returns in a thread, which cannot be cancelled."""
    work = asyncio.get_running_loop().run_in_executor(None, function, *args)
    await settled(work)
    return work.result()


async def _spawned(coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    return asyncio.get_running_loop().create_task(coroutine, context=Context())
