"""Code in greenlets on a real loop, and work for it to wait for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from optillm.server.bridge import GreenletTask


def run_in_greenlet(code: Callable[[], Any]) -> Any:
    """Return what code gives in a greenlet."""
    return asyncio.run(GreenletTask(code).drive())


async def begun(code: Callable[[], Any]) -> tuple[GreenletTask, asyncio.Task[Any]]:
    """A greenlet in an asyncio task of its own, which has come as far as it could."""
    greenlet = GreenletTask(code)
    task = asyncio.create_task(greenlet.drive())
    await turns()
    return greenlet, task


async def turns(count: int = 10) -> None:
    """Let everything that can go on do so."""
    for _ in range(count):
        await asyncio.sleep(0)


async def echo(value: int) -> int:
    await asyncio.sleep(0)
    return value


async def count(upto: int) -> AsyncIterator[int]:
    for number in range(upto):
        yield number


class Endless:
    """Work that never ends by itself and tells what became of it."""

    began = cancelled = cleaned = False

    async def run(self) -> None:
        self.began = True
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        finally:
            await turns(3)  # cleaning up may take a moment
            self.cleaned = True

    async def events(self) -> AsyncIterator[str]:
        yield "first"
        await self.run()
