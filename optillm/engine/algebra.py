"""Run work that may run away in a child process that can be killed.

The work is to find canonical forms of mathematical expressions. Computer algebra on a model's output can loop for
minutes and cannot be interrupted from a thread. One child serves all requests, so none may keep it for long. What
counts is the processor time the child spends, not the time that passes: a busy machine makes requests wait, it does not
change which answers are seen to be equal. Programs that a model wrote go to the sandbox.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from concurrent.futures import BrokenExecutor
from concurrent.futures import TimeoutError as Expired
from multiprocessing import get_context
from typing import Any, Final, NamedTuple

from pebble import ProcessExpired, ProcessPool

from optillm import sandbox
from optillm.toolkit.answers.expressions import canonical_expression
from optillm.toolkit.bounded import BoundedMap

SECONDS: Final = 0.5
"""Processor time that one expression may take, and after which a request begins no further one."""
PATIENCE: Final = 60.0
"""Seconds a request waits for the child in all, however little it computes: a child that hangs is killed."""
EXPRESSIONS: Final = 1024
"""The most expressions whose canonical forms are remembered."""
EXECUTION: Final = 5.0
"""Seconds one program of a candidate may run."""
_USUAL: Final = (
    r"\frac{(x + 1)^2}{\sqrt{2}}",
    "x^2 - 1 = (x - 1)(x + 1)",
    r"\sin^2 x + \cos^2 x",
    r"\begin{pmatrix}1 & 2\\3 & 4\end{pmatrix}",
    "[0, 1]",
    r"\int x dx",
)
"""What first uses make slow, done before anybody waits."""


class Form(NamedTuple):
    """The canonical form of an expression, if it has one, and the processor time it took."""

    text: str | None
    seconds: float


async def executed(program: str) -> str | None:
    """Return what a Python program prints in the sandbox.

    That is `None` when it fails there, is refused or gets no turn.
    """
    solved = await sandbox.solve("sympy", program, sandbox.SandboxLimits(wall=EXECUTION))
    return solved.output if solved.ok else None


class Offload:
    """One child process, started when first needed, replaced when killed."""

    def __init__(self) -> None:
        self._pool: ProcessPool | None = None
        self._forms = BoundedMap[str, str | None](EXPRESSIONS)

    def share(self) -> Callable[[str], Coroutine[Any, Any, str | None]]:
        """The canonical forms of one request's expressions, as long as its processor time lasts."""
        return _Share(self).canonical

    async def canonical(self, source: str, seconds: float, patience: float) -> Form:
        """Return the canonical form of an expression.

        It has no text when there is none, it takes too long, or no time is left. `seconds` is the processor time that
        is left to the request, `patience` how long it still waits. What was computed to its end is remembered, and
        costs nothing more.
        """
        if source in self._forms:
            return Form(self._forms[source], 0.0)
        if seconds <= 0 or patience <= 0:
            return Form(None, 0.0)
        form = await self._computed(source, patience)
        if form is None or form.seconds >= SECONDS:  # sympy may have made something of the interruption
            return Form(None, SECONDS)
        self._forms[source] = form.text
        return form

    async def _computed(self, source: str, patience: float) -> Form | None:
        job = self._workers().schedule(timed_form, args=[source], timeout=PATIENCE)
        result = _awaitable(job)
        try:
            await asyncio.wait({result}, timeout=patience)
        finally:
            if (
                not job.running()
            ):  # one that runs ends soon, and without it the child would have to start again
                job.cancel()  # type: ignore[no-untyped-call]
        if not result.done():
            return None
        try:
            return Form(*await result)
        except (Expired, ProcessExpired, BrokenExecutor, asyncio.CancelledError):
            return None

    def _workers(self) -> ProcessPool:
        if self._pool is None or not self._pool.active:  # spawned, never forked: the server has threads
            self._pool = ProcessPool(
                max_workers=1, initializer=begin, initargs=[os.getpid()], context=get_context("spawn")
            )
        return self._pool

    def close(self) -> None:
        """Stop the child process."""
        if self._pool is not None:
            self._pool.stop()  # type: ignore[no-untyped-call]
            self._pool.join()
            self._pool = None


class _Share:
    """One request's share of the child.

    Its expressions come one after the other, until its time is up.
    """

    def __init__(self, offload: Offload) -> None:
        self._offload = offload
        self._left = SECONDS
        self._patience = PATIENCE
        self._turn = asyncio.Lock()

    async def canonical(self, source: str) -> str | None:
        """See `Offload.canonical`."""
        async with self._turn:
            clock = asyncio.get_running_loop().time
            begun = clock()
            try:
                form = await self._offload.canonical(source, self._left, self._patience)
            finally:
                self._patience -= clock() - begun
            self._left -= form.seconds
            return form.text


def _awaitable(job: Any) -> asyncio.Future[Any]:
    """A job's result for this loop; nobody need wait for it to the end."""
    result = asyncio.wrap_future(job)
    result.add_done_callback(lambda done: done.cancelled() or done.exception())
    return result


def begin(parent: int) -> None:
    """Tie the child to the process `parent`, and do its first work in advance.

    Its first expression then takes no longer than the others.
    """
    from optillm.sandbox.inside import kernel  # in the child only: the server needs no ctypes

    kernel.die_with_parent(parent)
    signal.signal(signal.SIGPROF, _interrupt)
    signal.signal(signal.SIGVTALRM, signal.SIG_DFL)  # Python sees no signal within one long multiplication
    for source in _USUAL:
        canonical_expression(source)


def timed_form(source: str) -> Form:
    """Compute a canonical form in the child.

    The child interrupts itself, or is ended, when that takes too long.
    """
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.setitimer(signal.ITIMER_VIRTUAL, 2 * SECONDS)
    try:
        text = canonical_expression(source)
    finally:
        left, _ = signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    return Form(text, SECONDS - left)


def _interrupt(*_: object) -> None:
    raise TimeoutError
