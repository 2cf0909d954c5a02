"""The system calls that a job may make, as a seccomp program.

Whatever is not listed fails with EPERM rather than killing the job: Python and z3 then raise ordinary errors, which
the model can repair. A foreign calling convention kills.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from dataclasses import dataclass
from typing import Final

from .kernel import LINUX, MACHINE, install_filter
from .words import words

_ALLOWED: Final = words(
    """
    read write readv writev close fstat lseek poll ppoll select pselect6 munmap brk mremap madvise membarrier
    rt_sigaction rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigsuspend sigaltstack futex
    sched_yield sched_getaffinity getcpu getpid getppid gettid getuid geteuid getgid getegid clock_gettime
    clock_getres clock_nanosleep nanosleep gettimeofday time times getrusage getrandom exit exit_group
    restart_syscall set_robust_list rseq sysinfo
    """
)

_X86_64: Final = {
    "read": 0, "write": 1, "close": 3, "fstat": 5, "poll": 7, "lseek": 8, "mmap": 9, "mprotect": 10,
    "munmap": 11, "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "readv": 19,
    "writev": 20, "select": 23, "sched_yield": 24, "mremap": 25, "madvise": 28, "nanosleep": 35, "getpid": 39,
    "clone": 56, "exit": 60, "gettimeofday": 96, "getrusage": 98, "sysinfo": 99, "times": 100, "getuid": 102,
    "getgid": 104, "geteuid": 107, "getegid": 108, "getppid": 110, "rt_sigpending": 127,
    "rt_sigtimedwait": 128, "rt_sigsuspend": 130, "sigaltstack": 131, "gettid": 186, "time": 201, "futex": 202,
    "sched_getaffinity": 204, "restart_syscall": 219, "clock_gettime": 228, "clock_getres": 229,
    "clock_nanosleep": 230, "exit_group": 231, "tgkill": 234, "pselect6": 270, "ppoll": 271,
    "set_robust_list": 273, "prlimit64": 302, "getcpu": 309, "getrandom": 318, "membarrier": 324, "rseq": 334,
    "clone3": 435,
}  # fmt: skip

_AARCH64: Final = {
    "close": 57, "lseek": 62, "read": 63, "write": 64, "readv": 65, "writev": 66, "pselect6": 72, "ppoll": 73,
    "fstat": 80, "exit": 93, "exit_group": 94, "futex": 98, "set_robust_list": 99, "nanosleep": 101,
    "clock_gettime": 113, "clock_getres": 114, "clock_nanosleep": 115, "sched_getaffinity": 123,
    "sched_yield": 124, "restart_syscall": 128, "tgkill": 131, "sigaltstack": 132, "rt_sigsuspend": 133,
    "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigpending": 136, "rt_sigtimedwait": 137,
    "rt_sigreturn": 139, "times": 153, "getrusage": 165, "getcpu": 168, "gettimeofday": 169, "getpid": 172,
    "getppid": 173, "getuid": 174, "geteuid": 175, "getgid": 176, "getegid": 177, "gettid": 178,
    "sysinfo": 179, "brk": 214, "munmap": 215, "mremap": 216, "clone": 220, "mmap": 222, "mprotect": 226,
    "madvise": 233, "prlimit64": 261, "getrandom": 278, "membarrier": 283, "rseq": 293, "clone3": 435,
}  # fmt: skip


@dataclass(frozen=True)
class _Machine:
    calls: dict[str, int]
    audit: int
    foreign: int | None
    """Numbers from here on belong to another calling convention of the same machine."""


_MACHINES: Final = {
    "x86_64": _Machine(_X86_64, 0xC000_003E, 0x4000_0000),
    "aarch64": _Machine(_AARCH64, 0xC000_00B7, None),
}

_KILL: Final = 0x8000_0000
_ALLOW: Final = 0x7FFF_0000
_ERRNO: Final = 0x0005_0000

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_ANY_BIT: Final = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K

_NUMBER_AT: Final = 0
_ARCHITECTURE_AT: Final = 4
_PROT_EXEC: Final = 4
_CLONE_THREAD: Final = 0x0001_0000

_Instruction = tuple[int, int, int, int]


class _Filter(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("jt", ctypes.c_uint8),
        ("jf", ctypes.c_uint8),
        ("k", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Filter)))


def supported() -> bool:
    """Return whether there is a table for this machine."""
    return LINUX and MACHINE in _MACHINES and sys.byteorder == "little" and sys.maxsize > 2**32


def install() -> None:
    """Filter the system calls of this process from here on.

    Raises `OSError` if that cannot be done.
    """
    if not supported():
        raise OSError(errno.ENOSYS, "no system call table for this machine")
    instructions = _instructions(_MACHINES[MACHINE], os.getpid())
    array = (_Filter * len(instructions))(*(_Filter(*instruction) for instruction in instructions))
    install_filter(_Program(len(instructions), array))


def _instructions(machine: _Machine, pid: int) -> list[_Instruction]:
    program = [(_LOAD, 0, 0, _ARCHITECTURE_AT), (_EQUAL, 1, 0, machine.audit), _returning(_KILL)]
    program.append((_LOAD, 0, 0, _NUMBER_AT))
    if machine.foreign is not None:
        program += [(_AT_LEAST, 0, 1, machine.foreign), _returning(_KILL)]
    for name in _ALLOWED:
        if name in machine.calls:
            program += [(_EQUAL, 0, 1, machine.calls[name]), _returning(_ALLOW)]
    for name, body in _rules(pid).items():
        program += [(_EQUAL, 0, len(body), machine.calls[name]), *body]
    program.append(_returning(_ERRNO | errno.EPERM))
    return program


def _rules(pid: int) -> dict[str, list[_Instruction]]:
    """Return the calls that are allowed with some arguments only."""
    no_exec = [_low(2), (_ANY_BIT, 0, 1, _PROT_EXEC), _returning(_ERRNO | errno.EPERM), _returning(_ALLOW)]
    return {
        "mmap": no_exec,
        "mprotect": no_exec,
        # z3 starts a thread to watch the clock; it may never start a process.
        "clone": [
            _low(0),
            (_ANY_BIT, 1, 0, _CLONE_THREAD),
            _returning(_ERRNO | errno.EPERM),
            _returning(_ALLOW),
        ],
        # Its flags are in memory, where a filter cannot look; the C library falls back to clone.
        "clone3": [_returning(_ERRNO | errno.ENOSYS)],
        # abort() sends a signal to its own process.
        "tgkill": [_low(0), (_EQUAL, 1, 0, pid), _returning(_ERRNO | errno.EPERM), _returning(_ALLOW)],
        # Limits may be read, not set.
        "prlimit64": [
            _low(2),
            (_EQUAL, 0, 2, 0),
            _high(2),
            (_EQUAL, 1, 0, 0),
            _returning(_ERRNO | errno.EPERM),
            _returning(_ALLOW),
        ],
    }


def _low(argument: int) -> _Instruction:
    return _LOAD, 0, 0, 16 + 8 * argument


def _high(argument: int) -> _Instruction:
    return _LOAD, 0, 0, 20 + 8 * argument


def _returning(verdict: int) -> _Instruction:
    return _RETURN, 0, 0, verdict
