"""What `--demo` starts: the simulator, a distribution of its own, in a child process."""

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
PATIENCE: Final = 30.0
"""Seconds until it must listen."""


class DemoProcess:
    """A demo model in a child process; a context manager. The child ends with its parent, however that ends."""

    def __init__(self, child: subprocess.Popen[bytes], base_url: str) -> None:
        self.base_url = base_url
        self.pid = child.pid
        self._child = child

    def close(self) -> None:
        """Let the child go and wait until it is gone; doing so twice is harmless."""
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

    Latencies are in seconds, port 0 takes a free one. Raises `SettingsError`, one line, when the simulator is not
    installed or does not start.
    """
    if find_spec(SIMULATOR) is None:
        raise SettingsError("demo: the demo model is not installed: pip install ./simulator in a checkout")
    command = [sys.executable, "-m", SIMULATOR, "--with-parent", f"--port={port}"]
    command += [f"--latency={latency}", f"--token-latency={token_latency}"]
    with tempfile.TemporaryFile() as complaints:
        child = subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints
        )
        line = _first_line(child)
        if line:
            return DemoProcess(child, json.loads(line)["base_url"])
        _close_pipes(child)
        child.wait()
        raise SettingsError(f"demo: the demo model did not start: {_said(complaints)}")


def _first_line(child: subprocess.Popen[bytes]) -> bytes:
    """What the child says first; nothing when it ends, or is ended for taking too long."""
    impatience = threading.Timer(PATIENCE, child.kill)
    impatience.start()
    try:
        return child.stdout.readline() if child.stdout else b""
    finally:
        impatience.cancel()


def _said(complaints: IO[bytes]) -> str:
    complaints.seek(0)
    return complaints.read().decode(errors="replace").strip() or "it said nothing"


def _close_pipes(child: subprocess.Popen[bytes]) -> None:
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()
