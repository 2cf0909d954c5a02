"""The few system calls that Python has no name for, through ctypes."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import platform
import signal
import socket
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_SECCOMP: Final = 22
_PR_SET_NO_NEW_PRIVS: Final = 38
_SECCOMP_MODE_FILTER: Final = 2
_CLONE_NEWIPC: Final = 0x0800_0000
_CLONE_NEWNET: Final = 0x4000_0000
_NOBODY: Final = 65534
_FIRST_USER: Final = 61184
_USERS: Final = 4336
"""Users without a name or files, which systemd, too, gives to services that need one of their own."""

LINUX: Final = sys.platform == "linux"
MACHINE: Final = platform.machine().lower()

_libc = ctypes.CDLL(None, use_errno=True)


def syscall(number: int, *arguments: int | ctypes.c_void_p | None) -> int:
    """Call the kernel.

    Raises `OSError` if it refuses.
    """
    words = [ctypes.c_long(a) if isinstance(a, int) else (a or ctypes.c_void_p(None)) for a in arguments]
    result = _libc.syscall(ctypes.c_long(number), *words)
    if result < 0:
        raise OSError(ctypes.get_errno(), f"system call {number} refused")
    return int(result)


def prctl(option: int, value: int = 0, pointer: ctypes.c_void_p | None = None) -> None:
    """Set an attribute of this process.

    Raises `OSError` if the kernel refuses.
    """
    nothing = ctypes.c_ulong(0)
    second = pointer if pointer is not None else nothing
    if _libc.prctl(ctypes.c_int(option), ctypes.c_ulong(value), second, nothing, nothing) < 0:
        raise OSError(ctypes.get_errno(), f"prctl {option} refused")


def die_with_parent(parent: int) -> None:
    """End with SIGKILL when the process `parent`, our single-threaded parent, does."""
    if LINUX:
        prctl(_PR_SET_PDEATHSIG, 9)
    if os.getppid() != parent:
        os._exit(0)


def end_with(connection: int) -> None:
    """End at once, whatever is running, when a socket's other end closes or has closed.

    Until `stay` is called, any other sign of life on the socket ends this process, too. The parent's death signal
    would not do: the kernel sends it for the thread that started us, not for its process.
    """
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(connection, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(connection, fcntl.F_SETFL, fcntl.fcntl(connection, fcntl.F_GETFL) | os.O_ASYNC)
    with socket.socket(fileno=os.dup(connection)) as peer, contextlib.suppress(BlockingIOError):
        if not peer.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
            os._exit(0)


def stay(connection: int) -> None:
    """Undo `end_with`: from here on the socket itself is watched."""
    fcntl.fcntl(connection, fcntl.F_SETFL, fcntl.fcntl(connection, fcntl.F_GETFL) & ~os.O_ASYNC)


def never_gain_privileges() -> None:
    """Forbid set-uid gains, core dumps and tracing by others of the same user."""
    if LINUX:
        prctl(_PR_SET_NO_NEW_PRIVS, 1)
        prctl(_PR_SET_DUMPABLE, 0)


def install_filter(program: ctypes.Structure) -> None:
    """Put this process under a seccomp filter, irrevocably."""
    prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.cast(ctypes.pointer(program), ctypes.c_void_p))


def leave_network() -> None:
    """Enter an empty network and IPC namespace, if that is allowed."""
    if LINUX:
        _libc.unshare(ctypes.c_int(_CLONE_NEWNET))
        _libc.unshare(ctypes.c_int(_CLONE_NEWIPC))


def drop_root() -> None:
    """Become a user that nothing else runs as, if we are root and may.

    A container can take that right away. The kernel counts threads per user: were it the same for all sandboxes, a
    flood of threads in one would leave none to honest programs in the next. Where such users are not mapped, it is
    nobody.
    """
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or not LINUX:
        return
    with contextlib.suppress(OSError):
        os.setgroups([])
    own = _FIRST_USER + int.from_bytes(os.urandom(4)) % _USERS
    for user in (own, _NOBODY):
        with contextlib.suppress(OSError):
            os.setresgid(user, user, user)
        with contextlib.suppress(OSError):
            os.setresuid(user, user, user)
            return
