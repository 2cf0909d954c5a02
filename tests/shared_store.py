"""A real Redis server for tests, on a port of its own; tests that need one are skipped where there is none."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass
class Redis:
    """A Redis server that can be stopped and started again, with what it held."""

    folder: Path
    port: int
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def socket_url(self) -> str:
        return f"redis+unix://{self.folder}/redis.sock"

    def start(self) -> None:
        # Its socket is named relative to its folder, as a path to a socket must be short.
        where = ["--port", str(self.port), "--dir", str(self.folder), "--unixsocket", "redis.sock"]
        flags = [
            *where,
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
        ]
        self.process = subprocess.Popen(  # noqa: S603 - found on the path
            [redis_program(), *flags],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        log = []
        for line in self.process.stdout:
            log.append(line)
            if "Ready to accept connections" in line:
                return
        raise AssertionError("Redis did not start:\n" + "".join(log))

    def stop(self) -> None:
        if self.process is not None and self.process.stdout is not None:
            self.process.terminate()
            self.process.stdout.read()
            self.process.stdout.close()
            self.process.wait()
            self.process = None


def redis_program() -> str:
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("needs redis-server")
    return server


@contextmanager
def redis_server(folder: Path) -> Iterator[Redis]:
    """A running server that keeps its files in the folder."""
    redis_program()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = Redis(folder, port)
    server.start()
    try:
        yield server
    finally:
        server.stop()
