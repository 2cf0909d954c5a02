"""Group equal texts: locally, beyond doubt, or by the agreement of judges."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Literal

from optillm.toolkit.answers import clusters, extract
from optillm.toolkit.programs.code import behaviour_key

Groups = list[list[int]]
"""Indexes of texts, those of equal texts together."""


def alike(texts: Sequence[str], question: str, compared: Literal["programs", "answers", "words"]) -> Groups:
    """Group texts with the same programs, final answers (else words), or words; the largest group first."""
    keys: list[Hashable] = [" ".join(text.split()) for text in texts]
    if compared == "programs":
        keys = [behaviour_key(text) for text in texts]
    elif compared == "answers":
        for group in clusters([extract(text, question) for text in texts]):
            if extract(texts[group[0]], question) is not None:
                for index in group:
                    keys[index] = group[0]
    return _grouped(keys)


def merged(groups: Groups, opinions: Iterable[Mapping[int, int]]) -> Groups:
    """Return `groups`, merging those that every opinion puts together; the largest group first.

    An opinion maps a group's number to a class. A group that some opinion does not mention stays alone, and so do
    all groups if there are no opinions.
    """
    held = list(opinions)
    keys: list[Hashable] = [
        tuple(opinion[g] for opinion in held) if held and all(g in opinion for opinion in held) else g
        for g in range(len(groups))
    ]
    joined = [[index for g in together for index in groups[g]] for together in _grouped(keys)]
    return sorted(joined, key=lambda group: (-len(group), group[0]))


def _grouped(keys: Sequence[Hashable]) -> Groups:
    indices: dict[Hashable, list[int]] = {}
    for index, key in enumerate(keys):
        indices.setdefault(key, []).append(index)
    return sorted(indices.values(), key=lambda group: (-len(group), group[0]))
