"""An asyncio event loop in a thread of its own: started once, called from other threads, wound up at the end."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

UNWIND: Final = 10.0  # seconds beyond the grace until a loop that does not end is left to its daemon thread
PARTING: Final = 1.0  # seconds for what has been told to come to an end


class LoopThread(threading.Thread):
    """An event loop that runs until `stop`, and then cancels what is left on it."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.loop = _new_loop()
        self.closing = False
        self._grace = 0.0
        self._first: Callable[[], object] | None = None
        self._last: Callable[[], Awaitable[object]] | None = None
        # Tasks start in this empty context: the caller's would keep Flask's request, body and all, alive for
        # as long as any task that a connection pool starts on the way.
        self._context = contextvars.Context()

    def call(self, callback: Callable[..., object], *args: Any) -> None:
        """Call something on the loop, from another thread; `RuntimeError` when the loop is closed."""
        self.loop.call_soon_threadsafe(callback, *args, context=self._context)

    def stop(
        self,
        grace: float,
        last: Callable[[], Awaitable[object]] | None = None,
        first: Callable[[], object] | None = None,
    ) -> None:
        """Call `first()`, cancel what still runs, give it `grace` seconds to end, await `last()`, and end.

        May be called again.
        """
        self._grace, self._first, self._last = grace, first, last
        with suppress(RuntimeError):
            self.call(self.loop.stop)
        self.join(grace + UNWIND)

    def run(self) -> None:
        """Run the loop; the body of the thread."""
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            self.closing = True
            try:
                self.loop.run_until_complete(self._wind_up())
            finally:
                self.loop.close()

    async def _wind_up(self) -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if left and self._first is not None and self._first():
            _, left = await asyncio.wait(left, timeout=PARTING)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=self._grace)
        if self._last is not None:
            await self._last()
        await self.loop.shutdown_asyncgens()


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # Windows
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
