"""How alike free-form texts are, for when there is no final answer to compare."""

from __future__ import annotations

from collections.abc import Sequence


def words(text: str) -> frozenset[str]:
    """The distinct words of a text, letter case aside."""
    return frozenset(text.casefold().split())


def overlap(a: frozenset[str], b: frozenset[str]) -> float:
    """Shared words over all words (Jaccard), in [0, 1]; two empty texts are alike."""
    return len(a & b) / len(a | b) if a or b else 1.0


def medoid(texts: Sequence[str]) -> int:
    """The index of the text most like all the others; the earliest of equals."""
    bags = [words(text) for text in texts]
    likeness = [sum(overlap(bag, other) for other in bags) for bag in bags]
    return likeness.index(max(likeness))
