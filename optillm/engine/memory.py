"""The memory that upstreams' replies and requests' bodies take.

It is bounded, and given back to the operating system. A reply is counted while it is read, and then what a technique
keeps of it, until the request has ended. A reply that exceeds a bound fails its call only. The first megabyte of a
reply is not counted: there are never more of those than calls in flight, and usual replies must not fail because others
are large. A body is counted in the same way, in an account of its own, until its request has ended.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from math import inf
from typing import Final

from optillm.errors import OptillmError, Overloaded, UpstreamError

MB: Final = 2**20
USUAL: Final = MB
"""Bytes of a reply or a body that are not counted."""
LARGE: Final = 8 * MB
"""Bytes of a body from which its memory is given back right after its request; few are larger than usual images."""
SHARE: Final = 0.5
"""The part of a worker's memory for replies that one request may hold."""
PAUSE: Final = 2.0
"""Seconds from the end of a large reply until its memory is given back: the client may still be reading."""


def reclaim() -> None:
    """Free large objects that only cycles keep alive, and return free memory to the system."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):  # another C library than glibc, which keeps less
        return


class Memory:
    """What all replies, or all bodies, of one worker may take.

    `held` are the bytes that are counted now.
    """

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

    def of_body(self) -> Holding:
        """Return the account of one request's body, to be released at its end.

        Its first megabyte is free.
        """
        return Holding(self, inf, spare=USUAL, least=LARGE, too_large=_bodies_too_large)

    def reclaim_soon(self) -> None:
        """Give memory back after a pause, once for all that has become free until then."""
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PAUSE, self._reclaim_now)

    def _reclaim_now(self) -> None:
        self._timer = None
        self._reclaim()


def _replies_too_large(limit: int) -> OptillmError:
    words = f"the replies being read are larger than {limit // MB} MB together (--reply-memory-mb)"
    return UpstreamError(words, status=HTTPStatus.SERVICE_UNAVAILABLE, retryable=True)


def _bodies_too_large(limit: int) -> OptillmError:
    words = f"The large requests in flight may take {limit // MB} MB together; try again when one has ended"
    return Overloaded(words, headers={"Retry-After": "1"})


class Holding:
    """The bytes that one reply, request or body holds, at most `limit`.

    The first `spare` are not counted. `too_large` makes the error that is raised when the memory has no room. If at
    least `least` bytes were held, their release gives memory back to the operating system.
    """

    def __init__(
        self,
        memory: Memory,
        limit: float,
        spare: int,
        least: int = 0,
        too_large: Callable[[int], OptillmError] = _replies_too_large,
    ) -> None:
        self._memory = memory
        self._limit = limit
        self._spare = spare
        self._least = least
        self._too_large = too_large
        self._held = 0

    def check(self, count: int) -> None:
        """Raise the error that `take` would raise if the memory has no room for `count` more bytes."""
        if self._memory.held + max(0, count - self._spare) > self._memory.limit:
            raise self._too_large(self._memory.limit)

    def take(self, count: int) -> None:
        """Count more bytes.

        Raises `UpstreamError`, or `Overloaded` for a body, when they are too many.
        """
        counted = max(0, count - self._spare)
        if self._held + counted > self._limit:
            raise UpstreamError(
                f"the replies to this request are larger than {self._limit // MB:.0f} MB together"
            )
        self.check(count)
        self._spare = max(0, self._spare - count)
        self._held += counted
        self._memory.held += counted

    def keep(self, count: int) -> None:
        """Count what is kept of a whole reply."""
        self.take(max(0, count - USUAL))

    def release(self) -> None:
        """Count nothing of it any more."""
        if self._held:
            self._memory.held -= self._held
            if self._held >= self._least:
                self._memory.reclaim_soon()
            self._held = 0
