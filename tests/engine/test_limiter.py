import asyncio
from collections.abc import Iterable

from optillm.engine.limiter import REMEMBERED, Limiter, Limiters
from tests.fakes import run


async def hold(limiter: Limiter, request: str, order: list[str], seconds: float = 1.0) -> None:
    async with limiter.slot(request):
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
        async with limiter.slot("r"):
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


def test_a_429_halves_the_window_and_successes_widen_it_again() -> None:
    limiter = Limiter(8)
    limiter.throttled(sent=0, now=1)
    limiter.throttled(sent=1, now=2)
    assert limiter.window == 2.0
    for _ in range(5):
        limiter.succeeded()
    assert 3.0 < limiter.window < 5.0
    for _ in range(100):
        limiter.succeeded()
    assert limiter.window == 8.0


def test_a_burst_of_refusals_halves_the_window_once() -> None:
    limiter = Limiter(64)
    for _ in range(64):
        limiter.throttled(sent=0, now=1)
    assert limiter.window == 32.0


def test_what_one_key_or_model_is_refused_narrows_no_other_window() -> None:
    limiters = Limiters(8)

    async def main() -> None:
        async with limiters.slot("r", "Bearer a", "m") as told:
            told(429)
        async with limiters.slot("r", "Bearer a", "m") as told:
            told(500)

    run(main())
    assert limiters.of("Bearer a", "m").window == 4.0
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
    for number in range(3 * REMEMBERED):
        limiters.of(str(number), "m")
    assert len(limiters) <= REMEMBERED
    assert limiters.of(None, "busy") is busy


def test_the_window_never_closes() -> None:
    limiter = Limiter(1)
    for second in range(5):
        limiter.throttled(sent=second, now=second)
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
