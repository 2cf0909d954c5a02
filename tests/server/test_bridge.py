"""The bridge: results, errors, cancellation, interruptions, back-pressure; in greenlets on a real loop."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from optillm.errors import InvalidRequest, ShuttingDown
from optillm.server.bridge import AHEAD, Batches, ClientGone, GreenletTask, await_only, in_thread


def run_in_greenlet(code: Callable[[], Any]) -> Any:
    """Return what code gives in a greenlet."""
    return asyncio.run(GreenletTask(code).drive())


async def begun(code: Callable[[], Any]) -> tuple[GreenletTask, asyncio.Task[Any]]:
    """A greenlet in an asyncio task of its own, which has come as far as it could."""
    greenlet = GreenletTask(code)
    task = asyncio.create_task(greenlet.drive())
    await turns()
    return greenlet, task


async def turns(count: int = 10) -> None:
    """Let everything that can go on do so."""
    for _ in range(count):
        await asyncio.sleep(0)


async def echo(value: int) -> int:
    await asyncio.sleep(0)
    return value


async def count(upto: int) -> AsyncIterator[int]:
    for number in range(upto):
        yield number


class Endless:
    """Work that never ends by itself and tells what became of it."""

    began = cancelled = cleaned = False

    async def run(self) -> None:
        self.began = True
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        finally:
            await turns(3)  # cleaning up may take a moment
            self.cleaned = True

    async def events(self) -> AsyncIterator[str]:
        yield "first"
        await self.run()


def flat(batches: Batches[int]) -> list[int]:
    return [event for batch in batches for event in batch]


# Results


def test_gives_the_result_of_a_coroutine() -> None:
    assert run_in_greenlet(lambda: await_only(echo(7)) + await_only(echo(1))) == 8


def test_raises_what_the_coroutine_raised() -> None:
    error = InvalidRequest("no", param="n")

    async def fail() -> None:
        raise error

    def code() -> str:
        with pytest.raises(InvalidRequest) as caught:
            await_only(fail())
        assert caught.value is error
        return "handled"

    assert run_in_greenlet(code) == "handled"


@pytest.mark.parametrize("waits", [False, True])
def test_what_the_code_raises_is_raised(waits: bool) -> None:
    def code() -> None:
        if waits:
            await_only(echo(1))
        raise InvalidRequest("no")

    with pytest.raises(InvalidRequest):
        run_in_greenlet(code)


def test_a_coroutine_that_cancels_itself_has_failed() -> None:
    async def quit_early() -> None:
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="cancelled itself"):
        run_in_greenlet(lambda: await_only(quit_early()))


def test_nobody_waits_outside_of_a_greenlet() -> None:
    coroutine = echo(1)
    with pytest.raises(RuntimeError, match="only a GreenletTask"):
        await_only(coroutine)
    coroutine.close()


def test_runs_in_the_thread_of_the_loop_and_in_thread_in_another() -> None:
    def code() -> tuple[int, int]:
        return threading.get_ident(), in_thread(threading.get_ident)

    inside, outside = run_in_greenlet(code)
    assert inside == threading.get_ident() != outside


def test_keeps_the_codes_context_to_itself() -> None:
    marker: contextvars.ContextVar[str] = contextvars.ContextVar("marker", default="none")

    async def read() -> str:
        return marker.get()

    async def events() -> AsyncIterator[str]:
        yield marker.get()

    def code() -> tuple[str, str, list[str], str]:
        before = marker.get()
        marker.set("the code's")
        [streamed] = Batches(events())
        return before, await_only(read()), streamed, marker.get()

    marker.set("the caller's")
    assert run_in_greenlet(code) == ("none", "the caller's", ["none"], "the code's")


def test_two_hundred_greenlets_wait_for_each_other() -> None:
    async def serve() -> list[int]:
        everyone = asyncio.Barrier(200)
        greenlets = [GreenletTask(lambda: await_only(everyone.wait())) for _ in range(200)]
        return list(await asyncio.gather(*(greenlet.drive() for greenlet in greenlets)))

    assert sorted(asyncio.run(serve())) == list(range(200))


# Clients that leave


def test_a_client_that_leaves_cancels_the_coroutine_and_waits_for_its_end() -> None:
    work, seen = Endless(), list[object]()

    def code() -> None:
        try:
            await_only(work.run())
        except ClientGone:
            seen.append((work.cancelled, work.cleaned))
            seen.append(await_only(echo(5)))  # cleaning up may wait
            raise

    async def leave() -> None:
        _, task = await begun(code)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(leave())
    assert seen == [(True, True), 5]


def test_what_runs_in_a_thread_comes_to_its_end_and_the_client_has_left_where_the_code_waits_next() -> None:
    go, seen = threading.Event(), list[object]()

    def code() -> None:
        seen.append(in_thread(go.wait))
        with pytest.raises(ClientGone):
            await_only(echo(1))
        seen.append("left")

    async def leave() -> None:
        _, task = await begun(code)
        task.cancel()
        await turns()
        go.set()
        await task

    asyncio.run(leave())
    assert seen == [True, "left"]


# Interruptions


def test_an_interruption_breaks_off_what_the_code_waits_for() -> None:
    work = Endless()

    def code() -> int:
        with pytest.raises(ShuttingDown):
            await_only(work.run())
        return await_only(echo(3))

    async def interrupt() -> Any:
        greenlet, task = await begun(code)
        greenlet.interrupt(ShuttingDown("bye"))
        greenlet.interrupt(ClientGone())  # the first one counts
        return await task, task.cancelling()

    assert asyncio.run(interrupt()) == (3, 0)
    assert work.cleaned


def test_an_interruption_of_code_that_waits_for_something_else_is_felt_the_next_time() -> None:
    async def interrupt() -> Any:
        going = asyncio.Event()

        def code() -> str:
            GreenletTask.current().wait(going.wait())
            with pytest.raises(ShuttingDown):
                await_only(echo(1))
            return "felt"

        greenlet, task = await begun(code)
        greenlet.interrupt(ShuttingDown("bye"))
        await turns()
        assert not task.done()
        going.set()
        told = await task
        greenlet.interrupt(ShuttingDown("too late"))
        return told

    assert asyncio.run(interrupt()) == "felt"


def test_a_result_that_came_in_spite_of_an_interruption_counts() -> None:
    async def stubborn() -> int:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return 4
        raise AssertionError

    def code() -> int:
        result = await_only(stubborn())
        with pytest.raises(ShuttingDown):
            await_only(echo(1))
        return result

    async def interrupt() -> Any:
        greenlet, task = await begun(code)
        greenlet.interrupt(ShuttingDown("bye"))
        return await task, task.cancelling()

    assert asyncio.run(interrupt()) == (4, 0)


# Streams


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


def test_a_slow_reader_holds_the_producer_back() -> None:
    made = 0

    async def eager() -> AsyncIterator[int]:
        nonlocal made
        for made in range(1, 10 * AHEAD + 1):
            yield made

    def code() -> tuple[int, list[int]]:
        batches = Batches(eager())
        await_only(turns(20 * AHEAD))
        return made, flat(batches)

    ahead, events = run_in_greenlet(code)
    assert ahead == AHEAD + 1  # the one that waits for room included
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
        assert (work.cancelled, work.cleaned) == (first, first)
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
