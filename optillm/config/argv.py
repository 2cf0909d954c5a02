"""A key given as a flag leaves the command line, which every user of the machine can read in `ps` and `/proc`."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Sequence


def conceal(argv: Sequence[str], flags: Collection[str], variable: str) -> None:
    """Start this program anew without `flags`, their values in the environment; returns when none is given.

    A flag counts more than its variable, so the value does not change. Mistakes are left for the parser to tell.
    """
    kept, values = without(argv, flags)
    if sys.platform != "win32" and ",".join(values).strip():  # where a new start is another process
        interpreter = sys.orig_argv[1 : len(sys.orig_argv) - len(argv)]
        os.environ[variable] = ",".join(values)
        os.execv(sys.executable, [sys.executable, *interpreter, *kept])  # noqa: S606 - ourselves


def without(argv: Sequence[str], flags: Collection[str]) -> tuple[list[str], list[str]]:
    """The arguments without `flags`, spelt with dashes or underscores, and the values these had."""
    kept, values = list[str](), list[str]()
    words = iter(argv)
    for word in words:
        flag, equals, value = word.partition("=")
        if not flag.startswith("--") or flag.replace("_", "-") not in flags:
            kept.append(word)
        elif equals:
            values.append(value)
        else:
            values.extend([following] if (following := next(words, None)) is not None else [])
    return kept, values
