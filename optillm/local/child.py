"""`python -m optillm.local.child PARENT COMMAND …`: become a command that ends with the process PARENT.

The kernel tells a process of its parent's death also after it has become another program, so a server that knows
nothing of it can be told. Other systems than Linux cannot; there a parent that is killed leaves its child behind.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1


def main(argv: list[str]) -> None:
    """Become the command; exits with one line when it cannot be started."""
    parent, *command = argv
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):  # it ended before that
        return
    try:
        os.execv(command[0], command)  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
