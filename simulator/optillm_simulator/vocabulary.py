"""Word lists, written as plain text."""

from __future__ import annotations


def vocabulary(words: str) -> frozenset[str]:
    """Return the words of a text as a set."""
    return frozenset(words.split())


def in_order(words: str) -> tuple[str, ...]:
    """Return the words of a text in order."""
    return tuple(words.split())
