"""The zygote as the server sees it: a child process and the socket that keeps it alive."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final, get_args

from optillm.sandbox.inside.frames import HEADER, ORDER
from optillm.sandbox.results import Level, SandboxLimits

BOOT: Final = Path(__file__).with_name("inside") / "boot.py"
_START_LIMIT: Final = 30.0
_LONGEST_READY: Final = 4096
_ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "2"}


class CannotStart(Exception):
    """The zygote did not come up."""


@dataclass(frozen=True)
class Ready:
    """What a zygote reports once it is up: its jail's strength, and the seconds it took."""

    level: Level
    landlock: int
    seconds: float


class Process:
    """One running zygote.

    Its processes are gone when `kill` returns or, at the latest, when we end.
    """

    def __init__(self, child: subprocess.Popen[bytes], control: socket.socket, ready: Ready) -> None:
        self._child = child
        self._control = control
        self.ready = ready

    @property
    def pid(self) -> int:
        """Return the zygote's process id."""
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Return whether the zygote is still there."""
        return self._child.poll() is None

    def order(self, limits: SandboxLimits, descriptors: tuple[int, int], longer: float = 0.0) -> None:
        """Start a job on a pair of descriptors, with `longer` seconds more to wait for its program.

        Raises `OSError` if the zygote is gone.
        """
        wall = int((limits.wall + longer) * 1000)
        record = ORDER.pack(wall, int(limits.wall) + 2, limits.memory)
        socket.send_fds(self._control, [record], descriptors)

    def kill(self) -> None:
        """End the zygote and, through it, every job, at once; blocks for milliseconds."""
        self._control.close()
        kill(self._child)

    def kill_aside(self) -> None:
        """End the zygote and every job without waiting for it: for event loops."""
        self._control.close()
        kill_aside(self._child)

    def forget(self) -> None:
        """Close our copies in a forked child, to which this process does not belong."""
        self._control.close()
        self._child.returncode = 0  # so that its destructor neither waits nor warns


def kill(child: subprocess.Popen[bytes]) -> None:
    """End a process group of ours and collect its leader.

    Blocks until it is gone, which takes milliseconds.
    """
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(5)


def kill_aside(child: subprocess.Popen[bytes]) -> None:
    """End a process group of ours without waiting for it: for event loops."""
    threading.Thread(target=kill, args=(child,), name="sandbox end").start()


async def start(boot: Path = BOOT, *, language_only: bool = False) -> Process:
    """Start a zygote and wait until it is ready.

    Raises `CannotStart`.
    """
    if not hasattr(socket, "send_fds") or not hasattr(os, "fork"):
        raise CannotStart("this system cannot hand sockets to a child process")
    ours, theirs = socket.socketpair()
    arguments = [sys.executable, "-I", "-B", str(boot), *(["--language-only"] if language_only else [])]
    try:
        child = _spawn(arguments, theirs)
    except OSError as error:
        ours.close()
        raise CannotStart(error.strerror or "the solver process cannot be started") from None
    finally:
        theirs.close()
    try:
        ready = await asyncio.wait_for(_ready(ours), _START_LIMIT)
    except (OSError, ValueError, KeyError, EOFError, TimeoutError) as error:
        ours.close()
        kill_aside(child)
        raise CannotStart(f"the solver process does not come up ({type(error).__name__})") from None
    except BaseException:  # cancelled: the child must not stay behind
        ours.close()
        kill_aside(child)
        raise
    ours.setblocking(True)
    ours.settimeout(2.0)  # orders are sent blocking, and a hung zygote must not hang the server
    return Process(child, ours, ready)


def _spawn(arguments: list[str], theirs: socket.socket) -> subprocess.Popen[bytes]:
    # By exec: a fork of this process would carry the keys in its memory to where programs run.
    return subprocess.Popen(  # noqa: S603  the arguments are ours
        arguments,
        stdin=theirs.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_ENVIRONMENT,
        cwd="/",
        close_fds=True,
        start_new_session=True,
    )


async def _ready(ours: socket.socket) -> Ready:
    ours.setblocking(False)
    (length,) = HEADER.unpack(await exactly(ours, HEADER.size))
    if length > _LONGEST_READY:
        raise ValueError("not a zygote")
    report = json.loads(await exactly(ours, length))
    if not isinstance(report, dict) or report.get("level") not in get_args(Level):
        raise ValueError("not a zygote")
    return Ready(report["level"], int(report["landlock"]), float(report["seconds"]))


async def exactly(source: socket.socket, count: int) -> bytes:
    """Return exactly `count` bytes from a non-blocking socket.

    Raises `EOFError` if it ends before.
    """
    loop = asyncio.get_running_loop()
    parts = bytearray()
    while len(parts) < count:
        part = await loop.sock_recv(source, min(count - len(parts), 65536))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)
