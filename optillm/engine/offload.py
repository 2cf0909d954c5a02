"""Work that may run away, in a child process that can be killed: canonical forms of mathematical expressions.

Computer algebra on a model's output can loop for minutes and cannot be interrupted from a thread. Programs that a
model wrote go to the sandbox.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from concurrent.futures import TimeoutError as Expired
from multiprocessing import get_context
from typing import Final

from pebble import ProcessExpired, ProcessPool

from optillm import solver
from optillm.toolkit.expressions import canonical_expression

SECONDS: Final = 2.0
"""How long one expression may take before its process is killed; a first import fits in."""
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
        self._known: OrderedDict[str, str | None] = OrderedDict()

    async def canonical(self, source: str) -> str | None:
        """The canonical form of an expression, `None` when it has none or takes too long."""
        if source not in self._known:
            self._known[source] = await self._computed(source)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return self._known[source]

    async def _computed(self, source: str) -> str | None:
        if self._pool is None:  # spawned, never forked: the server has threads
            self._pool = ProcessPool(max_workers=1, context=get_context("spawn"))
        future = self._pool.schedule(canonical_expression, args=[source], timeout=SECONDS)
        try:
            result: str | None = await asyncio.wrap_future(future)
        except (Expired, ProcessExpired):
            return None
        return result

    def close(self) -> None:
        """Stop the child process."""
        if self._pool is not None:
            self._pool.stop()  # type: ignore[no-untyped-call]
            self._pool.join()
            self._pool = None
