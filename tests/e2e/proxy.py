"""The real command in a process of its own: forked for most tests, else as a user starts it."""

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

from tests.blocking import MARK, forbid_blocking_calls
from tests.forks import Forked, Process

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, str(ROOT / "optillm.py"))
forking = False  # set by conftest: tests fork, benchmarks do not
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
    process: Process
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
    command: Sequence[str] | None = None,
    listener: socket.socket | None = None,
) -> Iterator[Proxy]:
    """A proxy on a free port, or on `listener`, stopped when the block ends; its log tells when it is ready.

    Upstreams of tests stand for hosted ones although they are on this machine: their replies are asked for whole.
    """
    variables = clean_environment(**{"OPTILLM_UPSTREAM_STREAMS": "never", **(environment or {})})
    arguments = ["--port", "0", *flags]
    if forking and command is None and listener is None:
        process: Process = Forked(main, arguments, cwd, variables)
    else:
        process = _started([*(command or COMMAND), *arguments], cwd, variables, listener)
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
        blocked = [line for line in proxy.log if line.startswith(MARK)]
        if blocked:
            raise AssertionError(f"the event loop was blocked:\n{''.join(proxy.log)}")


def main(*arguments: str) -> None:
    """Do what the command does, in a process that has been forked for it."""
    sys.argv = [*COMMAND[1:], *arguments]
    sys.orig_argv = [*COMMAND, *arguments]  # it may start itself anew
    from optillm import cli

    forbid_blocking_calls()
    cli.main()


def _started(
    command: Sequence[str], cwd: Path, variables: Mapping[str, str], listener: socket.socket | None
) -> subprocess.Popen[str]:
    """The process of this command, which is handed the listener."""
    handed = [] if listener is None else ["-c", HANDED, str(listener.fileno())]
    return subprocess.Popen(  # noqa: S603 - our own command
        [command[0], *handed, *command[1:]],
        pass_fds=[] if listener is None else [listener.fileno()],
        cwd=cwd,
        env=variables,
        stderr=subprocess.PIPE,
        text=True,
    )


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
