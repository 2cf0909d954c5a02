"""An asyncio event loop in a thread of its own: started once, called from other threads, wound up at the end."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final

UNWIND: Final = 10.0  # seconds beyond the grace until a loop that does not end is left to its daemon thread


class LoopThread(threading.Thread):
    """An event loop that runs until `stop`, and then cancels what is left on it."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.loop = _new_loop()
        self.closing = False
        self._grace = 0.0
        self._last: Callable[[], Awaitable[object]] | None = None
        # Tasks start in this empty context: the caller's would keep Flask's request, body and all, alive for
        # as long as any task that a connection pool starts on the way.
        self._context = contextvars.Context()

    def call(self, callback: Callable[..., object], *args: Any) -> None:
        """Call something on the loop, from another thread; `RuntimeError` when the loop is closed."""
        self.loop.call_soon_threadsafe(callback, *args, context=self._context)

    def stop(self, grace: float, last: Callable[[], Awaitable[object]] | None = None) -> None:
        """Cancel what runs, give it `grace` seconds to end, await `last()`, and end; may be called again."""
        self._grace, self._last = grace, last
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
