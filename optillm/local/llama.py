"""Start llama.cpp's server in a child process to serve a GGUF file: what `--local` does.

The server is the `llama-server` on PATH, else the one that `make real` installs in a checkout. Like the demo model it
replaces an upstream, and this module knows nothing of how optillm calls it.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import IO, Final, cast

from optillm.config.sources import SettingsError

NAME: Final = "llama-server"
HOST: Final = "127.0.0.1"
ROOT: Final = Path(__file__).parents[2]
INSTALLED: Final = Path(".real", "bin", "python")
"""The Python that `make real` installs in the checkout; it has the server as a package."""
LOAD_TIMEOUT: Final = 600.0
"""Seconds that a model may take to load: large ones on slow disks take minutes."""
HEALTH_INTERVAL: Final = 0.05
"""Seconds between two health checks of a server that is loading its model."""
STOP_TIMEOUT: Final = 5.0
"""Seconds that a server has to end by itself, and to answer a health check."""
LAST_LINES: Final = 5
"""How many of a server's last lines are shown when it has ended."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Model:
    """A GGUF file, the name it is served under, its slots, and the context of each in tokens."""

    file: Path
    name: str
    slots: int = 8
    context: int = 4096

    def flags(self, port: int) -> list[str]:
        """Return the flags of a server on this port, for any llama.cpp since 2025."""
        values = {
            "--model": self.file.absolute(),
            "--alias": self.name,
            "--host": HOST,
            "--port": port,
            "--parallel": self.slots,
            "--ctx-size": self.slots * self.context,
        }
        pairs = [text for flag, value in values.items() for text in (flag, str(value))]
        return [*pairs, "--jinja", "--metrics", "--slots"]


class LlamaServer:
    """A server in a child process; a context manager that ends it.

    On Linux, the child ends with its parent even if the parent is killed.
    """

    def __init__(self, command: Sequence[str], port: int) -> None:
        self.url = f"http://{HOST}:{port}"
        self.base_url = f"{self.url}/v1"
        self._port = port
        self._serving = False
        shim = [sys.executable, "-m", "optillm.local.child", str(os.getpid())]
        self._child = subprocess.Popen(  # noqa: S603 - the server that the operator has installed
            [*shim, *command],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the proxy, which first lets its requests finish
        )
        self.pid = self._child.pid
        self._last = deque[str](maxlen=LAST_LINES)
        self._reader = threading.Thread(target=self._follow, daemon=True)
        self._reader.start()

    def wait_until_healthy(self) -> None:
        """Wait until the model is loaded.

        Raises `SettingsError`, one line, if that fails.
        """
        end = time.monotonic() + LOAD_TIMEOUT
        while not self._healthy():
            if time.monotonic() > end:
                raise SettingsError(f"local: {NAME} has not loaded the model within {LOAD_TIMEOUT:g} seconds")
            with suppress(subprocess.TimeoutExpired):
                status = self._child.wait(HEALTH_INTERVAL)
                self._reader.join(STOP_TIMEOUT)
                raise SettingsError(f"local: {NAME} did not start ({_ending(status)}): {self._last_words()}")
        self._serving = True

    def kill(self) -> None:
        """End the server at once, as a crash would, and wait until it is gone."""
        self._end(signal.SIGKILL)
        self._child.wait()

    def close(self) -> None:
        """Ask the server to end, and wait until it is gone; calling this twice is harmless."""
        self._end(signal.SIGTERM)
        try:
            self._child.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill()
        self._reader.join(STOP_TIMEOUT)

    def __enter__(self) -> LlamaServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _end(self, number: signal.Signals) -> None:
        self._serving = False
        if self._child.poll() is None:  # never in a forked worker, which is not the server's parent
            os.killpg(self.pid, number)  # with what a wrapper around the server may have started

    def _healthy(self) -> bool:
        connection = HTTPConnection(HOST, self._port, timeout=STOP_TIMEOUT)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == HTTPStatus.OK  # 503 while the model is loading
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def _follow(self) -> None:
        """Read what the server prints, and log its last lines if it ends by itself.

        Unread, the pipe would fill up and block the server; a file would grow with every request.
        """
        with cast(IO[bytes], self._child.stdout) as output:
            for line in output:
                text = line.decode(errors="replace").rstrip()
                self._last.append(text)
                log.debug("%s: %s", NAME, text)
        if self._serving:
            log.error("%s has ended: %s", NAME, self._last_words())

    def _last_words(self) -> str:
        return " / ".join(filter(None, self._last)) or "it printed nothing"


def launch(model: Model, port: int = 0) -> LlamaServer:
    """Serve a model in a child process and wait until it is loaded.

    Port 0 stands for any free port. Raises `SettingsError`, one line, if there is no server or it does not start.
    """
    port = port or _free_port()
    server = LlamaServer([*_program(), *model.flags(port)], port)
    try:
        server.wait_until_healthy()
    except BaseException:  # Ctrl-C while the model loads: the child must not stay behind
        server.close()
        raise
    return server


def _program() -> list[str]:
    """Return the command that starts the server, without flags.

    Raises `SettingsError` if no server is installed.
    """
    on_path = shutil.which(NAME)
    if on_path is not None:
        return [str(Path(on_path).absolute())]
    python = ROOT / INSTALLED
    if python.exists():
        return [str(python), "-I", str(Path(__file__).with_name("llama_server.py"))]
    raise SettingsError(
        f"local: there is no {NAME} on PATH: install llama.cpp, or run `make real` in a checkout of optillm"
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _ending(status: int) -> str:
    """Return how a process ended: its exit status, or its signal (SIGILL if AVX2 is missing)."""
    return f"status {status}" if status >= 0 else signal.Signals(-status).name
