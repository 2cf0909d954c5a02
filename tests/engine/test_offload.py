"""The child that computes canonical forms: shared by all requests, and kept from none by another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from optillm.engine import offload
from optillm.engine.offload import MOST_WAITING, SECONDS, Offload
from tests.fakes import run

TOWER = "9^{9^{9^9}}"


class Job(Future[Any]):
    """A job of a pool whose child the test plays."""

    def __init__(self, source: str | None) -> None:
        super().__init__()
        self.source = source


class Pool:
    """Takes jobs and finishes none by itself, except the first, which asks whether the child is up."""

    active = True

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def schedule(self, function: Any, args: Any = (None,), timeout: float | None = None) -> Job:
        job = Job(*args)
        if job.source is None:
            job.set_result(None)
        else:
            assert timeout == SECONDS
            self.jobs.append(job)
        return job


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    played = Pool()
    monkeypatch.setattr(offload, "ProcessPool", lambda **_: played)
    return played


@pytest.fixture
def child() -> Iterator[Offload]:
    real = Offload()
    yield real
    real.close()


def now() -> float:
    return asyncio.get_running_loop().time()


async def scheduled(pool: Pool, count: int) -> None:
    for _ in range(10):  # turns of the loop, not time
        await asyncio.sleep(0)
    assert len(pool.jobs) == count


def test_equal_expressions_get_equal_forms_from_a_real_child(child: Offload) -> None:
    async def both() -> tuple[str | None, str | None]:
        canonical = child.share()
        await child.ready()
        return await canonical("2x"), await canonical("x+x")

    one, other = asyncio.run(both())
    assert one is not None
    assert one == other


def test_an_endless_expression_has_no_form_and_the_child_recovers(child: Offload) -> None:
    async def after() -> str | None:
        await child.ready()
        assert await child.share()(TOWER) is None
        while (form := await child.share()("x")) is None:
            pass
        return form

    assert asyncio.run(after())


def test_all_expressions_of_one_request_share_its_time(pool: Pool) -> None:
    async def storm() -> tuple[list[str | None], float]:
        canonical = Offload().share()
        return await asyncio.gather(*(canonical(f"x+{i}") for i in range(64))), now()

    forms, seconds = run(storm())
    assert set(forms) == {None}
    assert seconds == SECONDS
    assert len(pool.jobs) == 1


def test_one_request_waits_for_nothing_when_many_others_do(pool: Pool) -> None:
    async def crowd() -> tuple[str | None, float]:
        shared = Offload()
        others = [asyncio.create_task(shared.share()(f"x+{i}")) for i in range(MOST_WAITING)]
        await scheduled(pool, MOST_WAITING)
        form, seconds = await shared.share()("y"), now()
        await asyncio.gather(*others)
        return form, seconds

    assert run(crowd()) == (None, 0.0)
    assert len(pool.jobs) == MOST_WAITING


def test_what_is_known_needs_neither_time_nor_the_child(pool: Pool) -> None:
    async def twice() -> list[str | None]:
        shared = Offload()
        asking = asyncio.create_task(shared.share()("2x"))
        await scheduled(pool, 1)
        pool.jobs[0].set_result("x·2")
        first = await asking
        canonical = shared.share()
        assert await canonical("hangs") is None
        return [first, await canonical("2x")]

    assert run(twice()) == ["x·2", "x·2"]


@pytest.mark.parametrize("running", [False, True])
def test_a_request_that_is_called_off_takes_its_waiting_job_with_it(pool: Pool, running: bool) -> None:
    async def called_off() -> None:
        asking = asyncio.create_task(Offload().share()("2x"))
        await scheduled(pool, 1)
        if running:
            pool.jobs[0].set_running_or_notify_cancel()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    run(called_off())
    assert pool.jobs[0].cancelled() is not running  # ending a running one would end the child


def test_a_form_that_came_too_late_is_asked_for_again(pool: Pool) -> None:
    async def late() -> None:
        shared = Offload()
        assert await shared.share()("2x") is None
        assert await shared.share()("2x") is None

    run(late())
    assert [job.source for job in pool.jobs] == ["2x", "2x"]
