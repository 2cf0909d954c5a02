"""Start the simulator, a separate distribution, in a child process: what `--demo` does."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from importlib.util import find_spec
from types import TracebackType
from typing import IO, Final

from optillm.config.sources import SettingsError

SIMULATOR: Final = "optillm_simulator"
"""The program's module. It is never imported: it stands in for a foreign server."""
START_TIMEOUT: Final = 30.0
"""Seconds until the demo model must listen."""


class DemoProcess:
    """Run a demo model in a child process; a context manager.

    The child ends with its parent in any case.
    """

    def __init__(self, child: subprocess.Popen[bytes], base_url: str) -> None:
        self.base_url = base_url
        self.pid = child.pid
        self._child = child

    def close(self) -> None:
        """End the child and wait until it is gone; calling this twice is harmless."""
        _close_pipes(self._child)
        try:
            self._child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()

    def __enter__(self) -> DemoProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def launch(latency: float = 0.0, token_latency: float = 0.0, port: int = 0) -> DemoProcess:
    """Start the demo model in a child process and wait until it listens.

    Latencies are in seconds; port 0 takes a free one. Raises `SettingsError`, one line, if the simulator is not
    installed or does not start.
    """
    if find_spec(SIMULATOR) is None:
        raise SettingsError("demo: the demo model is not installed: pip install ./simulator in a checkout")
    command = [sys.executable, "-m", SIMULATOR, "--with-parent", f"--port={port}"]
    command += [f"--latency={latency}", f"--token-latency={token_latency}"]
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors
        )
        line = _first_line(child)
        if line:
            return DemoProcess(child, json.loads(line)["base_url"])
        _close_pipes(child)
        child.wait()
        raise SettingsError(f"demo: the demo model did not start: {_error_output(errors)}")


def _first_line(child: subprocess.Popen[bytes]) -> bytes:
    """Return the child's first line; nothing if it ends, or is ended because it takes too long."""
    timer = threading.Timer(START_TIMEOUT, child.kill)
    timer.start()
    try:
        return child.stdout.readline() if child.stdout else b""
    finally:
        timer.cancel()


def _error_output(errors: IO[bytes]) -> str:
    errors.seek(0)
    return errors.read().decode(errors="replace").strip() or "it said nothing"


def _close_pipes(child: subprocess.Popen[bytes]) -> None:
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()
