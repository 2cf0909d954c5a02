"""What a program prints: kept up to a bound, and stopped when it floods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

KEPT: Final = 32 * 1024
"""Bytes of UTF-8 that are kept."""
ATTEMPTED: Final = 4 * 1024 * 1024
"""Characters after which a program is stopped."""


class Output:
    """Stands in for standard output."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, flooded: Callable[[], None]) -> None:
        self._flooded = flooded
        self._parts: list[str] = []
        self._kept = 0
        self._attempted = 0

    def write(self, text: str) -> int:
        """Keep what fits; beyond what anybody would print, stop the program."""
        self._attempted += len(text)
        if self._kept < KEPT:
            kept = text.encode("utf-8", "replace")[: KEPT - self._kept]
            self._kept += len(kept)
            self._parts.append(kept.decode("utf-8", "ignore"))
        if self._attempted > ATTEMPTED:
            self._flooded()
        return len(text)

    def flush(self) -> None:
        """Nothing waits anywhere."""

    def isatty(self) -> bool:
        """Nobody watches."""
        return False

    def text(self) -> str:
        """What was kept, with control characters made harmless and a note when something was cut."""
        kept = "".join(self._parts)
        if self._attempted > len(kept):
            kept += "\n[output cut]"
        return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in kept)
