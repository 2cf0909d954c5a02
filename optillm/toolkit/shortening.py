"""Cut long texts in the middle: how they begin and what they conclude stays."""

from __future__ import annotations

from collections.abc import Sequence


def shortened(text: str, limit: int) -> str:
    """Return a text, or its two ends, `limit` characters together, with a note between them of how many are missing."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[{len(text) - 2 * half} characters left out]\n{text[-half:]}"


def fitted(texts: Sequence[str], limit: int) -> list[str]:
    """Return texts of about `limit` characters together: the longest are shortened, the others as they are."""
    share = limit // len(texts)
    spare = sum(max(0, share - len(text)) for text in texts)
    long = sum(len(text) > share for text in texts)
    return [shortened(text, share + spare // max(long, 1)) for text in texts]
