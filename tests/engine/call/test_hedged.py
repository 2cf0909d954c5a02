"""A call and its repetitions, with layers below that are slow, silent or fail."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable

import pytest

from optillm.chat import Budget
from optillm.engine.call.attempts import Attempts
from optillm.engine.call.call import Call, Result
from optillm.engine.call.hedged import Hedged
from optillm.engine.call.hedging import HEDGE, Hedging
from optillm.engine.call.ledger import Ledger
from optillm.engine.upstream.latency import LatencyTracker, Pace
from optillm.errors import UpstreamError
from tests.engine.call.layers import ANSWER, Next, call, result
from tests.fakes import HANG, World, failing, run

Step = Callable[[Call], Awaitable[Result]]


def hedged(made: Call, *steps: Step, limit: int = 3, room: bool = True) -> tuple[Result, float, Next]:
    """The result, the seconds that it took, and the layers below; such calls take a second as a rule."""
    below = Next(*steps)

    async def timed() -> tuple[Result, float]:
        clock = asyncio.get_running_loop().time
        latencies = LatencyTracker()
        latencies.add(made.kind, Pace(1.0))
        ledger = Ledger(Budget(), clock)
        layer = Hedged(Hedging(latencies, LatencyTracker(), limit, ledger, lambda call: room))
        return await layer(made, below), clock()

    return *run(timed()), below


def after(seconds: float, outcome: Result | UpstreamError | None = None) -> Step:
    """A call that is sent at once, and answered or failed so many seconds later."""

    async def step(made: Call) -> Result:
        made.mark_sent()
        await asyncio.sleep(seconds)
        if isinstance(outcome, UpstreamError):
            raise outcome
        return outcome or result()

    return step


def test_a_call_that_answers_in_time_goes_down_once() -> None:
    _, seconds, below = hedged(call(), after(HEDGE - 0.1))
    assert seconds == HEDGE - 0.1
    assert [made.is_repetition for made in below.calls] == [False]


def test_a_silent_call_goes_down_again_as_a_copy_and_the_first_result_counts() -> None:
    made = call(parameters={"temperature": 0})
    outcome, seconds, below = hedged(made, after(99, result("late")), after(1, result("first")))
    assert (outcome, seconds) == (result("first"), HEDGE + 1)
    assert below.calls[0] is made
    assert below.calls[1].is_repetition
    assert below.calls[1].history is made.history
    assert "seed" in below.calls[1].payload.parameters
    assert "seed" not in made.payload.parameters
    assert made.span.attributes["optillm.repetitions"] == 1


@pytest.mark.parametrize("bounds", [{"limit": 0}, {"room": False}])
def test_without_retries_or_room_nothing_goes_down_again(bounds: dict[str, int]) -> None:
    _, seconds, below = hedged(call(), after(99), **bounds)  # type: ignore[arg-type]
    assert (seconds, len(below.calls)) == (99, 1)


def test_a_wait_before_the_call_is_sent_is_no_silence() -> None:
    async def queued(made: Call) -> Result:
        await asyncio.sleep(50)
        return await after(1)(made)

    _, seconds, below = hedged(call(), queued)
    assert (seconds, len(below.calls)) == (51, 1)


def test_the_failure_of_the_call_itself_goes_up_when_its_repetitions_fail_too() -> None:
    with pytest.raises(UpstreamError, match="own"):
        hedged(call(), after(HEDGE + 5, failing(503, "own")), after(1, failing(503, "another's")), limit=1)


def test_the_first_piece_of_a_stream_chooses_an_attempt_and_a_long_pause_after_it_is_an_error() -> None:
    async def stalling(made: Call) -> Result:
        made.mark_sent()
        await asyncio.sleep(HEDGE + 0.5)
        await made.piece_arrived()
        await asyncio.sleep(1e6)
        raise AssertionError("it is given up")

    with pytest.raises(UpstreamError, match="in the middle") as error:
        hedged(call(), stalling, after(9))
    assert error.value.retryable


def test_only_the_chosen_attempt_shows_its_text() -> None:
    shown: list[str] = []

    async def show(text: str) -> None:
        shown.append(text)

    def saying(text: str, seconds: float) -> Step:
        async def step(made: Call) -> Result:
            made.mark_sent()
            await asyncio.sleep(seconds)
            await made.show(text)
            await made.show(".")
            return result(text)

        return step

    outcome, _, below = hedged(call(on_text=show), saying("late", HEDGE + 1), saying("first", 1))
    assert "".join(shown) == f"{outcome.replies[0].text}."
    assert len(below.calls) == 2


def test_a_call_that_has_ended_is_freed_at_once() -> None:
    """Replies are large, and the garbage collector comes when it likes."""

    def left() -> list[object]:
        return [thing for thing in gc.get_objects() if isinstance(thing, Call | Attempts)]

    world = World(lambda sent: ANSWER)
    world.complete("re2-m")
    world.script = lambda sent: HANG if sent.number == 1 else ANSWER
    gc.collect()
    gc.disable()
    try:
        before = len(left())
        world.complete("re2-m")
        assert len(left()) == before
    finally:
        gc.enable()
