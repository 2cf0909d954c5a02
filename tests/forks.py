"""Server processes without their imports: each is forked from a process that has imported what servers need.

    process = Forked(main, ["--port", "0"], Path.cwd(), os.environ)
    print(process.stderr.readline())

A new interpreter would take two seconds of processor time for each of some 250 servers, and a fork takes a fifth.
"""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO

_context = get_context("forkserver")
_context.set_forkserver_preload(["tests.preloaded"])


class Forked:
    """A process that does `main(*arguments)`, with as much of `subprocess.Popen` as tests use."""

    def __init__(
        self, main: Callable[..., None], arguments: Sequence[str], cwd: Path, environment: Mapping[str, str]
    ) -> None:
        reader, writer = _context.Pipe(duplex=False)
        with reader, writer:
            self._process = _context.Process(
                target=_run, args=(writer, main, arguments, cwd, dict(environment))
            )
            self._process.start()
            self.stderr: IO[str] = os.fdopen(os.dup(reader.fileno()), encoding="utf-8")
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, negative for a signal; `None` while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return the same."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status once there is one; raises `subprocess.TimeoutExpired` after so many seconds."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[None, str]:
        """Wait for its end; return nothing, as its output is not read, and what it still had to say."""
        self.wait(timeout)
        if self.stderr.closed:
            return None, ""
        os.set_blocking(self.stderr.fileno(), True)
        with self.stderr:
            return None, self.stderr.read()

    def send_signal(self, number: int) -> None:
        """Send a signal, if it has not ended."""
        with suppress(ProcessLookupError):  # it may have ended without our knowing yet
            if self.poll() is None:
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)


Process = subprocess.Popen[str] | Forked


def _run(
    stderr: Connection,
    main: Callable[..., None],
    arguments: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
) -> None:
    """Become what a new interpreter would be that was started with these."""
    with stderr:
        os.dup2(stderr.fileno(), sys.stderr.fileno())
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    try:
        main(*arguments)
    finally:
        atexit._run_exitfuncs()  # multiprocessing leaves them out
