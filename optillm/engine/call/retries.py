"""Whether a failed call is made again, and after which pause.

A transient failure is retried a few times. A server that is down but has answered before, or that is still loading
its model, is waited for instead, for as long as the deadline leaves time for a call of the typical length: a restart
takes longer than all retries together, but it ends.
"""

from __future__ import annotations

from random import Random
from typing import Final, NamedTuple

from optillm.engine.call.call import Blank, History
from optillm.engine.upstream.outages import Outages
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


class Circumstances(NamedTuple):
    """What a retry depends on beside the failure.

    `seconds_left` are those to the deadline, `typical` is how many such a call takes, if that is known, and it is
    `dispensable` if there is an answer without it.
    """

    seconds_left: float
    typical: float | None
    dispensable: bool


class Retries:
    """The retry policy of one request; a transient failure is retried `limit` times."""

    def __init__(self, limit: int, outages: Outages, rng: Random) -> None:
        self._limit = limit
        self._outages = outages
        self._rng = rng

    def pause(self, error: UpstreamError, circumstances: Circumstances, history: History) -> float | None:
        """Count a failure.

        Return the seconds to wait before the call is made again, `None` to give it up. Other forms of the call that
        were tried count as retries, too.
        """
        if not error.retryable:
            return None
        if error.restarting and self._limit:
            return self._pause_for_restart(error, circumstances, history)
        history.failures += 1
        history.blanks += isinstance(error, Blank)
        pause = self._after(error, 0.0, min(LONGEST_BACKOFF, BACKOFF * 2 ** (history.failures - 1)))
        if history.failures + history.other_forms > self._limit or history.blanks > 1:
            return None
        return pause if (error.retry_after or 0.0) < circumstances.seconds_left else None

    def _pause_for_restart(
        self, error: UpstreamError, circumstances: Circumstances, history: History
    ) -> float | None:
        longest = min(LONGEST_WAIT, BACKOFF * 2 ** min(history.waits, 8))
        history.waits += 1
        pause = self._after(error, longest / 2, longest)
        if pause + (circumstances.typical or USEFUL) > circumstances.seconds_left:
            return None
        if self._outages.wait() >= DISPENSABLE and circumstances.dispensable:
            return None
        return pause

    def _after(self, error: UpstreamError, shortest: float, longest: float) -> float:
        """Return a pause within these bounds, or one shortly after the time that the upstream names."""
        jittered = self._rng.uniform(shortest, longest)
        return jittered if error.retry_after is None else error.retry_after + jittered / 4
