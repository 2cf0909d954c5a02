"""The walls around one job, and the proof that they stand.

`install` is called in a fresh fork, before the job has read a byte of the program: limits first, then the system call
filter, which removes the calls that set limits.
"""

from __future__ import annotations

import _thread
import contextlib
import errno
import os
import resource
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from . import kernel, seccomp

MEGABYTE: Final = 1024 * 1024
_THREADS: Final = 4096
_MAX_THREADS: Final = 2**20


@dataclass(frozen=True, slots=True)
class JobLimits:
    """What one job may use: wall time (ms), CPU time (s) and address space (MB).

    `threads` limits all threads of the user that the job runs as, see `thread_limit`.
    """

    wall_ms: int
    cpu: int
    memory_mb: int
    threads: int = _THREADS


def install(limits: JobLimits, *, filtered: bool) -> None:
    """Limit this process and, where the kernel can, filter its system calls."""
    limit(limits)
    if filtered:
        seccomp.install()


def limit(limits: JobLimits) -> None:
    """Set resource limits, as far as the system knows them.

    The filter forbids processes. Threads, of which z3 needs one, are limited per user, generously: a flood of them
    would cost memory that no other limit counts.
    """
    memory = limits.memory_mb * MEGABYTE
    for name, soft, hard in (
        ("RLIMIT_CORE", 0, 0),
        ("RLIMIT_FSIZE", 0, 0),
        ("RLIMIT_MEMLOCK", 0, 0),
        ("RLIMIT_MSGQUEUE", 0, 0),
        ("RLIMIT_NOFILE", 16, 16),
        ("RLIMIT_NPROC", limits.threads, limits.threads),
        ("RLIMIT_STACK", 16 * MEGABYTE, 16 * MEGABYTE),
        ("RLIMIT_CPU", limits.cpu, limits.cpu + 1),
        ("RLIMIT_AS", memory, memory),
    ):
        number = getattr(resource, name, None)
        if number is None:
            continue
        with contextlib.suppress(ValueError, OSError):  # an outer limit is lower, which is just as good
            resource.setrlimit(number, (soft, hard))


def holds(install_walls: Callable[[], None]) -> bool:
    """Return whether the walls stop a child of ours from all it must not do, by trying it."""
    return _in_child(lambda: _try_everything(install_walls) == 0)


def thread_limit(least: int = _THREADS) -> int:
    """Return how many threads this process's user may have so that half of them stay free.

    The kernel counts the threads of all processes of a user, even in other containers, and z3 aborts if it
    cannot start the one that watches its time. So what others have started by now is measured, by trying.
    """
    limit = least
    while limit < _MAX_THREADS and not _in_child(partial(_fits_under, limit // 2)):
        limit *= 2
    return limit


def _fits_under(limit: int) -> bool:
    """Return whether another thread can start if the user may have `limit` of them."""
    resource.setrlimit(resource.RLIMIT_NPROC, (limit, limit))
    _thread.start_new_thread(int, ())
    return True


def _in_child(holds: Callable[[], bool]) -> bool:
    """Return whether something holds in a fork of this process, which it may change.

    An error means no.
    """
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            kernel.die_with_parent(parent)
            os._exit(0 if holds() else 1)
        except BaseException:  # noqa: BLE001  nothing may fall through into the code of the parent
            os._exit(1)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0


def _try_everything(install_walls: Callable[[], None]) -> int:
    parent = os.getppid()
    try:
        install_walls()
        tries: list[Callable[[], object]] = [
            lambda: os.open("/dev/null", os.O_RDONLY),
            lambda: os.open("/tmp/optillm-solver-self-test", os.O_WRONLY | os.O_CREAT, 0o600),  # noqa: S108
            lambda: os.stat("/"),  # noqa: PTH116  the calls themselves are under test
            lambda: os.listdir("/"),  # noqa: PTH208
            lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
            lambda: socket.socketpair(),
            lambda: os.pipe(),
            _fork,
            # A file that does not exist: a real one would end this process with its own exit code.
            lambda: os.execv("/nonexistent/program", ["program"]),  # noqa: S606
            lambda: os.kill(parent, 0),
            lambda: os.kill(os.getpid(), 0),
            lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
            lambda: kernel.prctl(4, 0),
        ]
        return sum(1 for attempt in tries if not _refused(attempt))
    except BaseException:  # noqa: BLE001  whatever went wrong, the walls are not proven
        return 99


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _refused(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError as refusal:
        return refusal.errno in {errno.EPERM, errno.EACCES}
    except ValueError as refusal:  # how `resource` reports EPERM
        return "not allowed" in str(refusal)
    return False
