"""Measure what a process tree takes of the machine, describe the machine, and print tables."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

TICKS: Final = os.sysconf("SC_CLK_TCK")

_MODEL = re.compile(r"model name\s*: *(.+)")
_SHARE = re.compile(r"^Pss: *(\d+) kB", re.MULTILINE)


def tree(process: int) -> list[int]:
    """Return the ids of a process and of all its descendants."""
    members = [process]
    for member in members:  # grows while it is read
        for task in Path(f"/proc/{member}/task").glob("*"):
            with suppress(OSError):  # the process has ended meanwhile
                members += map(int, (task / "children").read_text().split())
    return members


def cpu(process: int) -> float:
    """Return the CPU seconds of a process tree, including children that it has waited for."""
    total = 0
    for member in tree(process):
        with suppress(OSError):
            fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15]))
    return total / TICKS


def memory(process: int) -> float:
    """Return the megabytes of a process tree; pages shared by several processes count once (PSS)."""
    total = 0
    for member in tree(process):
        with suppress(OSError):
            match = _SHARE.search(Path(f"/proc/{member}/smaps_rollup").read_text())
            total += int(match[1]) if match else 0
    return total / 1024


def described() -> str:
    """Return one line on the machine, for above a table: a figure says little without it."""
    cores = len(os.sched_getaffinity(0))
    with suppress(OSError):
        model = _MODEL.search(Path("/proc/cpuinfo").read_text())
    name = model[1] if model else platform.machine()
    load = os.getloadavg()[0]
    return (
        f"{cores} cores ({name}), Python {platform.python_version()}; load average when it began: {load:.1f}"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a Markdown table."""
    print("\n| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |", flush=True)


def ranked(values: Iterable[float], share: float) -> float:
    """Return the value below which this share lies: 0.5 is the median, 0.99 the 99th percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
