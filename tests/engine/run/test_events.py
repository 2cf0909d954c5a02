"""The queue between a producer of events and its reader."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from optillm.engine.run.events import EventQueue
from tests.fakes import run


async def three(outlet: Any) -> None:
    for number in range(3):
        await outlet.send(number)


async def broken(outlet: Any) -> None:
    await outlet.send(0)
    raise LookupError("broken")


class Endless:
    """A producer without an end, which notes that it was cancelled."""

    cancelled = False
    made = 0

    async def __call__(self, outlet: Any) -> None:
        try:
            while True:
                await outlet.send(self.made)
                self.made += 1
        except asyncio.CancelledError:
            self.cancelled = True
            raise


def test_events_come_one_by_one_or_all_that_have_arrived() -> None:
    async def one_by_one() -> list[int]:
        return [event async for event in EventQueue[int](three, 8)]

    async def in_batches() -> list[list[int]]:
        queue = EventQueue[int](three, 8)
        queue.begin()
        await asyncio.sleep(1)
        return [await queue.batch(), await queue.batch(), await queue.batch()]

    assert run(one_by_one()) == [0, 1, 2]
    assert run(in_batches()) == [[0, 1, 2], [], []]


def test_what_a_producer_raises_comes_after_its_events() -> None:
    async def main() -> int:
        queue = EventQueue[int](broken, 8)
        event = await anext(queue)
        with pytest.raises(LookupError):
            await anext(queue)
        return event

    assert run(main()) == 0


def test_a_slow_reader_holds_its_producer_back() -> None:
    work = Endless()

    async def main() -> None:
        queue = EventQueue[int](work, 8)
        queue.begin()
        await asyncio.sleep(1)
        await queue.aclose()

    run(main())
    assert work.made == 8
    assert work.cancelled


@pytest.mark.parametrize("cancelled", [True, False])
def test_a_producer_ends_with_its_reader(cancelled: bool) -> None:
    async def silent(outlet: Any) -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            ended.append(asyncio.get_running_loop().time())

    ended = list[float]()

    async def main() -> None:
        queue = EventQueue[int](silent, 8)
        reading = asyncio.ensure_future(anext(queue))
        await asyncio.sleep(1)
        if cancelled:
            reading.cancel()
        else:
            await queue.aclose()
        await asyncio.gather(reading, return_exceptions=True)

    run(main())
    assert ended == [1.0]


def test_work_that_nobody_looks_at_never_begins() -> None:
    work = Endless()
    queue = EventQueue[int](work, 8)
    run(queue.aclose())
    assert work.made == 0
    assert queue.close_if_ended()


def test_the_wait_for_the_end_may_be_broken_off_and_begun_again() -> None:
    async def lingering(outlet: Any) -> None:
        outlet.close()
        await asyncio.sleep(5)

    async def main() -> list[int]:
        queue = EventQueue[int](lingering, 8)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await queue.batch()
        return await queue.batch()

    assert run(main()) == []
