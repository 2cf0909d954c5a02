r"""Programs in, results out: how many run at once, who waits, what if the zygote dies.

>>> solver = Solver()
>>> (await solver.run("smtlib2", "(check-sat)", SandboxLimits())).output
'sat\\\
'
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from optillm.sandbox import replies
from optillm.sandbox.gate import LONGEST_WAIT, Gate, Rejected
from optillm.sandbox.inside.frames import ENDED, HEADER, LONGEST_REPLY, encode
from optillm.sandbox.process import BOOT, CannotStart, Process, exactly, start
from optillm.sandbox.results import Failure, Level, SandboxLimits, Solved

_log = logging.getLogger(__name__)

_REPLY_GRACE: Final = 1.5
"""Seconds after its limit within which a job must have replied."""
_ENDING_TIMEOUT: Final = 2.0
"""Seconds in which the zygote must report how a job ended."""
_BACK_OFF: Final = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
_STARTS_A_MINUTE: Final = 5
_REST_SECONDS: Final = 60.0
LONGEST_PROGRAM: Final = {"smtlib2": 100_000, "check": 200_000}
_LONGEST_PYTHON: Final = 64 * 1024
_SPARE_LIFETIME: Final = 30.0
"""Seconds that a prepared job waits for its program."""


@dataclass(frozen=True, eq=False)
class _Ends:
    """Our ends of a job's two sockets; closing `status` ends the job."""

    process: Process
    limits: SandboxLimits
    work: socket.socket
    status: socket.socket

    @property
    def open(self) -> bool:
        """Return whether the job still listens."""
        try:
            self.work.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False  # the job has hung up

    def close(self) -> None:
        self.work.close()
        self.status.close()


class Solver:
    """The sandbox of one server process, started by the first program.

    It is used from one event loop at a time.
    """

    def __init__(self, *, language_only: bool = False, at_once: int | None = None, boot: Path = BOOT) -> None:
        self._language_only = language_only
        self._boot = boot
        self._at_once = at_once or min(2, os.cpu_count() or 1)
        self._gate = Gate(self._at_once)
        self._spares: list[_Ends] = []
        self._process: Process | None = None
        self._starting: asyncio.Task[Process] | None = None
        self._starts: deque[float] = deque(maxlen=_STARTS_A_MINUTE)
        self._lost = 0
        self._not_before = 0.0
        self._owner = os.getpid()

    @property
    def level(self) -> Level | None:
        """Return how strong the jail is; `None` before the first program."""
        return None if self._process is None else self._process.ready.level

    @property
    def pid(self) -> int | None:
        """Return the zygote's process id while there is one."""
        return None if self._process is None else self._process.pid

    async def run(self, language: str, program: str, limits: SandboxLimits) -> Solved:
        """Run a program to its end or its limits. Raises nothing except on cancellation."""
        started = time.monotonic()
        flaw = _flaw(language, program)
        if flaw is not None:
            return Solved(False, "", flaw, 0)
        try:
            async with self._gate.entered():
                process = await self._running()
                self._admit(process, language)
                solved = await self._job(process, language, program, limits, started)
        except Rejected as rejection:
            return Solved(False, "", rejection.failure, _since(started))
        if solved.error is None or solved.error.kind != "unavailable":
            self._lost = 0
        return solved

    async def warm(self) -> Level | None:
        """Start the zygote before the first program.

        Return its level, or `None` if it does not come up.
        """
        with contextlib.suppress(Rejected):
            await self._running()
        return self.level

    def prepare(self, count: int, limits: SandboxLimits) -> None:
        """Have jobs ready for programs that will come soon.

        Forking a job and its walls takes time. Only as many as run at once, and only while the zygote is up.
        """
        process = self._process
        if process is None or self._owner != os.getpid() or not process.alive:
            return
        loop = asyncio.get_running_loop()
        for spare in [ends for ends in self._spares if ends.limits != limits]:
            self._drop(spare)  # it was prepared for programs with other limits
        for _ in range(min(count, self._at_once - len(self._spares))):
            with contextlib.suppress(OSError):  # the next program will report it
                spare = _ordered(process, limits, _SPARE_LIFETIME)
                self._spares.append(spare)
                loop.call_later(_SPARE_LIFETIME, self._drop, spare)

    def _drop(self, spare: _Ends) -> None:
        if spare in self._spares:
            self._spares.remove(spare)
            spare.close()

    def _prepared(self, process: Process, limits: SandboxLimits) -> _Ends | None:
        for spare in [ends for ends in self._spares if ends.limits == limits]:
            self._spares.remove(spare)
            if spare.process is process and spare.open:
                return spare
            spare.close()
        return None

    def close(self) -> None:
        """End all solver processes. The next program starts them anew."""
        while self._spares:
            self._spares.pop().close()
        process, self._process = self._process, None
        self._starts.clear()
        self._lost, self._not_before = 0, 0.0
        if process is not None:  # in a fork, it is the parent's, who may still use it
            (process.kill if self._owner == os.getpid() else process.forget)()

    def _admit(self, process: Process, language: str) -> None:
        if process.ready.level == "none" and not self._language_only and language in {"z3py", "sympy"}:
            message = "Python programs are not run here: this machine offers no kernel sandbox"
            raise Rejected(Failure("unavailable", "NoSandbox", message, None, "write SMT-LIB instead"))

    async def _running(self) -> Process:
        """Return the zygote, started if there is none.

        Everybody waits for one start, which outlives them.
        """
        if self._owner != os.getpid():  # forked: the parent's zygote is not ours to use
            self.close()
            self._owner = os.getpid()
            self._starting = None
        if self._process is not None and self._process.alive:
            return self._process
        starting = self._starting
        loop = asyncio.get_running_loop()
        if starting is None or starting.done() or starting.get_loop() is not loop:
            starting = self._starting = loop.create_task(self._started())
            # If nobody waits any more when it fails, asyncio would log that its exception was never retrieved.
            starting.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(starting)

    async def _started(self) -> Process:
        if self._process is not None:
            self._lose(self._process)
        await self._wait_out_back_off()
        return await self._start()

    async def _start(self) -> Process:
        self._starts.append(time.monotonic())
        try:
            self._process = await start(self._boot, language_only=self._language_only)
        except CannotStart as error:
            self._delay()
            _log.warning("solver: %s", error)
            raise Rejected(Failure("unavailable", "CannotStart", str(error))) from None
        ready = self._process.ready
        level = logging.WARNING if ready.level == "none" else logging.INFO
        _log.log(
            level,
            "solver: sandbox level %s, landlock %d, up in %.1f s",
            ready.level,
            ready.landlock,
            ready.seconds,
        )
        return self._process

    async def _wait_out_back_off(self) -> None:
        """Wait until the back-off is over, if that is soon enough for a waiting program."""
        # Programs that kill the zygote in turn with programs that end well begin the back-off anew each time.
        now = time.monotonic()
        if len(self._starts) == _STARTS_A_MINUTE and now - self._starts[0] < 60:
            self._not_before = max(self._not_before, self._starts[-1] + _REST_SECONDS)
        wait = self._not_before - now
        if wait > LONGEST_WAIT:
            raise Rejected(
                Failure("unavailable", "BackOff", "the solver keeps failing; it pauses for a while")
            )
        if wait > 0:
            await asyncio.sleep(wait)

    def _lose(self, process: Process) -> None:
        """Discard a zygote that is dead or does not answer."""
        if self._process is process:
            self._process = None
            self._delay()
        process.kill_aside()

    def _delay(self) -> None:
        self._not_before = time.monotonic() + _BACK_OFF[min(self._lost, len(_BACK_OFF) - 1)]
        self._lost += 1

    async def _job(
        self, process: Process, language: str, program: str, limits: SandboxLimits, started: float
    ) -> Solved:
        try:
            ends = self._prepared(process, limits) or _ordered(process, limits)
        except OSError:
            self._lose(process)
            return Solved(False, "", _LOST, _since(started))
        # Closing our end of `status` cancels the job, so every way out of here does that.
        with ends.work as work, ends.status as status:
            work.setblocking(False)
            status.setblocking(False)
            ordered = time.monotonic()
            timeout = limits.wall + _REPLY_GRACE
            reply: bytes | None = None
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    reply = await _converse(work, language, program)
            late = time.monotonic() - ordered >= limits.wall
            # A job that has replied ends when we leave, while the next one may already start.
            ending = None if reply else await self._ending(process, status)
            return replies.solved(reply, replies.Ending(ending, late), _since(started))

    async def _ending(self, process: Process, status: socket.socket) -> int | None:
        """Return the wait status of a job that has replied, hung up, or is to end now."""
        with contextlib.suppress(OSError):
            status.shutdown(socket.SHUT_WR)
        try:
            async with asyncio.timeout(_ENDING_TIMEOUT):
                code, _ = ENDED.unpack(await exactly(status, ENDED.size))
        except TimeoutError:
            self._lose(process)
            return None
        except (EOFError, OSError):
            return None
        return int(code)


def _ordered(process: Process, limits: SandboxLimits, longer: float = 0.0) -> _Ends:
    """Return a new job, which may take `longer` seconds more than its limits.

    Raises `OSError`.
    """
    work, their_work = socket.socketpair()
    status, their_status = socket.socketpair()
    with their_work, their_status:
        try:
            process.order(limits, (their_work.fileno(), their_status.fileno()), longer)
        except OSError:
            work.close()
            status.close()
            raise
    return _Ends(process, limits, work, status)


_LOST: Final = Failure("unavailable", "SolverLost", "the solver process ended; it is being started again")


async def _converse(work: socket.socket, language: str, program: str) -> bytes | None:
    """Send the program and return the reply; `None` if none comes or it is not a frame."""
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_sendall(work, encode({"v": 1, "language": language, "program": program}))
        (length,) = HEADER.unpack(await exactly(work, HEADER.size))
        return await exactly(work, length) if length <= LONGEST_REPLY else None
    except (OSError, EOFError):
        return None


def _flaw(language: str, program: str) -> Failure | None:
    """Return what is wrong with a program that can be seen without parsing it."""
    longest = LONGEST_PROGRAM.get(language, _LONGEST_PYTHON)
    try:
        size = len(program.encode("utf-8"))
    except UnicodeEncodeError:
        return Failure("syntax", "UnicodeError", "the program is not valid Unicode text")
    if "\0" in program:
        return Failure("syntax", "ValueError", "the program contains a NUL character")
    if size > longest:
        return Failure(
            "refused", "TooLong", f"the program is longer than {longest} bytes", None, "shorten it"
        )
    return None


def _since(started: float) -> int:
    return int((time.monotonic() - started) * 1000)
