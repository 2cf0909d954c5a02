"""Whether a failed call is made again, and after which pause.

A transient failure is retried a few times. A server that is down but has answered before, or that is still loading
its model, is waited for instead, for as long as the deadline leaves time for a call of the usual length: a restart
takes longer than all retries together, but it ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from optillm.engine.call.blanks import Blank
from optillm.errors import UpstreamError

BACKOFF: Final = 0.5
"""Seconds before the first retry; doubled each time, with full jitter."""
LONGEST_BACKOFF: Final = 30.0
LONGEST_WAIT: Final = 2.0
"""Seconds between two attempts at a server that restarts, at most."""
USEFUL: Final = 2.0
"""Seconds that must be left for a call when it is not known how long such a call takes."""
DISPENSABLE: Final = 10.0
"""Seconds that a restart is waited for by a call without which there is an answer, too."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Outage:
    """An outage of a server: why it cannot be called, since when on the loop's clock, and whether calls wait for it."""

    reason: str
    since: float
    awaited: bool = False


class Outages:
    """The upstreams of this process that are restarting, by name; logs when calls begin to wait, and when they stop."""

    def __init__(self) -> None:
        self._outages: dict[str, Outage] = {}

    def began(self, upstream: str, error: UpstreamError) -> None:
        """Note that an upstream could not take a call."""
        self._outages.setdefault(upstream, Outage(error.message, asyncio.get_running_loop().time()))

    def lasts(self, upstream: str) -> bool:
        """Return whether an upstream was down when it was last called."""
        return upstream in self._outages

    def ended(self, upstream: str) -> None:
        """Note that an upstream has answered."""
        outage = self._outages.pop(upstream, None)
        if outage is not None and outage.awaited:
            seconds = asyncio.get_running_loop().time() - outage.since
            log.info("Upstream %s answers again after %.1f s", upstream, seconds)

    def wait(self) -> float:
        """Note that a call waits for the upstreams that are down; return the seconds since the latest one went down."""
        for upstream, outage in self._outages.items():
            if not outage.awaited:
                outage.awaited = True
                log.warning("Waiting for upstream %s to come back: %s", upstream, outage.reason)
        now = asyncio.get_running_loop().time()
        return min((now - outage.since for outage in self._outages.values()), default=0.0)


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds the retries of a call.

    `retries` is how often a transient failure is retried; `seconds_left` counts to the deadline; `usual` returns how
    many seconds such a call takes, if that is known; `dispensable` returns whether there is an answer without it.
    """

    retries: int
    seconds_left: Callable[[], float]
    usual: Callable[[], float | None]
    dispensable: Callable[[], bool]


class Retries:
    """The retries of one call; `pause` is the seconds to wait before the next."""

    def __init__(self, limits: Limits, outages: Outages, rng: Random) -> None:
        self.pause = 0.0
        self._limits = limits
        self._outages = outages
        self._rng = rng
        self._failures = 0
        self._blanks = 0
        self._waits = 0

    def admit(self, error: UpstreamError, others: int = 0) -> bool:
        """Count a failure and return whether to make the call again.

        `others` is how many other forms of the call were tried; they count as retries, too.
        """
        if not error.retryable:
            return False
        if error.restarting and self._limits.retries:
            return self._waits_for_restart(error)
        self._failures += 1
        self._blanks += isinstance(error, Blank)
        self.pause = self._after(error, 0.0, min(LONGEST_BACKOFF, BACKOFF * 2 ** (self._failures - 1)))
        if self._failures + others > self._limits.retries or self._blanks > 1:
            return False
        return (error.retry_after or 0.0) < self._limits.seconds_left()

    def _waits_for_restart(self, error: UpstreamError) -> bool:
        longest = min(LONGEST_WAIT, BACKOFF * 2**self._waits)
        self._waits = min(self._waits + 1, 8)
        self.pause = self._after(error, longest / 2, longest)
        if self.pause + (self._limits.usual() or USEFUL) > self._limits.seconds_left():
            return False
        return self._outages.wait() < DISPENSABLE or not self._limits.dispensable()

    def _after(self, error: UpstreamError, shortest: float, longest: float) -> float:
        """Return a pause within these bounds or, if the upstream says when to come back, one shortly after that."""
        jittered = self._rng.uniform(shortest, longest)
        return jittered if error.retry_after is None else error.retry_after + jittered / 4
