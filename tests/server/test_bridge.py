"""The bridge: results, errors, cancellation, interruptions; in greenlets on a real loop."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from optillm.errors import InvalidRequest, ShuttingDown
from optillm.server.batches import Batches
from optillm.server.bridge import ClientGone, GreenletTask, ThreadTask, await_only, current_task, in_thread
from tests.server.greenlets import Endless, begun, count, echo, run_in_greenlet, turns

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
    with pytest.raises(RuntimeError, match="can wait for the event loop"):
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


def test_what_is_cancelled_by_an_interruption_can_read_its_reason() -> None:
    reasons: list[Any] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError as cancelled:
            reasons.extend(cancelled.args)
            raise

    def code() -> None:
        with pytest.raises(ShuttingDown):
            await_only(work())

    async def interrupt() -> None:
        greenlet, task = await begun(code)
        greenlet.interrupt(ShuttingDown("bye"))
        await task

    asyncio.run(interrupt())
    assert [str(reason) for reason in reasons] == ["bye"]


def test_an_interruption_of_code_that_waits_for_something_else_is_felt_the_next_time() -> None:
    async def interrupt() -> Any:
        going = asyncio.Event()

        def code() -> str:
            current_task().wait(going.wait())
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


# Threads


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A running loop in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def thread_task(loop: asyncio.AbstractEventLoop) -> Iterator[ThreadTask]:
    """The task of this thread."""
    task = ThreadTask(loop)
    with task.running():
        yield task


def test_a_thread_waits_for_a_coroutine_on_the_loop(thread_task: ThreadTask) -> None:
    async def where() -> int:
        return threading.get_ident()

    assert await_only(echo(7)) == 7
    assert await_only(where()) != threading.get_ident() == in_thread(threading.get_ident)


def test_a_thread_gets_what_the_coroutine_raised(thread_task: ThreadTask) -> None:
    async def fail(error: BaseException) -> None:
        raise error

    with pytest.raises(InvalidRequest):
        await_only(fail(InvalidRequest("no")))
    with pytest.raises(RuntimeError, match="cancelled itself"):
        await_only(fail(asyncio.CancelledError()))


def test_nothing_of_a_threads_context_reaches_the_loop(thread_task: ThreadTask) -> None:
    marker: contextvars.ContextVar[str] = contextvars.ContextVar("marker", default="none")

    async def read() -> str:
        return marker.get()

    async def events() -> AsyncIterator[str]:
        yield marker.get()

    marker.set("the code's")
    assert await_only(read()) == "none"
    assert list(Batches(events())) == [["none"]]


def test_a_thread_is_nobodys_task_afterwards(loop: asyncio.AbstractEventLoop) -> None:
    with ThreadTask(loop).running():
        current_task()
    with pytest.raises(RuntimeError):
        current_task()


def test_an_interruption_breaks_off_what_a_thread_waits_for(thread_task: ThreadTask) -> None:
    work = Endless()

    async def interrupt() -> None:
        thread_task.interrupt(ShuttingDown("bye"))
        thread_task.interrupt(ClientGone())  # the first one counts
        await work.run()

    with pytest.raises(ShuttingDown):
        await_only(interrupt())
    assert work.cleaned
    assert await_only(echo(3)) == 3


def test_an_interruption_before_a_thread_waits_is_felt_then(thread_task: ThreadTask) -> None:
    thread_task.interrupt(ShuttingDown("bye"))
    with pytest.raises(ShuttingDown):
        await_only(echo(1))
    assert await_only(echo(2)) == 2


def test_a_thread_streams_events_in_order_and_cancels_a_producer_it_closes(thread_task: ThreadTask) -> None:
    assert [event for batch in Batches(count(1000)) for event in batch] == list(range(1000))
    work = Endless()
    batches = Batches(work.events())
    assert next(batches) == ["first"]
    await_only(turns())
    batches.close()
    batches.close()
    assert (work.cancelled, work.cleaned) == (True, True)
    assert list(batches) == []
