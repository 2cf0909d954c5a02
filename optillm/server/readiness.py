"""Whether the upstream answers: asked for nobody in particular, so asked seldom."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from math import inf
from typing import Final

PATIENCE = 5.0  # seconds the upstream has to show that it is there
FRESH: Final = 5.0  # seconds that what it showed holds


class Readiness:
    """One probe at a time, shared by all who ask, and its result for `FRESH` seconds; lives on the event loop."""

    def __init__(self, probe: Callable[[], Awaitable[bool]], clock: Callable[[], float]) -> None:
        self._probe = probe
        self._clock = clock
        self._lock = asyncio.Lock()
        self._answered, self._since = False, -inf

    async def now(self) -> bool:
        """Whether the upstream answers, or did so a moment ago."""
        async with self._lock:
            if self._clock() - self._since >= FRESH:
                self._answered = await self._answers()
                self._since = self._clock()
            return self._answered

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._probe()
        except TimeoutError:
            return False
