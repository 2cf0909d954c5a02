"""The child that computes canonical forms: shared by all requests, limited in processor time."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future
from concurrent.futures import TimeoutError as Expired
from itertools import repeat
from typing import Any

import pytest
from pebble import ProcessExpired

from optillm.engine import algebra
from optillm.engine.algebra import PATIENCE, SECONDS, Offload, begin, timed_form
from tests.fakes import run

TOWER = "9^{9^{9^9}}"


class Job(Future[Any]):
    """A job of a pool whose child the test plays."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.source = source


class Pool:
    """Takes jobs; finishes those alone whose cost in processor time is known."""

    active = True

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.costs: dict[str, float] = {}

    def schedule(self, function: Any, args: list[str], timeout: float) -> Job:
        assert (function, timeout) == (timed_form, PATIENCE)
        job = Job(*args)
        self.jobs.append(job)
        if job.source in self.costs:
            job.set_result((f"form of {job.source}", self.costs[job.source]))
        return job


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    played = Pool()
    monkeypatch.setattr(algebra, "ProcessPool", lambda **_: played)
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
        return await canonical("2x"), await canonical("x+x")

    one, other = asyncio.run(both())
    assert one is not None
    assert one == other


def test_an_endless_expression_has_no_form_and_the_child_recovers(child: Offload) -> None:
    async def after() -> tuple[str | None, str | None, str | None]:
        hostile = child.share()
        return await hostile(TOWER), await hostile("y"), await child.share()("x")

    endless, next_one, of_others = asyncio.run(after())
    assert (endless, next_one) == (None, None)
    assert of_others is not None


def test_a_request_begins_no_expression_once_its_processor_time_is_spent(pool: Pool) -> None:
    pool.costs = {f"x+{i}": 0.2 for i in range(64)}

    async def storm() -> list[str | None]:
        canonical = Offload().share()
        return await asyncio.gather(*(canonical(source) for source in pool.costs))

    forms = run(storm())
    assert forms[:3] == ["form of x+0", "form of x+1", "form of x+2"]
    assert set(forms[3:]) == {None}
    assert len(pool.jobs) == 3


def test_time_that_passes_without_work_costs_a_request_nothing(pool: Pool) -> None:
    async def slowly() -> list[str | None]:
        canonical = Offload().share()
        forms = []
        for index in range(5):
            asking = asyncio.create_task(canonical(f"x+{index}"))
            await scheduled(pool, index + 1)
            await asyncio.sleep(5)  # a busy machine
            pool.jobs[-1].set_result((f"form {index}", 0.01))
            forms.append(await asking)
        return forms

    assert run(slowly()) == [f"form {index}" for index in range(5)]


def test_many_requests_at_once_all_get_their_forms(pool: Pool) -> None:
    async def crowd() -> list[str | None]:
        shared = Offload()
        asking = [asyncio.create_task(shared.share()(f"x+{i}")) for i in range(200)]
        await scheduled(pool, 200)
        for job in pool.jobs:
            await asyncio.sleep(0.1)
            job.set_result((job.source, 0.1))
        return await asyncio.gather(*asking)

    assert run(crowd()) == [f"x+{i}" for i in range(200)]


def test_nobody_waits_for_ever_for_a_child_that_hangs(pool: Pool) -> None:
    async def hang() -> tuple[list[str | None], float]:
        canonical = Offload().share()
        return await asyncio.gather(*(canonical(f"x+{i}") for i in range(8))), now()

    assert run(hang()) == ([None] * 8, PATIENCE)
    assert len(pool.jobs) == 1


def test_what_is_known_needs_neither_time_nor_the_child(pool: Pool) -> None:
    pool.costs = {"a": 0.3, "b": 0.3, "c": 0.3}

    async def twice() -> list[list[str | None]]:
        shared = Offload()
        return [
            [await canonical(source) for source in "abca"] for canonical in (shared.share(), shared.share())
        ]

    assert run(twice()) == [
        ["form of a", "form of b", None, "form of a"],
        ["form of a", "form of b", "form of c", "form of a"],
    ]
    assert [job.source for job in pool.jobs] == ["a", "b", "c"]


@pytest.mark.parametrize("end", [ProcessExpired, Expired, BrokenExecutor])
def test_an_expression_that_was_interrupted_is_tried_again_for_the_next_request(
    pool: Pool, end: Callable[[str], Exception]
) -> None:
    async def interrupted() -> tuple[str | None, str | None, str | None]:
        shared = Offload()
        one = shared.share()
        asking = asyncio.create_task(one("2x"))
        await scheduled(pool, 1)
        pool.jobs[0].set_exception(end("no longer there"))
        first = await asking
        pool.costs = {"2x": 0.1, "y": 0.1}
        return first, await one("y"), await shared.share()("2x")

    assert run(interrupted()) == (None, None, "form of 2x")


def test_text_that_is_no_expression_is_asked_about_once(pool: Pool) -> None:
    async def words() -> list[str | None]:
        shared = Offload()
        asking = asyncio.create_task(shared.share()("words"))
        await scheduled(pool, 1)
        pool.jobs[0].set_result((None, 0.01))
        return [await asking, await shared.share()("words")]

    assert run(words()) == [None, None]
    assert len(pool.jobs) == 1


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


def forked(work: Callable[[], bool]) -> int:
    """The process id of a child that works as the child of an `Offload` would."""
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            begin(parent)
            os._exit(0 if work() else 1)
        finally:  # a child of the tests must not go on as one
            os._exit(2)
    return pid


def spin(seconds: float) -> None:
    """Use processor time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def swallowing(_: str) -> str:
    """What a library can do with an interruption."""
    try:
        spin(60)
    except Exception:  # noqa: BLE001  as sympy does here and there
        return "half a form"
    return "a form"


def test_an_expression_that_uses_up_its_processor_time_is_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(algebra, "_USUAL", ())
    monkeypatch.setattr(algebra, "SECONDS", 0.05)
    monkeypatch.setattr(algebra, "canonical_expression", swallowing)
    pid = forked(lambda: timed_form("x") == ("half a form", 0.05))
    assert os.waitpid(pid, 0)[1] == 0


def test_what_an_interrupted_library_made_is_no_form(pool: Pool) -> None:
    pool.costs = {"x": SECONDS}
    assert run(Offload().share()("x")) is None


def test_the_kernel_ends_a_child_that_cannot_be_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(algebra, "_USUAL", ())
    monkeypatch.setattr(algebra, "SECONDS", 0.05)
    monkeypatch.setattr(algebra, "canonical_expression", lambda _: sum(repeat(0, 10**13)))
    pid = forked(lambda: bool(timed_form("x")))
    assert os.WTERMSIG(os.waitpid(pid, 0)[1]) == signal.SIGVTALRM


def test_a_child_that_only_waits_for_its_turn_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    monkeypatch.setattr(algebra, "_USUAL", ())
    monkeypatch.setattr(algebra, "SECONDS", 0.05)
    monkeypatch.setattr(algebra, "canonical_expression", lambda _: os.read(reader, 1).decode())
    pid = forked(lambda: timed_form("x").text == "!")
    spin(0.2)  # on the one processor it may have
    os.write(writer, b"!")
    assert os.waitpid(pid, 0)[1] == 0
    os.close(reader)
    os.close(writer)


def test_a_form_says_how_much_processor_time_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(algebra, "canonical_expression", lambda _: spin(0.02))
    assert 0.01 < timed_form("x").seconds < SECONDS
    assert signal.getitimer(signal.ITIMER_PROF) == signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)
