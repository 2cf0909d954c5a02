"""Which of several texts are the same: locally, beyond doubt, or in the eyes of judges who agree."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Literal

from optillm.toolkit.answers import clusters, extract
from optillm.toolkit.programs.code import behaviour_key

Groups = list[list[int]]
"""Places of texts, those of the same together."""


def alike(texts: Sequence[str], question: str, compared: Literal["programs", "answers", "words"]) -> Groups:
    """Texts with the same programs, the same final answers (else words), or the same words; most first."""
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
    """`groups` with those made one that every opinion puts together; most first.

    An opinion maps a group's number to a class. A group that some opinion does not know stays alone, and so do
    all without any opinion.
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
