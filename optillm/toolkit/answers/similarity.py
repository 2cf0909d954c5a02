"""How similar free-form texts are, for when there is no final answer to compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from optillm.toolkit.answers.extraction import ends

_HEAD: Final = 2_000
_TAIL: Final = 6_000
"""Every text is compared with every other, so the cost of a word grows with the number of texts."""


def words(text: str) -> frozenset[str]:
    """Return the distinct words of a text, ignoring case; of a long text, those of both ends."""
    return frozenset(ends(text, _HEAD, _TAIL).casefold().split())


def overlap(a: frozenset[str], b: frozenset[str]) -> float:
    """Return the shared words over all words (Jaccard), in [0, 1]; two empty texts are alike."""
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared) if a or b else 1.0


def medoid(texts: Sequence[str]) -> int:
    """Return the index of the text most similar to all the others, the earliest of equals."""
    bags = [words(text) for text in texts]
    likeness = [sum(overlap(bag, other) for other in bags) for bag in bags]
    return likeness.index(max(likeness))
