import asyncio
from collections.abc import AsyncIterator, Hashable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from optillm.engine.upstream.limiter import CUT, WINDOWS, Limiter, Limiters
from tests.engine.limits import AtOnce, Chance, PerSecond, simulate
from tests.fakes import run


@asynccontextmanager
async def held(limiter: Limiter, request: Hashable) -> AsyncIterator[None]:
    await limiter.enter(request)
    try:
        yield
    finally:
        limiter.leave()


async def hold(limiter: Limiter, request: str, order: list[str], seconds: float = 1.0) -> None:
    async with held(limiter, request):
        order.append(request)
        await asyncio.sleep(seconds)


def served(limiter: Limiter, requests: Iterable[str]) -> list[str]:
    order: list[str] = []

    async def main() -> None:
        await asyncio.gather(*(hold(limiter, request, order) for request in requests))

    run(main())
    return order


def test_never_runs_more_than_the_cap() -> None:
    limiter, most = Limiter(3), 0

    async def one() -> None:
        nonlocal most
        async with held(limiter, "r"):
            most = max(most, limiter.running)
            await asyncio.sleep(1)

    async def main() -> float:
        await asyncio.gather(*(one() for _ in range(10)))
        return asyncio.get_running_loop().time()

    assert run(main()) == 4.0
    assert most == 3
    assert limiter.running == 0


def test_requests_take_turns_so_a_large_one_cannot_starve_a_small_one() -> None:
    order = served(Limiter(1), ["large"] * 5 + ["small"])
    assert order.index("small") == 2


def test_calls_of_one_request_are_first_come_first_served() -> None:
    assert served(Limiter(1), "aab") == ["a", "a", "b"]
    assert served(Limiter(2), "abcd") == ["a", "b", "c", "d"]


def test_a_stray_429_narrows_the_window_a_little_and_successes_widen_it_again() -> None:
    limiter = Limiter(8)
    limiter.throttled(now=1)
    assert limiter.window == CUT * 8
    for second in range(10):
        limiter.succeeded(second, second + 1)
    assert limiter.window == 8.0


def test_a_429_never_narrows_the_window_below_what_runs_beside_it() -> None:
    limiter = Limiter(8)
    limiter.running = 8
    limiter.throttled(now=1)
    assert limiter.window == 7.0


def test_a_burst_of_refusals_leaves_the_places_of_those_that_were_accepted() -> None:
    limiter = Limiter(256)
    for running in range(256, 8, -1):
        limiter.running = running
        limiter.throttled(now=0.01)
    assert limiter.window == 8.0


def test_refusals_do_not_narrow_the_window_below_what_is_accepted() -> None:
    limiter = Limiter(64)
    for second in range(3):
        for _ in range(40):
            limiter.succeeded(second, second + 1)
    for _ in range(40):
        limiter.throttled(now=3.5)
    assert limiter.window >= 0.9 * 40


def test_a_narrowed_window_spaces_starts() -> None:
    limiter, starts = Limiter(8), list[float]()

    async def one(number: int) -> None:
        async with held(limiter, number):
            starts.append(asyncio.get_running_loop().time())
            await asyncio.sleep(1)

    async def main() -> None:
        limiter.succeeded(0, 1)
        limiter.running = 8
        limiter.throttled(now=1)
        limiter.running, limiter.window = 0, 4.0
        await asyncio.gather(*map(one, range(4)))

    run(main())
    assert starts == [0.0, 0.125, 0.25, 0.375]


# What the times of these are compared with: 3,072 calls of a second on average, 256 at a time, take 12 s.


@pytest.mark.parametrize(
    ("upstream", "more", "seconds"),
    [
        (Chance(0.1), {}, 24),
        (Chance(0.3), {}, 40),
        (Chance(0.3), {"retry_after": 2.0}, 80),
        (Chance(0.3), {"refusal": 1.0}, 80),
        (Chance(0.3), {"requests": 1}, 24),
        (Chance(0.3), {"requests": 8, "width": 3}, 40),
        (Chance(0.3), {"latency": lambda rng: min(20.0, 0.3 * rng.paretovariate(1.4))}, 100),
    ],
)
def test_refusals_by_chance_do_not_stop_what_works(
    upstream: Chance, more: dict[str, Any], seconds: float
) -> None:
    outcome = simulate(upstream, **more)
    assert outcome.seconds <= seconds
    assert outcome.lost <= 0.03


@pytest.mark.parametrize(
    ("upstream", "requests", "ideal", "refused"),
    [
        (AtOnce(lambda now: 2), 4, 96, 0.3),
        (AtOnce(lambda now: 8), 16, 96, 0.25),
        (AtOnce(lambda now: 64), 64, 48, 0.2),
        (AtOnce(lambda now: 8 if 10 < now < 40 else 64), 64, 74, 0.3),
        (PerSecond(10, burst=10), 16, 76.8, 0.3),
        (PerSecond(10, burst=1), 16, 200, 0.3),
        (PerSecond(100, burst=100), 64, 30.7, 0.25),
    ],
)
def test_a_limit_of_the_upstream_is_used_to_the_full_and_respected(
    upstream: AtOnce | PerSecond, requests: int, ideal: float, refused: float
) -> None:
    outcome = simulate(upstream, requests=requests)
    assert outcome.seconds <= 1.3 * ideal
    assert outcome.refused <= refused
    assert outcome.lost <= 0.01


def test_what_one_key_or_model_is_refused_narrows_no_other_window() -> None:
    limiters = Limiters(8)

    async def main() -> None:
        async with limiters.slot("r", "Bearer a", "m") as turn:
            turn.answered(429)
        async with limiters.slot("r", "Bearer a", "m") as turn:
            turn.answered(500)

    run(main())
    assert limiters.of("Bearer a", "m").window == CUT * 8
    assert limiters.of("Bearer b", "m").window == limiters.of("Bearer a", "x").window == 8.0
    assert limiters.total.window == 8.0


def test_all_windows_together_never_run_more_than_the_cap() -> None:
    limiters, most = Limiters(2), 0

    async def one(model: str) -> None:
        nonlocal most
        async with limiters.slot(model, None, model):
            most = max(most, limiters.total.running)
            await asyncio.sleep(1)

    async def main() -> float:
        await asyncio.gather(*(one(model) for model in "abcdef"))
        return asyncio.get_running_loop().time()

    assert run(main()) == 3.0
    assert most == 2


def test_windows_that_nobody_uses_are_forgotten() -> None:
    limiters = Limiters(8)
    busy = limiters.of(None, "busy")
    busy.running = 1
    for number in range(3 * WINDOWS):
        limiters.of(str(number), "m")
    assert len(limiters) <= WINDOWS
    assert limiters.of(None, "busy") is busy


def test_the_window_never_closes() -> None:
    limiter = Limiter(1)
    for second in range(5):
        limiter.throttled(now=second)
    assert served(limiter, "ab") == ["a", "b"]


def test_a_waiter_that_gives_up_leaves_no_place_taken() -> None:
    limiter = Limiter(1)

    async def main() -> None:
        order: list[str] = []
        first = asyncio.create_task(hold(limiter, "first", order))
        quitter = asyncio.create_task(hold(limiter, "quitter", order))
        last = asyncio.create_task(hold(limiter, "last", order))
        await asyncio.sleep(0.5)
        quitter.cancel()
        await asyncio.gather(first, last)
        assert order == ["first", "last"]

    run(main())
    assert limiter.running == 0


def test_a_waiter_woken_and_cancelled_at_once_hands_its_place_on() -> None:
    limiter = Limiter(1)

    async def main() -> None:
        order: list[str] = []

        async def first() -> None:
            await hold(limiter, "first", order)
            quitter.cancel()  # its place is granted, its task has not run yet

        leading = asyncio.create_task(first())
        await asyncio.sleep(0)
        quitter = asyncio.create_task(hold(limiter, "quitter", order))
        last = asyncio.create_task(hold(limiter, "last", order))
        await asyncio.gather(leading, last)
        assert order == ["first", "last"]

    run(main())
    assert limiter.running == 0
