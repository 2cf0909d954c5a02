"""The streams of views: order, errors, back-pressure, and what becomes of a producer that is closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from optillm.errors import InvalidRequest
from optillm.server.batches import AHEAD, Batches
from optillm.server.bridge import ClientGone, GreenletTask, await_only
from tests.server.greenlets import Endless, begun, count, echo, run_in_greenlet, turns


def flat(batches: Batches[int]) -> list[int]:
    return [event for batch in batches for event in batch]


def test_streams_events_in_order() -> None:
    assert run_in_greenlet(lambda: flat(Batches(count(1000)))) == list(range(1000))


def test_takes_all_events_that_have_arrived_in_one_go() -> None:
    def code() -> list[list[int]]:
        batches = Batches(count(10))
        await_only(turns(30))
        return list(batches)

    assert run_in_greenlet(code) == [list(range(10))]


def test_raises_what_a_stream_raised_after_the_events_before_it() -> None:
    async def fail() -> AsyncIterator[int]:
        yield 1
        yield 2
        raise InvalidRequest("no")

    def code() -> list[int]:
        seen: list[int] = []
        batches = Batches(fail())
        with pytest.raises(InvalidRequest):
            seen.extend(event for batch in batches for event in batch)
        batches.close()
        assert list(batches) == []
        return seen

    assert run_in_greenlet(code) == [1, 2]


def test_an_empty_batch_says_that_nothing_came_for_a_while() -> None:
    async def serve() -> Any:
        go = asyncio.Event()

        async def late() -> AsyncIterator[int]:
            await go.wait()
            yield 1

        def code() -> list[list[int]]:
            batches = Batches(late(), silence=0.001)
            seen = [next(batches), next(batches)]
            go.set()
            return seen + [batch for batch in batches if batch]

        return await GreenletTask(code).drive()

    assert asyncio.run(serve()) == [[], [], [1]]


@pytest.mark.parametrize(("limit", "room"), [({}, AHEAD), ({"ahead": 1}, 1)])
def test_a_slow_reader_holds_the_producer_back(limit: dict[str, int], room: int) -> None:
    made = 0

    async def eager() -> AsyncIterator[int]:
        nonlocal made
        for made in range(1, 10 * AHEAD + 1):
            yield made

    def code() -> tuple[int, list[int]]:
        batches = Batches(eager(), **limit)
        await_only(turns(20 * AHEAD))
        return made, flat(batches)

    ahead, events = run_in_greenlet(code)
    assert ahead == room + 1  # the one that waits for room included
    assert events == list(range(1, 10 * AHEAD + 1))


@pytest.mark.parametrize("first", [True, False])
def test_closing_a_stream_cancels_its_producer_and_waits_for_its_end(first: bool) -> None:
    work = Endless()

    def code() -> None:
        batches = Batches(work.events())
        if first:
            assert next(batches) == ["first"]
            await_only(turns())
        batches.close()
        assert (work.cancelled, work.cleaned) == (True, True)
        assert list(batches) == []
        batches.close()

    run_in_greenlet(code)


def test_a_failure_of_a_producer_that_is_closed_is_nobodys_news(caplog: pytest.LogCaptureFixture) -> None:
    async def stubborn() -> AsyncIterator[int]:
        try:
            yield 1
            await asyncio.Event().wait()
        finally:
            raise InvalidRequest("too late")

    def code() -> None:
        batches = Batches(stubborn())
        assert next(batches) == [1]
        await_only(turns())
        batches.close()

    run_in_greenlet(code)
    assert not caplog.records


def test_a_client_that_leaves_cancels_the_producer_of_its_stream() -> None:
    work = Endless()

    def code() -> None:
        batches = Batches(work.events())
        try:
            list(batches)
        finally:
            batches.close()

    async def leave() -> None:
        _, task = await begun(code)
        assert work.began
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(leave())
    assert work.cleaned


@pytest.mark.parametrize("later", range(4))
def test_a_client_that_leaves_while_a_stream_is_closed_does_not_break_that_off(later: int) -> None:
    work, seen = Endless(), list[object]()

    def code() -> None:
        batches = Batches(work.events())
        next(batches)
        await_only(turns())
        seen.append("closes")
        batches.close()
        seen.append((work.cancelled, work.cleaned))
        with pytest.raises(ClientGone):
            await_only(echo(1))

    async def leave() -> None:
        task = asyncio.create_task(GreenletTask(code).drive())
        while not seen:
            await turns(1)
        await turns(later)
        task.cancel()
        await task

    asyncio.run(leave())
    assert seen == ["closes", (True, True)]


@pytest.mark.parametrize("starts", [True, False])
def test_closes_an_iterator_that_is_no_generator(starts: bool) -> None:
    class Response:
        closed = False

        def __aiter__(self) -> Response:
            return self

        async def __anext__(self) -> bytes:
            await asyncio.Event().wait()
            raise StopAsyncIteration

        async def aclose(self) -> None:
            self.closed = True

    response = Response()

    def code() -> None:
        batches = Batches(response)
        if starts:
            await_only(turns())
        batches.close()

    run_in_greenlet(code)
    assert response.closed
