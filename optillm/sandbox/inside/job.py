"""One program in one process: read it behind the walls, run it, write one reply, end."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from .dialect.run import PROGRAM, run_python
from .frames import LONGEST_REQUEST, receive, send
from .jail import JobLimits
from .outcome import Failed, Refused
from .output import Output
from .smtlib.check import run_check
from .smtlib.run import run_script
from .z3setup import configure_z3

Runner = Callable[[str, str, JobLimits], str]
"""Runs a program of a language within limits; the text it returns is added to the output."""


def execute(descriptor: int, limits: JobLimits, install: Callable[[], None], *, python: bool) -> None:
    """Serve the one request that arrives at `descriptor`."""
    serve(descriptor, limits, install, run if python else run_without_python)


def run(language: str, program: str, limits: JobLimits) -> str:
    """Run a program in one of the languages."""
    if language in {"z3py", "sympy"}:
        return run_python(language, program, limits)
    return run_without_python(language, program, limits)


def run_without_python(language: str, program: str, limits: JobLimits) -> str:
    """Run a program on a machine without a kernel wall: only what the SMT-LIB filter admits."""
    if language == "smtlib2":
        return run_script(program, limits)
    if language == "check":
        return run_check(program, limits)
    raise Refused(f"{language} programs are not run on this machine")


def serve(descriptor: int, limits: JobLimits, install: Callable[[], None], runner: Runner) -> None:
    """Put the walls up, read the request, run it, reply and end this process."""
    job = _Job(descriptor)
    sys.stdout = sys.stderr = job.output
    signal.signal(signal.SIGALRM, job.out_of_time)
    signal.setitimer(signal.ITIMER_REAL, limits.wall_ms / 1000)
    configure_z3(limits)
    install()
    request = receive(descriptor, LONGEST_REQUEST)
    try:
        job.add(runner(str(request["language"]), str(request["program"]), limits))
    except Failed as failure:
        job.reply(failure)
    except MemoryError:
        job.reply(Failed("memory", "MemoryError", "the program needs more memory than it may use"))
    job.reply(None)


class _Job:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._started = time.monotonic()
        self.output = Output(self._flooded)

    def add(self, text: str) -> None:
        self.output.write(text)

    def reply(self, failure: Failed | None) -> NoReturn:
        """Report how it went and exit; whatever the program has left running ends with it."""
        message: dict[str, Any] = {
            "v": 1,
            "ok": failure is None,
            "output": self.output.text(),
            "error": None if failure is None else failure.as_message(),
            "ms": int((time.monotonic() - self._started) * 1000),
        }
        send(self._descriptor, message)
        os._exit(0)

    def out_of_time(self, _: int, frame: FrameType | None) -> None:
        while frame is not None and frame.f_code.co_filename != PROGRAM:
            frame = frame.f_back
        line = None if frame is None else frame.f_lineno
        self.reply(Failed("timeout", "Timeout", "the program did not end within its time limit", line))

    def _flooded(self) -> None:
        self.reply(Failed("output", "OutputLimit", "the program prints far more than anybody can read"))
