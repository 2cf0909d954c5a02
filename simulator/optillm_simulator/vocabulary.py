"""Word lists, written as people write them."""

from __future__ import annotations


def vocabulary(words: str) -> frozenset[str]:
    """The words of a text as a set."""
    return frozenset(words.split())


def in_order(words: str) -> tuple[str, ...]:
    """The words of a text in their order."""
    return tuple(words.split())
