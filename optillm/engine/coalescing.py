"""Let retries of impatient clients join the request that is still running.

It is not paid for once more. A client library whose patience ends hangs up and asks again at once. Whoever may come
back is waited for a moment, in which no further upstream call begins.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final, Generic, TypeVar

from optillm.chat import Sender
from optillm.engine.run.single_flight import SharedTask
from optillm.toolkit.bounded import BoundedMap

T = TypeVar("T")

LINGER: Final = 0.7
"""Seconds that work goes on without anybody waiting for it: SDKs ask again after half a second, and a client that
is gone for good is to cost no more than one."""
ANSWER_SECONDS: Final = 60.0
"""Seconds an answer is kept for another request with its `Idempotency-Key`."""
ANSWERS: Final = 256
"""The most answers that are kept."""

log = logging.getLogger(__name__)


class Coalescer(Generic[T]):
    """The requests that others may join, by who sent them and what they hold."""

    def __init__(self) -> None:
        self._running = BoundedMap[bytes, SharedTask[T]](ANSWERS, busy=_is_running)

    def __len__(self) -> int:
        return len(self._running)

    async def run(self, sender: Sender, work: Callable[[asyncio.Event], Coroutine[Any, Any, T]]) -> T:
        """The outcome of this request's work, or of that of the same request before it.

        `work` is given an event that is set as long as somebody waits: without it, nothing new is to begin.
        """
        identity = _identity(sender)
        shared = self._running.get(identity) if sender.is_retry else None
        if shared is None or not _joinable(shared):
            shared = self._running[identity] = SharedTask(work)
            shared.task.add_done_callback(lambda _: self._ended(identity, shared, sender.key))
        else:
            log.info("A retry joins the request it repeats")
        return await shared.outcome(lambda: LINGER if sender.may_return else 0.0)

    def _ended(self, identity: bytes, shared: SharedTask[T], key: str | None) -> None:
        if key is not None and shared.succeeded:
            asyncio.get_running_loop().call_later(ANSWER_SECONDS, self._drop, identity, shared)
        else:
            self._drop(identity, shared)

    def _drop(self, identity: bytes, shared: SharedTask[T]) -> None:
        if self._running.get(identity) is shared:
            del self._running[identity]


def _is_running(shared: SharedTask[Any]) -> bool:
    return not shared.task.done()


def _joinable(shared: SharedTask[Any]) -> bool:
    return shared.succeeded or (_is_running(shared) and not shared.cancelled)


def _identity(sender: Sender) -> bytes:
    identity = hashlib.sha256(f"{sender.client}\0{sender.key or ''}\0".encode())
    identity.update(sender.content)
    return identity.digest()
