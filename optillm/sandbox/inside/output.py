"""The output of a program: kept up to a limit, and ended if it floods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

MAX_KEPT: Final = 32 * 1024
"""Bytes of UTF-8 that are kept."""
MAX_WRITTEN: Final = 4 * 1024 * 1024
"""Characters after which a program is stopped."""


class Output:
    """Takes the place of standard output."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, flooded: Callable[[], None]) -> None:
        self._flooded = flooded
        self._parts: list[str] = []
        self._kept = 0
        self._written = 0

    def write(self, text: str) -> int:
        """Keep what fits; stop the program if it writes more than anybody would read."""
        self._written += len(text)
        if self._kept < MAX_KEPT:
            kept = text.encode("utf-8", "replace")[: MAX_KEPT - self._kept]
            self._kept += len(kept)
            self._parts.append(kept.decode("utf-8", "ignore"))
        if self._written > MAX_WRITTEN:
            self._flooded()
        return len(text)

    def flush(self) -> None:
        """Do nothing: nothing is buffered."""

    def isatty(self) -> bool:
        """Return false: nobody is watching."""
        return False

    def text(self) -> str:
        """Return the kept output with control characters replaced, and a note if something was cut."""
        kept = "".join(self._parts)
        if self._written > len(kept):
            kept += "\n[output cut]"
        return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in kept)
