"""Upstreams with a limit of their own, and requests that meet it through a `Limiter`, on the virtual clock."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from optillm.engine.upstream.limiter import Limiters
from tests.fakes import run

RETRIES = 3
BACKOFF = 0.5
REFUSAL = 0.01
"""Seconds until a refusal arrives."""


class Refused(Exception):
    """A 429."""


@dataclass
class Chance:
    """Refuses calls by chance, however many there are."""

    share: float
    rng: Random = field(default_factory=lambda: Random(1))

    def admits(self, running: int, now: float) -> bool:
        return self.rng.random() >= self.share


@dataclass
class AtOnce:
    """Refuses what is more than so many calls at a time; `limit` may change with the time."""

    limit: Callable[[float], int]

    def admits(self, running: int, now: float) -> bool:
        return running < self.limit(now)


@dataclass
class PerSecond:
    """Refuses what is more than so many calls a second, after a burst of as many as `burst`."""

    rate: float
    burst: float
    tokens: float = 0.0
    filled: float = float("-inf")

    def admits(self, running: int, now: float) -> bool:
        self.tokens = min(self.burst, self.tokens + (now - self.filled) * self.rate)
        self.filled = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass(frozen=True)
class Outcome:
    """How long all took, in virtual seconds, and the shares of calls that were refused, or lost for good."""

    seconds: float
    refused: float
    lost: float


def simulate(
    upstream: Chance | AtOnce | PerSecond,
    *,
    requests: int = 64,
    rounds: int = 8,
    width: int = 6,
    latency: Callable[[Random], float] = lambda rng: rng.uniform(0.7, 1.3),
    retry_after: float | None = None,
    refusal: float = REFUSAL,
) -> Outcome:
    """Make `requests` at once, each with `rounds` of `width` calls, retried as `engine.calls` does."""
    limiters, count, running = Limiters(256), Counter[str](), 0

    async def sent(rng: Random) -> None:
        nonlocal running
        count["sent"] += 1
        if not upstream.admits(running, asyncio.get_running_loop().time()):
            count["refused"] += 1
            await asyncio.sleep(refusal)
            raise Refused
        running += 1
        await asyncio.sleep(latency(rng))
        running -= 1

    async def call(request: int, rng: Random) -> None:
        count["calls"] += 1
        for attempt in range(RETRIES + 1):
            with suppress(Refused):
                async with limiters.slot(request, None, "m") as turn:
                    try:
                        await sent(rng)
                    except Refused:
                        turn.answered(429)
                        raise
                    turn.answered(200)
                return
            jitter = rng.uniform(0, BACKOFF * 2**attempt)
            await asyncio.sleep(jitter if retry_after is None else retry_after + jitter / 4)
        count["lost"] += 1

    async def request(number: int) -> None:
        rng = Random(number)
        for _ in range(rounds):
            await asyncio.gather(*(call(number, rng) for _ in range(width)))

    async def main() -> float:
        await asyncio.gather(*(request(number) for number in range(requests)))
        return asyncio.get_running_loop().time()

    seconds = run(main())
    return Outcome(seconds, count["refused"] / count["sent"], count["lost"] / count["calls"])
