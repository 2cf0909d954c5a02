"""The real command in a process of its own, as a user starts it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
HANDED = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])
"""  # what systemd does for a service with a socket unit


@dataclass
class Proxy:
    """A running proxy: `url` without a path, `base_url` as SDKs want it, and its log so far."""

    url: str
    process: subprocess.Popen[str]
    log: list[str] = field(default_factory=list)
    told: threading.Condition = field(default_factory=threading.Condition)

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    @property
    def workers(self) -> list[int]:
        """The process ids of its workers."""
        master = self.process.pid
        return [int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()]

    def wait_for(self, words: str, seconds: float = 30) -> bool:
        """Wait until a line of the log holds these words."""
        with self.told:
            return self.told.wait_for(lambda: any(words in line for line in self.log), seconds)


def clean_environment(**extra: str) -> dict[str, str]:
    """The environment without anything that configures us or an SDK."""
    mine = ("OPTILLM_", "OPENAI_", "AZURE_", "CEREBRAS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(mine)} | extra


@contextmanager
def serving(
    *flags: str,
    cwd: Path = ROOT,
    environment: Mapping[str, str] | None = None,
    command: Sequence[str] = (sys.executable, str(ROOT / "optillm.py")),
    listener: socket.socket | None = None,
) -> Iterator[Proxy]:
    """A proxy on a free port, or on `listener`, stopped when the block ends; its log tells when it is ready.

    Upstreams of tests stand for hosted ones although they are on this machine: their replies are asked for whole.
    """
    handed = [] if listener is None else ["-c", HANDED, str(listener.fileno())]
    process = subprocess.Popen(  # noqa: S603 - our own command
        [command[0], *handed, *command[1:], "--port", "0", *flags],
        pass_fds=[] if listener is None else [listener.fileno()],
        cwd=cwd,
        env=clean_environment(**{"OPTILLM_UPSTREAM_STREAMS": "never", **(environment or {})}),
        stderr=subprocess.PIPE,
        text=True,
    )
    proxy, ready = Proxy("", process), threading.Event()
    reader = threading.Thread(target=_follow, args=(proxy, ready))
    reader.start()
    try:
        ready.wait()
        if not proxy.url:
            raise AssertionError(f"the proxy did not start:\n{''.join(proxy.log)}")
        yield proxy
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
        reader.join()


def _follow(proxy: Proxy, ready: threading.Event) -> None:
    """Read the log to its end: a process whose log nobody reads stands still once the pipe is full."""
    assert proxy.process.stderr is not None
    with proxy.process.stderr as lines:
        for line in lines:
            with proxy.told:
                proxy.log.append(line)
                proxy.told.notify_all()
            if listening := re.search(r"Listening at (http://[^\s\"]+)", line):
                proxy.url = listening.group(1)
                ready.set()
    ready.set()
