"""When a breaker opens, for how long, and what closes it."""

from __future__ import annotations

from itertools import pairwise

from optillm.engine.upstream.breaker import LONGEST_PAUSE, PAUSE, TOLERATED, Breaker


def opened(at: float = 0.0) -> Breaker:
    breaker = Breaker()
    pauses = [breaker.failed(at) for _ in range(TOLERATED)]
    assert pauses == [None] * (TOLERATED - 1) + [PAUSE]
    return breaker


def test_a_few_failures_leave_it_closed() -> None:
    breaker = Breaker()
    for _ in range(TOLERATED - 1):
        assert breaker.failed(0.0) is None
        assert breaker.closed
        assert breaker.admits(0.0)


def test_it_opens_for_a_while() -> None:
    breaker = opened(at=100.0)
    assert not breaker.closed
    assert not breaker.admits(100.0 + PAUSE - 0.01)
    assert breaker.admits(100.0 + PAUSE)


def test_half_open_it_admits_one_call_at_a_time() -> None:
    breaker = opened()
    breaker.trying = True
    assert not breaker.admits(PAUSE)
    breaker.trying = False  # the trial was cancelled and has said nothing
    assert breaker.admits(PAUSE)


def test_failures_of_calls_that_began_before_it_opened_do_not_lengthen_the_pause() -> None:
    breaker = opened()
    assert [breaker.failed(PAUSE - 1) for _ in range(20)] == [None] * 20
    assert breaker.reopens == PAUSE


def test_each_failed_trial_doubles_the_pause_up_to_a_cap() -> None:
    breaker, pauses = opened(), [PAUSE]
    for _ in range(8):
        pause = breaker.failed(breaker.reopens)
        assert pause is not None
        pauses.append(pause)
    assert all(later == min(2 * earlier, LONGEST_PAUSE) for earlier, later in pairwise(pauses))
    assert pauses[-1] == LONGEST_PAUSE
