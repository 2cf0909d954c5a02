"""Work that several wait for is done once.

When nobody waits for it any more, it is cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from optillm.trace import Fork

T = TypeVar("T")


class SharedTask(Generic[T]):
    """A task that several wait for.

    `attended`, which the work is given, is set while anybody does.
    """

    def __init__(self, work: Callable[[asyncio.Event], Coroutine[Any, Any, T]]) -> None:
        self.attended = asyncio.Event()
        self.attended.set()
        self.fork = Fork(work(self.attended))
        self.task = self.fork.task
        self.task.add_done_callback(_retrieve)
        self._waiting = 0
        self._cancelling: asyncio.TimerHandle | None = None

    @property
    def cancelled(self) -> bool:
        """Whether it was cancelled, or is about to be: whoever comes now has to start anew."""
        return self.task.cancelled() if self.task.done() else self.task.cancelling() > 0

    @property
    def succeeded(self) -> bool:
        """Whether it has ended with a result."""
        return self.task.done() and not self.task.cancelled() and self.task.exception() is None

    async def outcome(self, linger: Callable[[], float] = lambda: 0.0) -> T:
        """Wait for the result.

        When the last to wait leaves early, the task is cancelled `linger()` seconds later.
        """
        self._waiting += 1
        self.attended.set()
        if self._cancelling is not None:
            self._cancelling.cancel()
        try:
            await asyncio.wait([self.task])
        finally:
            self._waiting -= 1
            if not self._waiting and not self.task.done():
                await self._abandon(linger())
        return self.task.result()

    async def _abandon(self, linger: float) -> None:
        if linger:
            self.attended.clear()
            self._cancelling = asyncio.get_running_loop().call_later(linger, self.task.cancel)
        else:
            self.task.cancel()
            await asyncio.wait([self.task])


def _retrieve(task: asyncio.Task[Any]) -> None:
    """Mark a failure as seen: everybody who would have been told may have left."""
    if not task.cancelled():
        task.exception()


class SingleFlight(Generic[T]):
    """The calls that parallel branches share.

    The same call, the k-th time in each of them, is made once.
    """

    def __init__(self) -> None:
        self._calls: dict[tuple[bytes, int], SharedTask[T]] = {}

    async def run(self, key: bytes, index: int, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return the result of the call named `key`, for the `index`-th time.

        It is made if nobody has made it yet.
        """
        shared = self._calls.get((key, index))
        if shared is None or shared.cancelled:
            shared = self._calls[key, index] = SharedTask(lambda _: call())
        try:
            return await shared.outcome()
        finally:
            if shared.task.done():
                shared.fork.join()
