"""Run a command that ends with another process.

Usage: `python -m optillm.local.child PARENT COMMAND …`, where PARENT is a process number. This process becomes the
command by `exec`, across which the kernel's parent-death signal stays set, so the command needs no support for it. Only
Linux has this: elsewhere a parent that is killed leaves its child behind.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1


def main(argv: list[str]) -> None:
    """Replace this process by the command, or exit with one line if it cannot be started."""
    parent, *command = argv
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):  # the parent ended before the signal was set
        return
    try:
        os.execv(command[0], command)  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
