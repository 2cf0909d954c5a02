"""The process that all jobs are forked from: all is imported, and nothing is secret.

It has no access to files. It is started by exec, never by a fork of the server, whose memory holds keys. It talks to
nobody but the server, over the socket that it gets as descriptor 0, and ends when that socket does. Each order brings
two descriptors: the socket from which the job reads its program and to which it writes its reply, and one on which the
zygote reports how the job ended. If the server closes the latter, or dies, the job is cancelled.
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
from .jail import JobLimits
from .preload import preload

GRACE: Final = 0.5
"""Seconds beyond its wall limit in which a job can itself report the timeout."""
JOB_SOCKET: Final = 3


@dataclass(frozen=True)
class ZygotePlan:
    """What a zygote is made of; tests remove one of the two walls."""

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


def main(plan: ZygotePlan) -> NoReturn:
    """Serve jobs until the server is gone."""
    control = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    started = time.monotonic()
    preload()
    level, version, threads = _settle(plan)
    ready = {"ready": True, "level": level, "landlock": version, "seconds": time.monotonic() - started}
    kernel.stay(control.fileno())
    control.sendall(encode(ready))
    _Zygote(plan, control, null, level, threads).serve()
    os._exit(0)


def _settle(plan: ZygotePlan) -> tuple[str, int, int]:
    """Give up all rights, and find out what jobs get.

    That is the strength of their jail (full, seccomp or none), the version of Landlock and a limit on threads.
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
    limits = JobLimits(wall_ms=5000, cpu=5, memory_mb=1024, threads=threads)
    walls_hold = seccomp.supported() and plan.proven(lambda: plan.install(limits, filtered=True))
    return ("none" if not walls_hold else "full" if version else "seccomp"), version, threads


class _Zygote:
    def __init__(self, plan: ZygotePlan, control: socket.socket, null: int, level: str, threads: int) -> None:
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
            for key, _ in self._selector.select(self._next_deadline()):
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

    def _next_deadline(self) -> float | None:
        deadlines = [job.deadline for job in self._jobs.values() if not job.killed]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _accept(self) -> bool:
        """Start the job of one order; return whether the control socket is still open."""
        record, descriptors, _, _ = socket.recv_fds(self._control, ORDER.size, 2)
        if len(record) != ORDER.size or len(descriptors) != 2:
            return False
        wall_ms, cpu, memory_mb = ORDER.unpack(record)
        limits = JobLimits(wall_ms, cpu, memory_mb, self._threads)
        work, status = descriptors
        try:
            pid = os.fork()
        except OSError:  # too many processes: the server sees the sockets close without a report
            os.close(work)
            os.close(status)
            return True
        if pid == 0:
            self._become_job(work, limits)
        os.close(work)
        job = _Job(pid, socket.socket(fileno=status), time.monotonic() + limits.wall_ms / 1000 + GRACE)
        self._jobs[pid] = job
        self._selector.register(job.status, selectors.EVENT_READ, job)
        return True

    def _cancel(self, job: _Job) -> None:
        """Cancel a job after the server closed its end: nobody waits for it any more."""
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

    def _become_job(self, work: int, limits: JobLimits) -> NoReturn:
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
            self._plan.execute(JOB_SOCKET, limits, lambda: install(limits, filtered=filtered), python=python)
        except MemoryError:
            os._exit(EXIT_NO_MEMORY)
        except BaseException:  # noqa: BLE001  nothing may fall through into the zygote's own loop
            os._exit(EXIT_NO_JAIL)
        os._exit(0)

    def _keep_only(self, work: int) -> None:
        """Leave descriptors 0 to 2 leading nowhere, 3 as the job's socket, and nothing else open."""
        if work != JOB_SOCKET:
            if self._null == JOB_SOCKET:
                self._null = os.dup(self._null)
            os.dup2(work, JOB_SOCKET)
        for descriptor in range(3):
            os.dup2(self._null, descriptor)
        os.closerange(JOB_SOCKET + 1, 65536)
