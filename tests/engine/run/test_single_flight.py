"""Work that several wait for: who makes it, who gets it, and when it ends because nobody waits."""

from __future__ import annotations

import asyncio

import pytest

from optillm.engine.run.single_flight import SharedTask, SingleFlight
from tests.fakes import run


class Work:
    """Work of a second, which counts how often it was begun and cancelled."""

    def __init__(self, error: Exception | None = None) -> None:
        self.begun = self.cancelled = 0
        self._error = error

    async def __call__(self, _: object = None) -> int:
        self.begun += 1
        number = self.begun
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self._error is not None:
            raise self._error
        return number


def test_the_same_call_is_made_once_and_the_next_of_it_again() -> None:
    work = Work()

    async def main() -> list[int]:
        calls = SingleFlight[int]()
        places = [(b"a", 0), (b"a", 0), (b"a", 1), (b"b", 0), (b"a", 0)]
        return await asyncio.gather(*(calls.run(key, index, work) for key, index in places))

    assert run(main()) == [1, 1, 2, 3, 1]
    assert work.begun == 3


def test_a_failure_is_everybodys() -> None:
    work = Work(OSError("no"))

    async def main() -> list[int | BaseException]:
        calls = SingleFlight[int]()
        return await asyncio.gather(*(calls.run(b"a", 0, work) for _ in range(2)), return_exceptions=True)

    one, other = run(main())
    assert isinstance(one, OSError)
    assert one is other
    assert work.begun == 1


def test_a_call_that_nobody_waits_for_is_cancelled_and_made_anew_for_the_next() -> None:
    work = Work()

    async def main() -> int:
        calls = SingleFlight[int]()
        waiting = [asyncio.create_task(calls.run(b"a", 0, work)) for _ in range(2)]
        await asyncio.sleep(0.5)
        waiting[0].cancel()
        await asyncio.wait(waiting[:1])
        assert work.cancelled == 0
        waiting[1].cancel()
        await asyncio.sleep(0)
        return await calls.run(b"a", 0, work)

    assert run(main()) == 2
    assert work.cancelled == 1


def test_work_lingers_for_somebody_who_comes_back() -> None:
    work = Work()

    async def main() -> int:
        shared = SharedTask(work)
        first = asyncio.create_task(shared.outcome(lambda: 0.7))
        await asyncio.sleep(0.1)
        first.cancel()
        await asyncio.wait([first])
        assert not shared.attended.is_set()
        await asyncio.sleep(0.6)
        assert not shared.cancelled
        outcome = await shared.outcome()
        assert shared.attended.is_set()
        assert shared.succeeded
        return outcome

    assert run(main()) == 1


def test_work_does_not_linger_for_ever() -> None:
    work = Work()

    async def main() -> float:
        shared = SharedTask(work)
        first = asyncio.create_task(shared.outcome(lambda: 0.5))
        await asyncio.sleep(0.1)
        first.cancel()
        await asyncio.wait([first, shared.task])
        assert shared.cancelled
        assert not shared.succeeded
        return asyncio.get_running_loop().time()

    assert run(main()) == 0.6


def test_a_failure_that_nobody_waits_for_any_more_is_not_complained_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    work = Work(OSError("no"))

    async def main() -> None:
        shared = SharedTask(work)
        first = asyncio.create_task(shared.outcome(lambda: 5.0))
        await asyncio.sleep(0.5)
        first.cancel()
        await asyncio.sleep(1)
        assert shared.task.done()

    run(main())
    assert caplog.records == []
