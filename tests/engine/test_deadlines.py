"""Time is kept for the call that writes the answer: what would take it is cut, or does not begin."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from optillm.chat import Budget, Completion
from tests.fakes import HANG, LATENCY, Say, Sent, World

LAST = "Written: the answer is"


def complete(script: Callable[[Sent], Say | str], model: str, seconds: float) -> tuple[World, Completion]:
    world = World(script, retries=0)
    return world, world.complete(model, budget=Budget(seconds=seconds))


def numbered(sent: Sent) -> str:
    return f"{LAST if sent.role == 'write' else 'The answer is'} {sent.number}."


def test_stragglers_are_cut_sooner_when_the_last_call_would_be_late() -> None:
    def script(sent: Sent) -> Say:
        slow = sent.role == "generate" and sent.number > 2
        return Say(numbered(sent), seconds=9.0 if slow else LATENCY)

    world, completion = complete(script, "moa(proposers=6)-m", seconds=2.4)
    assert completion.replies[0].text.startswith(LAST)
    assert completion.report.stop_reason == "deadline"
    assert world.seconds <= 2.4
    assert world.running == 0


def test_without_a_deadline_that_presses_stragglers_have_their_usual_time() -> None:
    def script(sent: Sent) -> Say:
        late = sent.role == "generate" and sent.number > 2
        return Say(numbered(sent), seconds=1.4 if late else LATENCY)

    world, completion = complete(script, "moa(proposers=6)-m", seconds=60)
    assert completion.report.stop_reason == "complete"
    assert world.seconds == pytest.approx(2.4)


@pytest.mark.parametrize(
    ("seconds", "rounds", "stop"), [(2.5, 2, "deadline"), (3.5, 3, "deadline"), (4.5, 4, "complete")]
)
def test_another_layer_does_not_begin_when_it_would_take_the_last_calls_time(
    seconds: float, rounds: int, stop: str
) -> None:
    world, completion = complete(numbered, "moa(layers=4)-m", seconds)
    assert completion.replies[0].text.startswith(LAST)
    assert (completion.report.rounds, completion.report.stop_reason) == (rounds, stop)
    assert world.seconds == rounds


def test_silent_critics_do_not_take_the_last_calls_time() -> None:
    def script(sent: Sent) -> str:
        return HANG if sent.role == "judge" else numbered(sent)

    world, completion = complete(script, "moa(critique=each)-m", seconds=3.0)
    assert completion.replies[0].text.startswith(LAST)
    assert completion.report.stop_reason == "deadline"
    assert world.seconds <= 3.0


def test_helpers_are_not_asked_when_there_is_only_time_for_the_last_call() -> None:
    _, completion = complete(numbered, "moa(critique=each)-m", seconds=2.05)
    assert completion.replies[0].text.startswith(LAST)
    assert "judge" not in completion.report.calls


def test_round_trips_that_hang_leave_time_to_say_what_is_known() -> None:
    def script(sent: Sent) -> str:
        return HANG if sent.role == "judge" else numbered(sent)

    world, completion = complete(script, "rto-m", seconds=4.0)
    assert completion.replies[0].text.startswith("Written: the answer is")
    assert completion.report.stop_reason == "deadline"
    assert world.seconds < 4.0


def test_a_technique_that_ends_by_choosing_may_use_all_of_its_time() -> None:
    def script(sent: Sent) -> Say:
        return Say('{"ranking": ["B", "A"]}' if sent.role == "judge" else numbered(sent), seconds=1.4)

    world, completion = complete(script, "bon-m", seconds=2.85)
    assert completion.report.stop_reason == "complete"
    assert world.seconds == pytest.approx(2.8)


def test_before_there_is_anything_to_write_from_everything_is_waited_for() -> None:
    world, completion = complete(lambda sent: Say(numbered(sent), seconds=3.0), "moa-m", seconds=4.0)
    assert completion.replies[0].text.startswith("The answer is")
    assert completion.report.stop_reason == "deadline"
    assert world.seconds == 4.0
