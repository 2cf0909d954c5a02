"""What a process tree has taken of the machine, what machine that is, and tables of it."""

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
    """The ids of a process and of all its descendants."""
    found = [process]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*"):
            with suppress(OSError):  # it has ended meanwhile
                found += map(int, (task / "children").read_text().split())
    return found


def cpu(process: int) -> float:
    """Seconds of processor time that a process tree has used, children it has waited for included."""
    total = 0
    for one in tree(process):
        with suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15]))
    return total / TICKS


def memory(process: int) -> float:
    """Megabytes of a process tree; pages that several processes share count once (PSS)."""
    total = 0
    for one in tree(process):
        with suppress(OSError):
            found = _SHARE.search(Path(f"/proc/{one}/smaps_rollup").read_text())
            total += int(found[1]) if found else 0
    return total / 1024


def described() -> str:
    """One line on the machine, for above a table: a figure says little without it."""
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
    """The value that this share of them does not exceed: 0.5 is the median, 0.99 the 99th percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
