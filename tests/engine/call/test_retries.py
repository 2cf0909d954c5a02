"""Restarts: a server that answered before is waited for, as long as the deadline leaves time for a call."""

from __future__ import annotations

import logging
from collections.abc import Callable
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from optillm.chat import Budget, Delta
from optillm.engine.call.retries import DISPENSABLE, LONGEST_WAIT, USEFUL, Limits, Outages, Retries
from optillm.engine.upstream.breaker import PAUSE
from optillm.errors import UpstreamError
from optillm.techniques import registry
from tests.engine.upstream.test_routes import Fleet
from tests.fakes import LATENCY, Say, Sent, World, failing, run

ANSWER = "The answer is 4."
VERDICT = '{"ranking": ["A", "B", "C", "D"], "score": 7, "errors": [], "pick": "A", "groups": [["A"], ["B"]]}'
GONE = "the upstream cannot be reached: connection refused (127.0.0.1:8080)"


class Local(World):
    """A local server, called by streams."""

    local = True


def away(seconds: float, *, begins: float = 0.0) -> Callable[[Sent], str]:
    """The server is down for some seconds; then its answers differ, so that there is something to judge."""

    def script(sent: Sent) -> str:
        if begins <= sent.start < begins + seconds:
            raise UpstreamError(GONE, retryable=True, restarting=True)
        return VERDICT if sent.role == "judge" else f"The answer is {sent.number}."

    return script


@pytest.mark.parametrize("kind", [World, Local])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("slug", sorted(registry()))
def test_a_server_that_is_back_after_nine_seconds_fails_no_request_with_35_left(
    slug: str, stream: bool, kind: type[World]
) -> None:
    world = kind(away(9.0))
    if stream:
        assert world.events(f"{slug}-m", budget=Budget(seconds=35.0))
    else:
        completion = world.complete(f"{slug}-m", budget=Budget(seconds=35.0))
        assert completion.replies[0].text.startswith("The answer is")
        assert completion.report.stop_reason != "deadline"
        made = [sent for sent in world.sent if sent.outcome != "failed"]
        assert sum(completion.report.calls.values()) == len(made)
        assert "failed" not in completion.report.losses
    assert 9.0 < min(sent.start for sent in world.sent if sent.outcome == "ok") <= 9.0 + LONGEST_WAIT


def test_pauses_grow_to_two_seconds_and_no_further() -> None:
    world = World(away(60.0))
    world.complete("re2-m")
    starts = [sent.start for sent in world.sent]
    pauses = [later - earlier for earlier, later in pairwise(starts)]
    assert pauses[0] <= 0.5
    assert all(LONGEST_WAIT / 2 <= pause <= LONGEST_WAIT for pause in pauses[2:])


@pytest.mark.parametrize("latency", [None, 9.0])
def test_waiting_ends_when_no_useful_call_fits_any_more(latency: float | None) -> None:
    world = World(lambda sent: ANSWER, latency=latency or LATENCY)
    if latency:
        world.complete("re2-m")
    world.script = away(1000.0)
    with pytest.raises(UpstreamError, match="connection refused"):
        world.complete("re2-m", budget=Budget(seconds=35.0))
    last = 35.0 - (latency or USEFUL)
    assert last - LONGEST_WAIT <= world.seconds <= last


@pytest.mark.parametrize(("retries", "restarting", "calls"), [(0, True, 1), (3, False, 4)])
def test_no_retries_means_none_and_a_server_never_reached_is_not_waited_for(
    retries: int, restarting: bool, calls: int
) -> None:
    def script(sent: Sent) -> str:
        raise UpstreamError(GONE, retryable=True, restarting=restarting)

    world = World(script, retries=retries)
    with pytest.raises(UpstreamError, match="connection refused"):
        world.complete("re2-m")
    assert len(world.sent) == calls
    assert world.seconds <= 0.5 + 1.0 + 2.0


def test_a_server_that_goes_down_under_a_call_is_waited_for() -> None:
    def script(sent: Sent) -> str | Say:
        if sent.number == 0:
            raise UpstreamError("the upstream broke off the connection", retryable=True)
        return away(9.0)(sent)

    world = World(script)
    completion = world.complete("re2-m", budget=Budget(seconds=35.0))
    assert completion.report.calls == {"write": 2}
    assert completion.report.losses == {"failed": 1}


def test_failures_after_a_restart_have_all_their_retries() -> None:
    def script(sent: Sent) -> str:
        if sent.start >= 9.0 and sent.number < failing_until:
            raise UpstreamError("no", status=500, retryable=True)
        return away(9.0)(sent)

    failing_until = 0
    world = World(script)
    world.complete("re2-m")
    failing_until = len(world.sent) + 2
    world.sent.clear()
    assert world.complete("re2-m").report.losses == {"failed": 3}
    assert world.seconds < 9.0 + LONGEST_WAIT + 0.5 + 1.0 + 2.0 + LATENCY


def test_calls_that_wait_are_not_multiplied_by_hedges_and_use_up_no_budget() -> None:
    slug = "self_consistency(samples=8,mode=fixed,tie=shortest,free_form=medoid)-m"
    world = World(lambda sent: ANSWER)
    world.complete(slug)
    world.sent.clear()
    world.script = away(9.0)
    completion = world.complete(slug, budget=Budget(max_calls=8, seconds=35.0))
    assert completion.report.calls == {"generate": 8}
    assert world.most_running == 8
    assert len(world.sent) <= 8 * (2 + 9)


def test_an_answer_at_hand_is_not_held_back_for_long() -> None:
    world = World(away(1000.0, begins=1.0))
    completion = world.complete("bon-m")
    assert completion.report.stop_reason == "degraded"
    assert DISPENSABLE < world.seconds <= LATENCY + DISPENSABLE + LONGEST_WAIT


def test_judges_are_waited_for_within_that_time() -> None:
    world = World(away(5.0, begins=1.0))
    assert world.complete("bon-m").report.stop_reason == "complete"
    assert world.seconds > 6.0


def test_the_log_says_once_that_calls_wait_and_once_that_the_server_answers(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="optillm.engine.call.retries")
    world = World(away(9.0))
    world.complete("self_consistency(samples=8)-m")
    logged = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert logged[0] == ("WARNING", f"Waiting for upstream default to come back: {GONE}")
    assert logged[1][1].startswith("Upstream default answers again after ")
    assert [level for level, _ in logged] == ["WARNING", "INFO"]


def test_a_wait_that_the_server_asks_for_is_kept() -> None:
    async def pause() -> float:
        limits = Limits(3, lambda: 100.0, lambda: None, lambda: False)
        retries = Retries(limits, Outages(), Random(1))
        assert retries.admit(UpstreamError("loading", retryable=True, restarting=True, retry_after=20.0))
        return retries.pause

    assert 20.0 <= run(pause()) <= 20.5


def test_a_long_wait_is_counted_without_end() -> None:
    async def waits() -> Any:
        limits = Limits(3, lambda: 1e9, lambda: None, lambda: False)
        retries = Retries(limits, Outages(), Random(1))
        return all(retries.admit(UpstreamError("", retryable=True, restarting=True)) for _ in range(2000))

    assert run(waits())


def test_a_stream_is_waited_for_before_its_first_word_only() -> None:
    def script(sent: Sent) -> Say:
        if sent.number:
            raise UpstreamError(GONE, retryable=True, restarting=True)
        return Say("The answer", breaks_off=True)

    world = World(script)
    with pytest.raises(UpstreamError):
        world.events("re2-m")
    assert len(world.sent) == 1


def test_a_stream_that_was_waited_for_is_shown() -> None:
    events = [event for _, event in World(away(9.0)).events("re2-m", budget=Budget(seconds=35.0))]
    assert "".join(event.content for event in events if isinstance(event, Delta)).startswith("The answer is")


# Several upstreams.


def test_another_upstream_is_asked_at_once_and_nobody_waits(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="optillm.engine.call.retries")
    fleet = Fleet(away(9.0), lambda sent: ANSWER)
    assert fleet.text("re2-m") == ANSWER
    assert fleet.seconds == LATENCY
    assert fleet.reached == [1, 1]
    fleet.members[0].script = lambda sent: ANSWER
    fleet.complete("re2-m")
    assert fleet.reached == [2, 1]
    assert not caplog.records


def test_one_of_several_that_restarts_is_waited_for_while_the_others_fail() -> None:
    def broken(sent: Sent) -> str:
        raise failing(500)

    fleet = Fleet(broken, away(9.0))
    assert fleet.text("re2-m", budget=Budget(seconds=35.0)).startswith("The answer is")
    assert 9.0 < fleet.seconds <= 9.0 + PAUSE + LATENCY
