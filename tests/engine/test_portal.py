"""The portal: results, errors, cancellation, back-pressure, shutdown."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from optillm.engine.portal import AHEAD, Batches, ClientGone, Portal
from optillm.errors import InvalidRequest, ShuttingDown

SOON = 5.0  # seconds: how long a test waits for what must happen


@pytest.fixture
def portal() -> Iterator[Portal]:
    portal = Portal()
    yield portal
    portal.close()


async def echo(value: int) -> int:
    await asyncio.sleep(0)
    return value


async def count(upto: int) -> AsyncIterator[int]:
    for number in range(upto):
        yield number


class Endless:
    """Work that never ends by itself and tells what became of it."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.cancelled = threading.Event()
        self.cleaned = threading.Event()

    async def run(self) -> None:
        self.began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        finally:
            await asyncio.sleep(0.01)  # cleaning up may take a moment
            self.cleaned.set()

    async def events(self) -> AsyncIterator[str]:
        yield "first"
        await self.run()


def eventually(condition: Callable[[], bool]) -> bool:
    limit = time.monotonic() + SOON
    while not condition() and time.monotonic() < limit:
        time.sleep(0.001)
    return condition()


def flat(batches: Batches[int]) -> list[int]:
    return [event for batch in batches for event in batch]


def test_gives_the_result_of_a_coroutine(portal: Portal) -> None:
    assert portal.run(echo(7)) == 7


def test_raises_what_the_coroutine_raised(portal: Portal) -> None:
    error = InvalidRequest("no", param="n")

    async def fail() -> None:
        raise error

    with pytest.raises(InvalidRequest) as caught:
        portal.run(fail())
    assert caught.value is error


def test_a_coroutine_that_cancels_itself_has_failed(portal: Portal) -> None:
    async def quit_early() -> None:
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError):
        portal.run(quit_early())


def test_starts_no_thread_before_the_first_use() -> None:
    before = threading.active_count()
    Portal()
    assert threading.active_count() == before


def test_runs_on_a_thread_of_its_own(portal: Portal) -> None:
    async def name() -> str:
        return threading.current_thread().name

    assert portal.run(name()) == "portal"


def test_does_not_carry_the_callers_context_onto_the_loop(portal: Portal) -> None:
    marker: contextvars.ContextVar[str] = contextvars.ContextVar("marker", default="none")
    marker.set("caller's")

    async def read() -> str:
        return marker.get()

    assert portal.run(read()) == "none"


def test_serves_two_hundred_threads_at_once(portal: Portal) -> None:
    everyone = asyncio.Event()
    here = 0

    async def meet(value: int) -> int:
        nonlocal here
        here += 1
        if here == 200:
            everyone.set()
        await everyone.wait()
        return value

    with ThreadPoolExecutor(200) as pool:
        results = list(pool.map(lambda value: portal.run(meet(value)), range(200)))
    assert results == list(range(200))


def test_a_client_that_leaves_cancels_the_coroutine_and_waits_for_its_end(portal: Portal) -> None:
    work = Endless()
    with pytest.raises(ClientGone):
        portal.run(work.run(), gone=work.began.is_set)
    assert work.cancelled.is_set()
    assert work.cleaned.is_set()


def test_a_failure_during_a_cancellation_is_nobodys_news(portal: Portal) -> None:
    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise InvalidRequest("too late")

    with pytest.raises(ClientGone):
        portal.run(stubborn(), gone=lambda: True)


def test_streams_events_in_order(portal: Portal) -> None:
    assert flat(portal.stream(count(1000))) == list(range(1000))


def test_takes_all_events_that_have_arrived_in_one_go(portal: Portal) -> None:
    batches = portal.stream(count(10))
    assert eventually(lambda: batches.job.arrived.qsize() == 11)  # ten events and the end
    assert next(batches) == list(range(10))
    with pytest.raises(StopIteration):
        next(batches)


def test_raises_what_a_stream_raised_after_the_events_before_it(portal: Portal) -> None:
    async def fail() -> AsyncIterator[int]:
        yield 1
        yield 2
        raise InvalidRequest("no")

    seen: list[int] = []
    batches = portal.stream(fail())
    with pytest.raises(InvalidRequest):
        seen.extend(event for batch in batches for event in batch)
    assert seen == [1, 2]
    assert list(batches) == []


def test_an_empty_batch_says_that_nothing_came_for_a_while(portal: Portal) -> None:
    go = asyncio.Event()

    async def late() -> AsyncIterator[int]:
        await go.wait()
        yield 1

    async def release() -> None:
        go.set()

    batches = portal.stream(late(), silence=0.02)
    assert next(batches) == []
    assert next(batches) == []
    portal.run(release())
    assert flat(batches) == [1]


def test_a_slow_reader_holds_the_producer_back(portal: Portal) -> None:
    made = 0

    async def eager() -> AsyncIterator[int]:
        nonlocal made
        for made in range(1, 10 * AHEAD + 1):
            yield made

    batches = portal.stream(eager())
    assert eventually(lambda: made == AHEAD)
    portal.run(echo(0))  # a full turn of the loop in which the producer could have gone on
    assert made == AHEAD
    assert flat(batches) == list(range(1, 10 * AHEAD + 1))


def test_closing_a_stream_cancels_its_producer_and_waits_for_its_end(portal: Portal) -> None:
    work = Endless()
    batches = portal.stream(work.events())
    assert next(batches) == ["first"]
    batches.close()
    assert work.cancelled.is_set()
    assert work.cleaned.is_set()
    assert list(batches) == []
    batches.close()


def test_closing_a_stream_frees_a_producer_that_waits_for_room(portal: Portal) -> None:
    ended = threading.Event()

    async def eager() -> AsyncIterator[int]:
        try:
            while True:
                yield 0
        finally:
            ended.set()

    batches = portal.stream(eager())
    assert eventually(lambda: batches.job.arrived.qsize() == AHEAD)
    batches.close()
    assert ended.is_set()


def test_a_client_that_leaves_cancels_the_producer_of_its_stream(portal: Portal) -> None:
    work = Endless()
    batches = portal.stream(work.events(), gone=work.began.is_set)
    with pytest.raises(ClientGone):
        list(batches)
    assert work.cleaned.is_set()
    batches.close()  # at once: nothing is left to wait for


def test_closes_an_iterator_that_is_no_generator(portal: Portal) -> None:
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
    portal.stream(response).close()
    assert response.closed


def test_closing_the_portal_ends_waiting_threads_with_an_answer() -> None:
    portal = Portal()
    work = Endless()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(portal.run, work.run())
        assert work.began.wait(SOON)
        portal.close()
        with pytest.raises(ShuttingDown):
            waiting.result(SOON)
    assert work.cleaned.is_set()


def test_closing_the_portal_ends_streams_with_an_error() -> None:
    portal = Portal()
    work = Endless()
    batches = portal.stream(work.events())
    assert next(batches) == ["first"]
    assert work.began.wait(SOON)
    portal.close()
    with pytest.raises(ShuttingDown):
        next(batches)
    batches.close()


def test_the_last_thing_a_portal_does_runs_on_the_loop_after_everything_else() -> None:
    portal = Portal()
    work = Endless()
    seen = []

    async def last() -> None:
        seen.append((work.cleaned.is_set(), threading.current_thread().name))

    batches = portal.stream(work.events())
    assert work.began.wait(SOON)
    portal.close(last=last)
    portal.close(last=last)
    assert seen == [(True, "portal")]
    batches.close()


def test_a_portal_never_used_has_nothing_to_close() -> None:
    async def last() -> None:
        raise AssertionError

    Portal().close(last=last)


def test_a_closed_portal_refuses_work() -> None:
    portal = Portal()
    assert portal.run(echo(1)) == 1
    portal.close()
    with pytest.raises(ShuttingDown):
        portal.run(echo(1))
    with pytest.raises(ShuttingDown):
        portal.stream(count(3))


def test_a_portal_closed_before_its_first_use_refuses_work() -> None:
    portal = Portal()
    portal.close()
    with pytest.raises(ShuttingDown):
        portal.run(echo(1))


def test_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    portal = Portal()
    portal.run(echo(1))
    portal.close()
    assert threading.active_count() == before


def test_closing_twice_does_not_break_off_the_cleaning_up() -> None:
    began, freed, done = threading.Event(), threading.Event(), threading.Event()

    async def events() -> AsyncIterator[int]:
        began.set()
        try:
            await asyncio.Event().wait()
            yield 1
        finally:
            freed.set()
            await asyncio.sleep(0.01)
            done.set()

    async def last() -> None:
        ended.append(done.is_set())

    ended: list[bool] = []
    portal = Portal()
    batches = portal.stream(events())
    assert began.wait(SOON)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(portal.close, last=last)
        assert freed.wait(SOON)
        portal.close(last=last)
        assert ended == [True]
        first.result(SOON)
    with pytest.raises(ShuttingDown):
        next(batches)
