"""When a call that is silent for longer than is typical is made again beside itself.

After Dean and Barroso, The Tail at Scale (2013). The request's own calls are the best measure of what is typical.
Until one of them has returned, the latest calls of the same model and role by any request are the measure, and only
one call is repeated at a time: if answers are long, many calls would seem to be lost.

What is measured is silence: for a whole reply all of its time, for a stream the time to its first token. Long
prompts and busy servers make it longer; the weight of a call accounts for both.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final

from optillm.engine.call.call import Call
from optillm.engine.call.ledger import Ledger
from optillm.engine.call.payload import prompt_tokens
from optillm.engine.upstream.latency import LatencyTracker, Pace

HEDGE: Final = 2.0
"""How many times the typical silence a call is given before it is made again."""
PATIENCE: Final = 0.25
"""Seconds that a call is given beyond what is typical, at least: short calls vary by more than they take."""
UNKNOWN: Final = 30.0
"""Seconds that a call is given when nothing is known of its model, but at most a quarter of the time left."""
STALL: Final = 60.0
"""Seconds of silence that end a stream in its middle; shorter pauses are normal while a server reads other prompts."""
LIGHT: Final = 1000
"""Tokens of the longest prompt that a server reads in negligible time."""

NO_TIME: Final = Pace(0.0)


def weight_of(call: Call) -> float:
    """Return how many times as long as a light call this one may be silent.

    A long prompt takes longer to read, and a local server that runs other calls is slower.
    """
    weight = max(1.0, prompt_tokens(call.body["messages"]) / LIGHT)
    return weight * call.route.limiters.total.running if call.route.local else weight


class Typical:
    """Knows what is typical of one request's calls.

    That is the longest of its own, else what the latest of all requests took.
    """

    def __init__(self, latest: LatencyTracker) -> None:
        self._latest = latest
        self.longest: dict[Hashable, Pace] = {}

    def is_known(self, kind: Hashable) -> bool:
        """Return whether any call of this kind has succeeded before."""
        return kind in self.longest or self._latest.typical(kind) is not None

    def of(self, kind: Hashable) -> Pace:
        """Return what is typical of a call of this kind; `NO_TIME` if that is not known."""
        # The longest, not the mean: patience in excess costs seconds, impatience costs calls.
        own = self.longest.get(kind)
        return own or max((self._latest.typical(kind) or NO_TIME, *self.longest.values()))

    def add(self, kind: Hashable, pace: Pace) -> None:
        """Record a call that succeeded."""
        self._latest.add(kind, pace)
        self.longest[kind] = max(pace, self.longest.get(kind, NO_TIME))


class Hedging:
    """The hedging policy of one request.

    A call is repeated up to `limit` times at even intervals, while there is room: `has_room` returns whether the
    request and the upstream have room for one more attempt at a call now. A call without which there is an answer is
    given up when its last repetition has been silent for too long as well. Any other call is waited for, and made again
    at intervals that double each time.

    `silence` is how long calls are silent at first, `duration` how long they take.
    """

    def __init__(
        self,
        silences: LatencyTracker,
        durations: LatencyTracker,
        limit: int,
        ledger: Ledger,
        has_room: Callable[[Call], bool],
    ) -> None:
        self.silence = Typical(silences)
        self.duration = Typical(durations)
        self.limit = limit
        self._ledger = ledger
        self._has_room = has_room
        self._mute: set[Hashable] = set()
        self._probes: dict[Hashable, Call] = {}

    @property
    def longest_guess(self) -> float:
        """Seconds that a call may be silent if nothing is known of its model."""
        return max(PATIENCE, min(UNKNOWN, self._ledger.seconds_left / 4))

    def patience(self, call: Call, weight: float, guess: float, *, last: bool) -> float:
        """Return how many seconds a call of this weight may be silent.

        The answer is `guess` if nothing is known of its kind. After its `last` repetition, it may be given up.
        """
        typical = self.silence.of(call.kind).of(weight)
        patience = max(HEDGE * typical, typical + PATIENCE)
        if last and not self.silence.is_known(call.kind):
            return max(patience, UNKNOWN)  # a guess is reason to repeat a call, but not to give it up
        return patience if typical else guess

    def typical_duration(self, kind: Hashable) -> float | None:
        """Return how many seconds a call of this kind takes; `None` when nothing is known."""
        return self.duration.of(kind).seconds or None

    def admits(self, call: Call) -> bool:
        """Return whether a call may be made once more now.

        Until one of its kind has returned, only one of them may be.
        """
        if not (self.limit and self._has_room(call)):
            return False
        # If answers are long, all calls of a round seem to be lost: to repeat one of them shows it for one call.
        return call.kind in self.silence.longest or self._probes.setdefault(call.kind, call) is call

    def gives_up(self, call: Call, *, last: bool) -> bool:
        """Return whether to give a call up.

        That is so when all repetitions of it, or of another one of its kind, have been silent.
        """
        if not self.limit:
            return False
        if last:  # the others of its kind need not find out for themselves
            self._mute.add(call.kind)
        return call.kind in self._mute and self._ledger.best is not None

    def ended(self, call: Call) -> None:
        """Note that a call is no longer waited for: another one of its kind may be repeated."""
        if self._probes.get(call.kind) is call:
            del self._probes[call.kind]

    def took(self, kind: Hashable, silence: Pace, seconds: float) -> bool:
        """Record a call that succeeded, and return whether it is the first of its kind."""
        first = kind not in self.silence.longest
        self.silence.add(kind, silence)
        self.duration.add(kind, Pace(seconds))
        self._mute.discard(kind)
        return first
