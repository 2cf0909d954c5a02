"""The process all jobs are forked from: everything imported, nothing secret, no way back to the files.

It is started by exec, never by a fork of the server, whose memory holds keys. It talks to nobody but the
server, over the socket it gets as descriptor 0, and ends when that socket does. Each order brings two
descriptors: the socket the job reads its program from and writes its reply to, and one on which the zygote
tells how the job ended. The server closing the latter, or dying, cancels the job.
"""

from __future__ import annotations

import gc
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NoReturn

from . import jail, kernel, landlock, seccomp
from .frames import ENDED as ENDED_RECORD
from .frames import EXIT_NO_JAIL, EXIT_NO_MEMORY, ORDER, encode
from .jail import Bounds
from .preload import preload

GRACE: Final = 0.5
"""Seconds a job gets beyond its wall limit, to say itself that time is up."""
JOB_SOCKET: Final = 3


@dataclass(frozen=True)
class Plan:
    """What a zygote is made of; tests take one of the two walls away."""

    install: Callable[..., None]
    execute: Callable[..., None]
    language_only: bool = False
    proven: Callable[[Callable[[], None]], bool] = jail.holds
    files: Callable[[], int] = landlock.restrict


@dataclass
class _Job:
    pid: int
    status: socket.socket
    deadline: float
    killed: bool = field(default=False)

    def kill(self) -> None:
        if not self.killed:
            os.kill(self.pid, signal.SIGKILL)
            self.killed = True


def main(plan: Plan) -> NoReturn:
    """Serve jobs until the server goes."""
    control = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    began = time.monotonic()
    preload()
    level, version, threads = _settle(plan)
    ready = {"ready": True, "level": level, "landlock": version, "seconds": time.monotonic() - began}
    kernel.stay(control.fileno())
    control.sendall(encode(ready))
    _Zygote(plan, control, null, level, threads).serve()
    os._exit(0)


def _settle(plan: Plan) -> tuple[str, int, int]:
    """Give up what can be given up, and find out what jobs have.

    That is how strong their jail is (full, seccomp or none), the version of Landlock and a limit on threads.
    """
    kernel.leave_network()
    kernel.drop_root()
    kernel.never_gain_privileges()
    if kernel.LINUX and len(os.listdir("/proc/self/task")) != 1:  # noqa: PTH208
        sys.exit("a fork would lose a thread")
    version = plan.files()
    gc.collect()
    gc.freeze()
    threads = jail.thread_limit()
    bounds = Bounds(wall_ms=5000, cpu=5, memory_mb=1024, threads=threads)
    held = seccomp.supported() and plan.proven(lambda: plan.install(bounds, filtered=True))
    return ("none" if not held else "full" if version else "seccomp"), version, threads


class _Zygote:
    def __init__(self, plan: Plan, control: socket.socket, null: int, level: str, threads: int) -> None:
        self._plan = plan
        self._control = control
        self._null = null
        self._level = level
        self._threads = threads
        self._pid = os.getpid()
        self._jobs: dict[int, _Job] = {}
        self._selector = selectors.DefaultSelector()
        self._bell, ringer = socket.socketpair()
        for end in (self._bell, ringer):
            end.setblocking(False)
        self._ringer = ringer
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(ringer.fileno(), warn_on_full_buffer=False)
        self._selector.register(control, selectors.EVENT_READ)
        self._selector.register(self._bell, selectors.EVENT_READ)

    def serve(self) -> None:
        while True:
            for key, _ in self._selector.select(self._patience()):
                if key.fileobj is self._control:
                    if not self._accept():
                        return self._leave()
                elif key.fileobj is self._bell:
                    self._bell.recv(4096)
                else:
                    self._cancel(key.data)
            self._reap()
            now = time.monotonic()
            for job in self._jobs.values():
                if now >= job.deadline:
                    job.kill()

    def _patience(self) -> float | None:
        waiting = [job.deadline for job in self._jobs.values() if not job.killed]
        return max(0.0, min(waiting) - time.monotonic()) if waiting else None

    def _accept(self) -> bool:
        """Start the job of one order; `False` at the end of the control socket."""
        record, descriptors, _, _ = socket.recv_fds(self._control, ORDER.size, 2)
        if len(record) != ORDER.size or len(descriptors) != 2:
            return False
        wall_ms, cpu, memory_mb = ORDER.unpack(record)
        bounds = Bounds(wall_ms, cpu, memory_mb, self._threads)
        work, status = descriptors
        try:
            pid = os.fork()
        except OSError:  # out of processes: the server sees the sockets close without an ending
            os.close(work)
            os.close(status)
            return True
        if pid == 0:
            self._become_job(work, bounds)
        os.close(work)
        job = _Job(pid, socket.socket(fileno=status), time.monotonic() + bounds.wall_ms / 1000 + GRACE)
        self._jobs[pid] = job
        self._selector.register(job.status, selectors.EVENT_READ, job)
        return True

    def _cancel(self, job: _Job) -> None:
        """The server has closed its end: nobody waits for this job any more."""
        job.kill()
        self._selector.unregister(job.status)

    def _reap(self) -> None:
        while self._jobs:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if pid == 0:
                return
            job = self._jobs.pop(pid, None)
            if job is None:
                continue
            if job.status in self._selector.get_map():
                self._selector.unregister(job.status)
            with job.status:
                try:
                    job.status.send(ENDED_RECORD.pack(status, min(usage.ru_maxrss, 2**32 - 1)))
                except OSError:
                    continue  # cancelled

    def _leave(self) -> None:
        for job in self._jobs.values():
            job.kill()

    def _become_job(self, work: int, bounds: Bounds) -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            kernel.die_with_parent(self._pid)
            os.setsid()
            kernel.die_with_parent(self._pid)
            self._keep_only(work)
            install = self._plan.install
            filtered = self._level != "none"
            python = filtered or self._plan.language_only
            self._plan.execute(JOB_SOCKET, bounds, lambda: install(bounds, filtered=filtered), python=python)
        except MemoryError:
            os._exit(EXIT_NO_MEMORY)
        except BaseException:  # noqa: BLE001  nothing may fall through into the zygote's own loop
            os._exit(EXIT_NO_JAIL)
        os._exit(0)

    def _keep_only(self, work: int) -> None:
        """Descriptors 0 to 2 lead nowhere, 3 is the job's socket, nothing else is open."""
        if work != JOB_SOCKET:
            if self._null == JOB_SOCKET:
                self._null = os.dup(self._null)
            os.dup2(work, JOB_SOCKET)
        for descriptor in range(3):
            os.dup2(self._null, descriptor)
        os.closerange(JOB_SOCKET + 1, 65536)
