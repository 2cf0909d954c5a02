"""Draws that parallel branches share: the same call, the k-th time in each of them, is made once.

Whoever waits last and leaves takes the call along: a draw nobody wants is cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from optillm.trace import Fork

T = TypeVar("T")


class _Draw(Generic[T]):
    def __init__(self, call: Coroutine[Any, Any, T]) -> None:
        self.fork = Fork(call)
        self.task = self.fork.task
        self.waiting = 0


class Draws(Generic[T]):
    """The shared draws of one fork, by what identifies the call and by how often it was asked for before."""

    def __init__(self) -> None:
        self._draws: dict[tuple[bytes, int], _Draw[T]] = {}

    async def draw(self, key: bytes, index: int, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The result of the call at this place of its sequence; made if nobody has made it yet."""
        draw = self._draws.get((key, index))
        if draw is None or draw.task.cancelled():
            draw = self._draws[key, index] = _Draw(call())
        draw.waiting += 1
        try:
            await asyncio.wait([draw.task])
        finally:
            draw.waiting -= 1
            if not draw.waiting and not draw.task.done():
                draw.task.cancel()
                await asyncio.wait([draw.task])
        draw.fork.join()
        return draw.task.result()
