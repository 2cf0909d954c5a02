"""A circuit breaker: whoever keeps failing is left alone, then tried by one call.

Closed, open and half-open as in Nygard, Release It! (2007), chapter 5. It never refuses anything itself: it is
asked before a choice among upstreams, and told how the call ended.
"""

from __future__ import annotations

from math import inf
from typing import Final

TOLERATED: Final = 5
"""Failures in a row that open it."""
PAUSE: Final = 5.0
"""Seconds it stays open at first; doubled each time the trial fails."""
LONGEST_PAUSE: Final = 60.0


class Breaker:
    """What is known of one thing that may fail; `reopens` is when it may be tried again.

    All times are seconds of one clock. `trying` says that a call is on its way to find out.
    """

    __slots__ = ("_failures", "_pause", "reopens", "trying")

    def __init__(self) -> None:
        self.reopens = -inf
        self.trying = False
        self._failures = 0
        self._pause = PAUSE

    @property
    def closed(self) -> bool:
        """Whether calls go through as if there were no breaker."""
        return self._failures < TOLERATED

    def admits(self, now: float) -> bool:
        """Whether a call should begin.

        Always when closed, one at a time when half-open, never when open.
        """
        return self.closed or (now >= self.reopens and not self.trying)

    def failed(self, now: float) -> float | None:
        """Count a failure; gives the seconds for which that opens it, if it does."""
        self._failures += 1
        if self.closed or now < self.reopens:  # the latter began before it opened, and say nothing new
            return None
        pause, self._pause = self._pause, min(LONGEST_PAUSE, 2 * self._pause)
        self.reopens = now + pause
        return pause
