"""How alike free-form texts are, for when there is no final answer to compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from optillm.toolkit.answers.extraction import ends

_HEAD: Final = 2_000
_TAIL: Final = 6_000
"""All texts are compared with each other, so that each word counts as often as there are texts."""


def words(text: str) -> frozenset[str]:
    """The distinct words of a text, letter case aside; of a long text, those of both ends."""
    return frozenset(ends(text, _HEAD, _TAIL).casefold().split())


def overlap(a: frozenset[str], b: frozenset[str]) -> float:
    """Shared words over all words (Jaccard), in [0, 1]; two empty texts are alike."""
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared) if a or b else 1.0


def medoid(texts: Sequence[str]) -> int:
    """The index of the text most like all the others; the earliest of equals."""
    bags = [words(text) for text in texts]
    likeness = [sum(overlap(bag, other) for other in bags) for bag in bags]
    return likeness.index(max(likeness))
