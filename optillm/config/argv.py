"""Keep keys given as flags out of the command line.

Every local user can read it in `ps` and `/proc`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Sequence


def conceal(argv: Sequence[str], flags: Collection[str], variable: str) -> None:
    """Restart this program without `flags`, with their values in the environment.

    Returns only if none of the flags is there. A flag takes precedence over its variable, so the value does not
    change. Mistakes are left for the parser to report.
    """
    kept, values = without(argv, flags)
    if sys.platform != "win32" and ",".join(values).strip():  # where `exec` starts another process
        interpreter = sys.orig_argv[1 : len(sys.orig_argv) - len(argv)]
        os.environ[variable] = ",".join(values)
        os.execv(sys.executable, [sys.executable, *interpreter, *kept])  # noqa: S606 - ourselves


def without(argv: Sequence[str], flags: Collection[str]) -> tuple[list[str], list[str]]:
    """Return the arguments without `flags`, and the values of these.

    Flags may be spelt with dashes or underscores.
    """
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
