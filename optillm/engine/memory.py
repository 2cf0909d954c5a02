"""The memory that replies of upstreams take: bounded, and given back to the operating system.

A reply is counted while it is read, and then what a technique keeps of it, until the request has ended. What goes
beyond a bound fails one call. The first megabyte of a reply is not counted: there are never more of those than calls
in flight, and usual replies must not fail because others are large.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from optillm.errors import UpstreamError

MB: Final = 2**20
USUAL: Final = MB
"""Bytes of a reply that are not counted."""
SHARE: Final = 0.5
"""The part of a worker's memory for replies that one request may hold."""
PAUSE: Final = 2.0
"""Seconds from the end of a large reply until its memory is given back: the client may still be reading."""


def reclaim() -> None:
    """Free large objects that only cycles keep alive, and return what is free to the operating system."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):  # another C library than glibc, which keeps less
        return


class Memory:
    """What all replies of one worker may take; `held` are the bytes that are counted at the moment."""

    def __init__(self, limit: int = 256 * MB, reclaim: Callable[[], None] = reclaim) -> None:
        self.limit = limit
        self.held = 0
        self._reclaim = reclaim
        self._timer: asyncio.TimerHandle | None = None

    @contextmanager
    def of_reply(self) -> Iterator[Holding]:
        """Count one reply while the block runs; its first megabyte is free."""
        holding = Holding(self, self.limit, spare=USUAL)
        try:
            yield holding
        finally:
            holding.release()

    def of_request(self) -> Holding:
        """Return the account of one request, to be released at its end."""
        return Holding(self, int(self.limit * SHARE), spare=0)

    def reclaim_soon(self) -> None:
        """Give memory back after a pause, once for all that has become free until then."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PAUSE, self._reclaim_now)

    def _reclaim_now(self) -> None:
        self._timer = None
        self._reclaim()


class Holding:
    """The bytes that one reply or one request holds, at most `limit`; the first `spare` are not counted."""

    def __init__(self, memory: Memory, limit: int, spare: int) -> None:
        self._memory = memory
        self._limit = limit
        self._spare = spare
        self._held = 0

    def take(self, count: int) -> None:
        """Count more bytes; raises `UpstreamError` when they are too many."""
        counted = max(0, count - self._spare)
        self._spare = max(0, self._spare - count)
        if self._held + counted > self._limit:
            raise UpstreamError(
                f"the replies to this request are larger than {self._limit // MB} MB together"
            )
        if self._memory.held + counted > self._memory.limit:
            limit = self._memory.limit // MB
            raise UpstreamError(
                f"the replies being read are larger than {limit} MB together (--reply-memory-mb)",
                status=503,
                retryable=True,
            )
        self._held += counted
        self._memory.held += counted

    def keep(self, count: int) -> None:
        """Count what is kept of a whole reply."""
        self.take(max(0, count - USUAL))

    def release(self) -> None:
        """Count nothing of it any more."""
        if self._held:
            self._memory.held -= self._held
            self._held = 0
            self._memory.reclaim_soon()
