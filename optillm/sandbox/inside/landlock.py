"""Landlock: give up all rights to files, ports, abstract sockets and signals."""

from __future__ import annotations

import ctypes
import os
from typing import Final

from .kernel import LINUX, MACHINE, syscall

_CREATE_RULESET: Final = 444
_RESTRICT_SELF: Final = 446
_ASK_VERSION: Final = 1

_FILES: Final = {1: 13, 2: 14, 3: 15, 5: 16}
"""How many rights over files each version of the interface knows."""


def restrict() -> int:
    """Give up every right that the kernel can take away.

    Return the interface's version, 0 without one. This is the second lock behind seccomp, so its absence is no error.
    """
    if not LINUX or MACHINE not in {"x86_64", "aarch64"}:
        return 0
    try:
        version = syscall(_CREATE_RULESET, None, 0, _ASK_VERSION)
        _restrict(version)
    except OSError:
        return 0
    return version


def _restrict(version: int) -> None:
    files = (1 << max(bits for since, bits in _FILES.items() if since <= version)) - 1
    ports = 0b11 if version >= 4 else 0
    scopes = 0b11 if version >= 6 else 0
    words = [files] + [ports] * (version >= 4) + [scopes] * (version >= 6)
    attributes = (ctypes.c_uint64 * len(words))(*words)
    size = ctypes.sizeof(attributes)
    ruleset = syscall(_CREATE_RULESET, ctypes.cast(attributes, ctypes.c_void_p), size, 0)
    try:
        syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
