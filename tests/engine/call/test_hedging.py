"""Hedged calls: what is silent for too long is made again, within bounds, and nobody waits for the slowest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from optillm.chat import Budget, Completion, Delta, Usage
from optillm.engine.call.hedging import HEDGE, LIGHT, PATIENCE, UNKNOWN
from optillm.engine.call.payload import REPEATED
from optillm.engine.run import concurrency
from optillm.engine.upstream.latency import Pace
from optillm.errors import DeadlineExceeded
from tests.fakes import HANG, LATENCY, Say, Sent, World, failing

ANSWER = "The answer is 4."


def hanging(*numbers: int) -> Callable[[Sent], str]:
    """These calls never answer."""
    return lambda sent: HANG if sent.number in numbers else ANSWER


def warm(script: Callable[[Sent], Any], model: str = "re2-m", **more: Any) -> World:
    """A world that has served one such request before; its calls are not counted."""
    world = World(lambda sent: ANSWER, **more)
    world.complete(model)
    world.sent.clear()
    world.script = script
    return world


def test_a_silent_call_is_made_again_and_the_first_reply_wins() -> None:
    world = warm(hanging(0))
    completion = world.complete("re2-m")
    assert completion.replies[0].text == ANSWER
    assert world.seconds == HEDGE * LATENCY + LATENCY
    assert [sent.outcome for sent in world.sent] == ["cancelled", "ok"]
    assert completion.report.rounds == 1


def test_the_repetition_and_the_call_that_lost_are_on_the_bill() -> None:
    completion = warm(hanging(0)).complete("re2-m")
    assert completion.report.calls == {"write": 2}
    assert completion.report.losses == {"cancelled": 1}
    assert completion.usage is not None
    assert completion.usage.estimated
    assert completion.usage.completion_tokens == 5


def test_the_call_itself_may_still_win() -> None:
    world = warm(lambda sent: Say(ANSWER, seconds=2.5) if sent.number == 0 else HANG)
    assert world.text("re2-m") == ANSWER
    assert world.seconds == 2.5
    assert [sent.outcome for sent in world.sent] == ["ok", "cancelled"]


def test_a_prompt_call_is_never_repeated() -> None:
    world = warm(lambda sent: Say(ANSWER, seconds=HEDGE * LATENCY - 0.01))
    world.complete("re2-m")
    assert len(world.sent) == 1


def test_short_calls_vary_more_than_they_last() -> None:
    world = World(lambda sent: Say(ANSWER, seconds=0.1), latency=0.1)
    world.complete("re2-m")
    world.script = lambda sent: Say(ANSWER, seconds=0.05 + PATIENCE)
    world.complete("re2-m")
    assert len(world.sent) == 2


def test_what_nothing_can_replace_is_repeated_less_and_less_until_the_deadline() -> None:
    world = warm(lambda sent: HANG, retries=2)
    with pytest.raises(DeadlineExceeded):
        world.complete("re2-m", budget=Budget(seconds=50))
    assert [sent.start for sent in world.sent] == [0.0, 2.0, 4.0, 6.0, 10.0, 18.0, 34.0]
    assert world.seconds == 50.0
    assert world.running == 0


def test_without_retries_nothing_is_repeated_or_given_up() -> None:
    world = warm(lambda sent: HANG if sent.role == "judge" else f"The answer is {sent.number}.", retries=0)
    completion = world.complete("bon-m", budget=Budget(seconds=50))
    assert world.seconds == 50.0
    assert completion.report.stop_reason == "deadline"
    assert len(world.sent) == 6


def test_a_model_nobody_knows_is_given_half_a_minute() -> None:
    world = World(hanging(0))
    world.complete("re2-m")
    assert world.seconds == UNKNOWN + LATENCY


def test_a_model_nobody_knows_is_given_a_quarter_of_a_short_deadline() -> None:
    world = World(hanging(0))
    world.complete("re2-m", budget=Budget(seconds=20))
    assert world.seconds == 5.0 + LATENCY


def test_the_requests_own_calls_say_what_is_usual() -> None:
    world = World(hanging(0, 1))
    world.complete("bon(n=3,prevote=false)-m")
    assert world.seconds == HEDGE * LATENCY + LATENCY


def test_a_long_answer_is_not_taken_for_many_lost_ones() -> None:
    """Others' calls took a second, all of this request's take ten: one of them is tried again, not all."""
    world = warm(lambda sent: Say(ANSWER, seconds=10.0), "self_consistency-m", retries=3)
    world.complete("self_consistency-m")
    assert len(world.sent) == 8 + 4


def test_a_repetition_that_fails_changes_nothing() -> None:
    def script(sent: Sent) -> str | Say:
        if sent.number:
            raise failing(500)
        return Say(ANSWER, seconds=2.5)

    world = warm(script)
    assert world.text("re2-m") == ANSWER
    assert world.seconds == 2.5


def test_a_call_that_fails_late_leaves_it_to_its_repetition() -> None:
    def script(sent: Sent) -> str | Say | dict[str, Any]:
        return ANSWER if sent.number else Say(None, seconds=2.5, breaks_off=True)

    world = warm(script)
    [*_, (seconds, last)] = world.events("re2-m")
    assert isinstance(last, Completion)
    assert last.replies[0].text == ANSWER
    assert seconds == 3.0


def test_the_failure_is_the_calls_own_when_its_repetitions_fail_too() -> None:
    world = warm(lambda sent: Say(None, seconds=2.5, breaks_off=True) if not sent.number else HANG, retries=1)
    with pytest.raises(DeadlineExceeded):
        world.events("re2-m", budget=Budget(seconds=30))


def test_a_budget_without_room_for_it_repeats_nothing_and_stops_nothing() -> None:
    world = warm(lambda sent: Say(ANSWER, seconds=5.0))
    completion = world.complete("re2-m", budget=Budget(max_calls=1))
    assert len(world.sent) == 1
    assert completion.report.stop_reason == "complete"


def test_a_full_upstream_is_not_burdened_with_repetitions() -> None:
    world = warm(lambda sent: Say(ANSWER, seconds=5.0), cap=1)
    world.complete("re2-m")
    assert len(world.sent) == 1


def test_a_judge_that_stays_silent_is_given_up_for_the_answer_at_hand() -> None:
    world = World(
        lambda sent: f"The answer is {sent.number}." if sent.role != "judge" else '{"ranking": ["A"]}'
    )
    world.complete("bon-m")
    world.script = lambda sent: HANG if sent.role == "judge" else f"The answer is {sent.number}."
    completion = world.complete("bon-m")
    assert completion.report.stop_reason == "degraded"
    assert world.seconds <= LATENCY + 6 * HEDGE
    assert world.running == 0


@pytest.mark.parametrize(("seconds", "stop"), [(20, "deadline"), (200, "degraded")])
def test_judges_nobody_has_heard_yet_are_given_half_a_minute(seconds: float, stop: str) -> None:
    world = World(lambda sent: HANG if sent.role == "judge" else f"The answer is {sent.number}.")
    completion = world.complete("bon-m", budget=Budget(seconds=seconds))
    assert completion.report.stop_reason == stop
    assert world.seconds == min(seconds, 1 + 3 * HEDGE + UNKNOWN)


def test_a_stream_silent_before_its_first_word_is_made_again() -> None:
    world = warm(hanging(0))
    events = world.events("re2-m")
    assert [(at, event.content) for at, event in events if isinstance(event, Delta)] == [(3.0, ANSWER)]
    assert world.running == 0


def test_only_one_of_two_streams_is_shown() -> None:
    """Both have their first word at the same moment."""
    world = warm(lambda sent: Say("One\nand two\n", seconds=3.0 if sent.number == 0 else 1.0))
    events = [event for _, event in world.events("re2-m")]
    assert "".join(event.content for event in events if isinstance(event, Delta)) == "One\nand two\n"
    assert sorted(sent.outcome for sent in world.sent) == ["cancelled", "ok"]


def test_a_stream_that_only_thinks_has_shown_nothing_and_is_made_again() -> None:
    def script(sent: Sent) -> Say:
        marker = sent.prompt.split("consists of nothing but\n")[1].split("\n")[0]
        return Say(f"notes\n{marker}\nDone." if sent.number else "notes\n", breaks_off=sent.number == 0)

    events = [event for _, event in World(script).events("cot_reflection-m")]
    assert [event.content for event in events if isinstance(event, Delta)] == ["Done."]


def test_a_client_that_reads_slowly_does_not_make_a_model_slow() -> None:
    world = World(lambda sent: "One\nand two\n")

    async def dawdle() -> None:
        stream = await world.serve("re2-m", stream=True)
        async for _ in stream.events:  # type: ignore[union-attr]
            pass

    world.run(dawdle())
    assert world.engine.routes.silences.typical(("write", "m")) == Pace(LATENCY)


def test_usage_of_both_counts_when_both_are_back() -> None:
    world = warm(lambda sent: Say(ANSWER, seconds=2.5) if sent.number == 0 else ANSWER)
    completion = world.complete("re2-m")
    assert completion.usage is not None
    assert completion.usage.completion_tokens == Usage(10, 5).completion_tokens


def test_repetitions_that_the_budget_refuses_do_not_stop_the_request_for_it() -> None:
    def script(sent: Sent) -> Say:
        return Say(ANSWER, seconds=1.0 if sent.number == 0 else 2.5)

    model = "self_consistency(mode=fixed, samples=3, tie=shortest)-m"
    completion = warm(script, model).complete(model, budget=Budget(max_calls=4))
    assert completion.report.calls == {"generate": 4}
    assert completion.report.stop_reason == "complete"


def test_a_repetition_is_no_second_draw_of_the_same_reply() -> None:
    world = warm(hanging(0))
    world.complete("re2-m", temperature=0)
    first, again = world.sent
    assert "seed" not in first.body
    assert again.body["seed"] == REPEATED
    world = warm(hanging(0))
    world.complete("re2-m", seed=7)
    assert [sent.body["seed"] for sent in world.sent] == [7, 7 + REPEATED]
    world = warm(hanging(0))
    world.complete("re2-m")
    assert not any("seed" in sent.body for sent in world.sent)
    world = warm(hanging(0))
    world.events("re2-m", temperature=0)
    assert [sent.body.get("seed") for sent in world.sent] == [None, REPEATED]


@pytest.mark.parametrize(
    ("tokens", "patience"), [(LIGHT // 4, HEDGE), (LIGHT, 2 * HEDGE), (2 * LIGHT, 4 * HEDGE)]
)
def test_a_long_prompt_is_given_more_time(tokens: int, patience: float) -> None:
    """Four characters are a token, and the technique has each question read twice."""
    world = warm(hanging(0))
    world.complete("re2-m", "four" * tokens)
    assert world.seconds == pytest.approx(patience * LATENCY + LATENCY, rel=0.05)


def test_a_short_prompt_after_a_long_one_is_given_no_less() -> None:
    world = World(lambda sent: ANSWER)
    world.complete("re2-m", "a " * 4000)
    world.sent.clear()
    world.script = hanging(0)
    world.complete("re2-m")
    assert world.seconds == HEDGE * LATENCY + LATENCY


def test_what_is_left_of_a_wait_for_stragglers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait that ended a rounding error early was followed by a hundred thousand others."""
    waits, wait = count(), asyncio.wait

    async def counted(tasks: Any, **more: Any) -> Any:
        assert next(waits) < 100
        return await wait(tasks, **more)

    world = warm(lambda sent: ANSWER if sent.number < 2 else HANG)
    monkeypatch.setattr("optillm.engine.run.concurrency.asyncio.wait", counted)
    monkeypatch.setattr(concurrency, "_patience", lambda *_: 1e-10)
    world.complete("moa-m")
    assert next(waits) < 20
