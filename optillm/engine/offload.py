"""Work that may run away, in a child process that can be killed: canonical forms of mathematical expressions.

Computer algebra on a model's output can loop for minutes and cannot be interrupted from a thread. One child serves
all requests, so none may keep it for long: what a request cannot have in its time it does without. Programs that
a model wrote go to the sandbox.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from concurrent.futures import BrokenExecutor
from concurrent.futures import TimeoutError as Expired
from multiprocessing import get_context
from typing import Any, Final

from pebble import ProcessExpired, ProcessPool

from optillm import solver
from optillm.toolkit.expressions import canonical_expression

SECONDS: Final = 0.5
"""What one request may wait for all its expressions together; one that runs longer has its process killed."""
SECONDS_TO_START: Final = 10.0
"""What the first requests may wait for the child to import its algebra."""
MOST_WAITING: Final = 16
"""Expressions of other requests that one may have to wait for."""
REMEMBERED: Final = 1024
EXECUTION: Final = 5.0
"""Seconds one program of a candidate may run."""


async def executed(program: str) -> str | None:
    """What a Python program prints in the sandbox; `None` when it fails there, is refused or finds no place."""
    solved = await solver.solve("sympy", program, solver.Limits(wall=EXECUTION))
    return solved.output if solved.ok else None


class Offload:
    """One child process, started when first needed, replaced when killed."""

    def __init__(self) -> None:
        self._pool: ProcessPool | None = None
        self._ready: asyncio.Future[Any] | None = None
        self._waiting = 0
        self._known: OrderedDict[str, str | None] = OrderedDict()

    def share(self) -> Callable[[str], Coroutine[Any, Any, str | None]]:
        """The canonical forms of one request's expressions, as long as its time lasts."""
        return _Share(self).canonical

    async def canonical(self, source: str, seconds: float = SECONDS) -> str | None:
        """The canonical form of an expression; `None` when it has none, or the child no time for it."""
        if source in self._known:
            return self._known[source]
        if seconds <= 0 or self._waiting >= MOST_WAITING:
            return None
        self._waiting += 1
        try:
            return await self._computed(source, seconds)
        finally:
            self._waiting -= 1

    async def ready(self) -> None:
        """Wait until the child has started for the first time, or long enough."""
        if self._ready is None:
            self._ready = _awaitable(self._workers().schedule(_nothing))
        await asyncio.wait({self._ready}, timeout=SECONDS_TO_START)

    async def _computed(self, source: str, seconds: float) -> str | None:
        job = self._workers().schedule(canonical_expression, args=[source], timeout=SECONDS)
        result = _awaitable(job)
        try:
            await asyncio.wait({result}, timeout=seconds)
        finally:
            if (
                not job.running()
            ):  # one that runs ends soon, and without it the child would have to start again
                job.cancel()  # type: ignore[no-untyped-call]
        if not result.done():
            return None
        try:
            self._known[source] = await result
        except (Expired, ProcessExpired):
            self._known[source] = None
        except (BrokenExecutor, asyncio.CancelledError):
            return None
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return self._known[source]

    def _workers(self) -> ProcessPool:
        if self._pool is None or not self._pool.active:  # spawned, never forked: the server has threads
            self._pool = ProcessPool(max_workers=1, initializer=_import, context=get_context("spawn"))
        return self._pool

    def close(self) -> None:
        """Stop the child process."""
        if self._pool is not None:
            self._pool.stop()  # type: ignore[no-untyped-call]
            self._pool.join()
            self._pool = None


class _Share:
    """One request's share of the child: its expressions one after the other, until its time is up."""

    def __init__(self, offload: Offload) -> None:
        self._offload = offload
        self._left = SECONDS
        self._turn = asyncio.Lock()

    async def canonical(self, source: str) -> str | None:
        """See `Offload.canonical`."""
        async with self._turn:
            await self._offload.ready()
            clock = asyncio.get_running_loop().time
            begun = clock()
            try:
                return await self._offload.canonical(source, self._left)
            finally:
                self._left -= clock() - begun


def _awaitable(job: Any) -> asyncio.Future[Any]:
    """A job's result for this loop; nobody need wait for it to the end."""
    result = asyncio.wrap_future(job)
    result.add_done_callback(lambda done: done.cancelled() or done.exception())
    return result


def _import() -> None:
    """Make the first expression as quick as the others."""
    canonical_expression(r"\frac{(x + 1)^2}{\sqrt{2}}")


def _nothing() -> None:
    pass
