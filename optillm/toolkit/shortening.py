"""Cut long texts in the middle: how they begin and what they conclude stays."""

from __future__ import annotations

from collections.abc import Sequence


def shortened(text: str, limit: int) -> str:
    """Return a text, or its two ends with a note of how many characters are missing between.

    The ends have `limit` characters together.
    """
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[{len(text) - 2 * half} characters left out]\n{text[-half:]}"


def fitted(texts: Sequence[str], limit: int) -> list[str]:
    """Return texts of about `limit` characters together, of which the longest are shortened."""
    share = limit // len(texts)
    spare = sum(max(0, share - len(text)) for text in texts)
    long = sum(len(text) > share for text in texts)
    return [shortened(text, share + spare // max(long, 1)) for text in texts]
