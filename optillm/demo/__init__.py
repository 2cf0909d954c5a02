"""The embedded demo model: a simulated reasoner behind a real OpenAI-compatible endpoint on loopback.

It lets a newcomer without a key see the techniques work, gives tests a living counterpart, and lets gains be
measured against known truth (`optillm.demo.problems`). It stands in for a foreign server and knows nothing of
the rest of optillm.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import IO

_PATIENCE = 30.0
_ROOT = Path(__file__).parents[2]


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

    Latencies are in seconds, port 0 takes a free one. Raises `RuntimeError` with the child's own words when it
    does not come up.
    """
    command = [sys.executable, "-m", __name__, "--with-parent", f"--port={port}"]
    command += [f"--latency={latency}", f"--token-latency={token_latency}"]
    with tempfile.TemporaryFile() as complaints:
        child = subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
            command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints
        )
        line = _first_line(child)
        if line:
            return DemoProcess(child, json.loads(line)["base_url"])
        _close_pipes(child)
        child.wait()
        raise RuntimeError(f"The demo model did not start: {_said(complaints)}")


def _first_line(child: subprocess.Popen[bytes]) -> bytes:
    """What the child says first; nothing when it ends, or is ended for taking too long."""
    impatience = threading.Timer(_PATIENCE, child.kill)
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
