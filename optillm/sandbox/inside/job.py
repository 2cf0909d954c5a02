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
from .jail import Bounds
from .outcome import Failed, Refused
from .output import Output
from .smtlib.check import run_check
from .smtlib.run import run_script
from .z3setup import configure_z3

Runner = Callable[[str, str, Bounds], str]
"""Runs a program of a language within bounds; the text it returns is added to the output."""


def execute(descriptor: int, bounds: Bounds, install: Callable[[], None], *, python: bool) -> None:
    """Serve the one request that arrives at `descriptor`."""
    serve(descriptor, bounds, install, run if python else run_without_python)


def run(language: str, program: str, bounds: Bounds) -> str:
    """Run a program in one of the languages."""
    if language in {"z3py", "sympy"}:
        return run_python(language, program, bounds)
    return run_without_python(language, program, bounds)


def run_without_python(language: str, program: str, bounds: Bounds) -> str:
    """Run a program where no kernel wall stands: what the SMT-LIB filter lets through, nothing else."""
    if language == "smtlib2":
        return run_script(program, bounds)
    if language == "check":
        return run_check(program, bounds)
    raise Refused(f"{language} programs are not run on this machine")


def serve(descriptor: int, bounds: Bounds, install: Callable[[], None], runner: Runner) -> None:
    """Put the walls up, read the request, run it, reply and end this process."""
    job = _Job(descriptor)
    sys.stdout = sys.stderr = job.output
    signal.signal(signal.SIGALRM, job.out_of_time)
    signal.setitimer(signal.ITIMER_REAL, bounds.wall_ms / 1000)
    configure_z3(bounds)
    install()
    request = receive(descriptor, LONGEST_REQUEST)
    try:
        job.add(runner(str(request["language"]), str(request["program"]), bounds))
    except Failed as failure:
        job.reply(failure)
    except MemoryError:
        job.reply(Failed("memory", "MemoryError", "the program needs more memory than it may use"))
    job.reply(None)


class _Job:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._began = time.monotonic()
        self.output = Output(self._flooded)

    def add(self, text: str) -> None:
        self.output.write(text)

    def reply(self, failure: Failed | None) -> NoReturn:
        """Say how it went and be gone; whatever the program has left running goes with it."""
        message: dict[str, Any] = {
            "v": 1,
            "ok": failure is None,
            "output": self.output.text(),
            "error": None if failure is None else failure.as_message(),
            "ms": int((time.monotonic() - self._began) * 1000),
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
