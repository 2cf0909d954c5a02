"""Retries of impatient clients join the request that is still running, instead of paying for it once more.

A client library whose patience ends hangs up and asks again at once. Whoever may come back is waited for a
moment, in which no further upstream call begins.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, TypeVar

from optillm.chat import Sender

T = TypeVar("T")

LINGER: Final = 0.7
"""Seconds that work goes on without anybody waiting for it: SDKs ask again after half a second, and a client that
is gone for good is to cost no more than one."""
KEPT: Final = 60.0
"""Seconds an answer is kept for another request with its `Idempotency-Key`."""
REMEMBERED: Final = 256

log = logging.getLogger(__name__)


class _Shared(Generic[T]):
    """One piece of work, and how many wait for it; `attended` is set while anybody does."""

    def __init__(self, work: Callable[[asyncio.Event], Coroutine[Any, Any, T]]) -> None:
        self.attended = asyncio.Event()
        self.attended.set()
        self.task = asyncio.get_running_loop().create_task(work(self.attended))
        self.waiting = 0
        self._ending: asyncio.TimerHandle | None = None

    @property
    def worth_joining(self) -> bool:
        """Whether it runs still, or has succeeded."""
        if self.task.done():
            return not (self.task.cancelled() or self.task.exception())
        return not self.task.cancelling()

    async def outcome(self, linger: Callable[[], float]) -> T:
        """Wait for the outcome; who leaves last takes the work along, `linger()` seconds later."""
        self.waiting += 1
        self.attended.set()
        if self._ending is not None:
            self._ending.cancel()
        try:
            return await asyncio.shield(self.task)
        finally:
            self.waiting -= 1
            if not self.waiting and not self.task.done():
                await self._leave(linger())

    async def _leave(self, seconds: float) -> None:
        if seconds:
            self.attended.clear()
            self._ending = asyncio.get_running_loop().call_later(seconds, self.task.cancel)
        else:
            self.task.cancel()
            await asyncio.wait([self.task])


class Joins(Generic[T]):
    """The requests that others may join, by who sent them and what they hold."""

    def __init__(self) -> None:
        self._running: OrderedDict[bytes, _Shared[T]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._running)

    async def run(self, sender: Sender, work: Callable[[asyncio.Event], Coroutine[Any, Any, T]]) -> T:
        """The outcome of this request's work, or of that of the same request before it.

        `work` is given an event that is set as long as somebody waits: without it, nothing new is to begin.
        """
        identity = _identity(sender)
        shared = self._running.get(identity) if sender.is_retry else None
        if shared is None or not shared.worth_joining:
            shared = self._running[identity] = _Shared(work)
            self._running.move_to_end(identity)
            shared.task.add_done_callback(lambda _: self._ended(identity, shared, sender.key))
            self._forget()
        else:
            log.info("A retry joins the request it repeats")
        return await shared.outcome(lambda: LINGER if sender.may_return else 0.0)

    def _ended(self, identity: bytes, shared: _Shared[T], key: str | None) -> None:
        if key is not None and shared.worth_joining:
            asyncio.get_running_loop().call_later(KEPT, self._drop, identity, shared)
        else:
            self._drop(identity, shared)

    def _drop(self, identity: bytes, shared: _Shared[T]) -> None:
        if self._running.get(identity) is shared:
            del self._running[identity]

    def _forget(self) -> None:
        """Answers kept make room, work at hand stays."""
        done = [identity for identity, shared in self._running.items() if shared.task.done()]
        for identity in done[: max(0, len(self._running) - REMEMBERED)]:
            del self._running[identity]


def _identity(sender: Sender) -> bytes:
    identity = hashlib.sha256(f"{sender.client}\0{sender.key or ''}\0".encode())
    identity.update(sender.content)
    return identity.digest()
