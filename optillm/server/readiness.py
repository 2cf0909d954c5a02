"""Whether the upstream answers: a probe on nobody's behalf, and therefore a rare one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from math import inf
from typing import Final

PROBE_TIMEOUT = 5.0  # seconds the upstream has to answer
FRESH: Final = 5.0  # seconds for which a result holds


class Readiness:
    """Share one probe at a time among all who ask; its result holds for `FRESH` seconds.

    It is for the event loop.
    """

    def __init__(self, probe: Callable[[], Awaitable[bool]], clock: Callable[[], float]) -> None:
        self._probe = probe
        self._clock = clock
        self._lock = asyncio.Lock()
        self._reachable, self._since = False, -inf

    async def now(self) -> bool:
        """Return whether the upstream answers, or did so a moment ago."""
        async with self._lock:
            if self._clock() - self._since >= FRESH:
                self._reachable = await self._probed()
                self._since = self._clock()
            return self._reachable

    async def _probed(self) -> bool:
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                return await self._probe()
        except TimeoutError:
            return False
