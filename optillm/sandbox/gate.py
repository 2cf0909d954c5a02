"""How many programs run at once, and who waits for how long."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

from optillm.sandbox.results import Failure

_QUEUE: Final = 64  # about five seconds' worth, as a program usually takes tens of milliseconds
LONGEST_WAIT: Final = 5.0
"""Seconds that a program waits for a slot or for the zygote."""


class Rejected(Exception):
    """A program that is not run; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure


class Gate:
    """Admits `at_once` programs at a time; a bounded number of others wait for a bounded time."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._waiting: deque[asyncio.Future[None]] = deque()

    @contextlib.asynccontextmanager
    async def entered(self) -> AsyncIterator[None]:
        """Hold one of the slots.

        Raises `Rejected` if the queue is full or moves too slowly.
        """
        await self._enter()
        try:
            yield
        finally:
            self._leave()

    async def _enter(self) -> None:
        if self._free:
            self._free -= 1
            return
        if len(self._waiting) >= _QUEUE:
            raise Rejected(Failure("busy", "Busy", "too many programs wait for the solver"))
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                await turn
        except BaseException as end:  # cancelled or out of time: the turn goes to the next
            if turn.done() and not turn.cancelled():
                self._leave()  # our turn came while we were leaving
            elif turn in self._waiting:
                self._waiting.remove(turn)
            if isinstance(end, TimeoutError):
                message = f"the solver was busy for {LONGEST_WAIT:.0f} s"
                raise Rejected(Failure("busy", "Busy", message)) from None
            raise

    def _leave(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
