"""The folder through which several workers add up their metrics.

It is separate from the metrics because their library looks for the folder when it is imported, in a variable of the
environment. That variable is ours for as long as we serve: one that the operator has set belongs to another program,
whose numbers would mix with these.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"
SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - no disk that may stall; the folder's name is fresh

_FORMER: Final = VARIABLE.lower()  # the library still reads it


@contextmanager
def counting_folder(workers: int) -> Iterator[None]:
    """Give the workers forked in this block a fresh folder to count in.

    A single worker needs none.
    """
    before = {name: os.environ.pop(name) for name in (VARIABLE, _FORMER) if name in os.environ}
    owner = os.getpid()
    folder = None
    if workers > 1:
        memory = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None
        folder = os.environ[VARIABLE] = tempfile.mkdtemp(prefix="optillm-metrics-", dir=memory)
    try:
        yield
    finally:
        if os.getpid() == owner:  # a worker leaves this block as well when it ends
            os.environ.pop(VARIABLE, None)
            os.environ.update(before)
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)


def folder_in_use() -> str | None:
    """Return the folder in which this process counts together with others, if it does."""
    return os.environ.get(VARIABLE)


def forget(pid: int) -> None:
    """Drop what a dead worker had in flight, but keep what it counted."""
    folder = folder_in_use()
    if folder is not None:
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
