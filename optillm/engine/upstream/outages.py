"""Upstreams that are down and expected to come back.

The log says so while calls wait for them.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from optillm.errors import UpstreamError

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Outage:
    """An outage of a server.

    It has the reason, its beginning on the loop's clock, and whether calls wait for its end.
    """

    reason: str
    since: float
    awaited: bool = False


class Outages:
    """The upstreams that are restarting, by name.

    Logs when calls begin to wait, and when they stop.
    """

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
        """Note that a call waits for the upstreams that are down.

        Return the seconds since the latest one went down.
        """
        for upstream, outage in self._outages.items():
            if not outage.awaited:
                outage.awaited = True
                log.warning("Waiting for upstream %s to come back: %s", upstream, outage.reason)
        now = asyncio.get_running_loop().time()
        return min((now - outage.since for outage in self._outages.values()), default=0.0)
