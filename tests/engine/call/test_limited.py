"""How a call waits for its turn, and what it reports then."""

from __future__ import annotations

import asyncio

import pytest

from optillm.engine.call.call import Call, Result, Traffic
from optillm.engine.call.limited import Limited
from optillm.engine.upstream.limiter import Limiters
from optillm.engine.upstream.routes import Route
from optillm.errors import UpstreamError
from tests.engine.call.layers import Next, call, result, route
from tests.fakes import failing, run


def narrow(cap: int) -> Route:
    made = route()
    made.limiters = Limiters(cap)
    return made


async def slow(made: Call) -> Result:
    await asyncio.sleep(1)
    return result()


def test_a_call_that_has_its_turn_at_once_says_nothing_of_it() -> None:
    made = call()
    assert run(Limited(None, None)(made, slow)) == result()
    assert made.turn is not None
    assert made.traffic.queued == 0
    assert "optillm.queued" not in made.span.attributes


def test_calls_wait_for_each_other_and_are_counted_while_they_do() -> None:
    upstream, traffic = narrow(1), Traffic()
    calls = [call(traffic=traffic) for _ in range(3)]

    async def main() -> int:
        for made in calls:
            made.route = upstream
        tasks = [asyncio.create_task(Limited(None, None)(made, slow)) for made in calls]
        await asyncio.sleep(0.5)
        queued = traffic.queued
        await asyncio.gather(*tasks)
        return queued

    assert run(main()) == 2
    assert traffic.queued == 0
    assert [made.span.attributes.get("optillm.queued") for made in calls] == [None, 1.0, 2.0]


def test_a_call_that_is_cancelled_in_the_queue_is_no_longer_counted() -> None:
    upstream, traffic = narrow(1), Traffic()

    async def main() -> None:
        first, second = call(traffic=traffic), call(traffic=traffic)
        first.route = second.route = upstream
        tasks = [asyncio.create_task(Limited(None, None)(made, slow)) for made in (first, second)]
        await asyncio.sleep(0.5)
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(main())
    assert traffic.queued == 0
    assert upstream.limiters.total.running == 0


def test_a_429_narrows_the_window_of_the_model_and_key() -> None:
    made = call()
    made.route = narrow(8)
    with pytest.raises(UpstreamError):
        run(Limited("Bearer x", None)(made, Next(failing(429))))
    assert made.route.limiters.of("Bearer x", "m").window < 8
    assert made.route.limiters.of(None, "m").window == 8


def test_no_call_begins_while_nobody_waits_for_the_request() -> None:
    async def main() -> list[int]:
        attended, below = asyncio.Event(), Next()
        task = asyncio.create_task(Limited(None, attended)(call(), below))
        await asyncio.sleep(5)
        counts = [len(below.calls)]
        attended.set()
        await task
        return [*counts, len(below.calls)]

    assert run(main()) == [0, 1]
