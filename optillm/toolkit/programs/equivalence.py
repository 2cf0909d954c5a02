"""Which of several texts are the same: locally, beyond doubt, or in the eyes of judges who agree."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Literal

from optillm.toolkit.answers import clusters, extract
from optillm.toolkit.programs.code import behaviour_key

Groups = list[list[int]]
"""Indexes of texts, those of the same together."""
Basis = Literal["programs", "answers", "words"]
"""What makes two texts the same: their programs, their final answers (or else the words), or the words."""


def alike(texts: Sequence[str], question: str, basis: Basis) -> Groups:
    """Return the texts grouped by what is the same beyond doubt, the largest group first."""
    keys: list[Hashable] = [" ".join(text.split()) for text in texts]
    if basis == "programs":
        keys = [behaviour_key(text) for text in texts]
    elif basis == "answers":
        for group in clusters([extract(text, question) for text in texts]):
            if extract(texts[group[0]], question) is not None:
                for index in group:
                    keys[index] = group[0]
    return _grouped(keys)


def merged(groups: Groups, opinions: Iterable[Mapping[int, Hashable]]) -> Groups:
    """Return `groups` with those made one that every opinion puts together, the largest first.

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


def largest(groups: Groups, weights: Mapping[int, int] | None = None) -> list[int] | None:
    """Return the largest group; `None` if two are equally large.

    `weights` says which texts count more than once, and how often.
    """
    sizes = [sum((weights or {}).get(index, 1) for index in group) for group in groups]
    heaviest = [group for group, size in zip(groups, sizes, strict=True) if size == max(sizes)]
    return heaviest[0] if len(heaviest) == 1 else None


def shares_returned(groups: Groups, versions: Sequence[int]) -> list[float]:
    """Return the share of each draft's versions that are in the group of the draft.

    `groups` index the drafts first and then the versions of one draft after the other; `versions` says how many each
    draft has.
    """
    group_of = {index: number for number, group in enumerate(groups) for index in group}
    shares, start = [], len(versions)
    for draft, count in enumerate(versions):
        same = sum(group_of[index] == group_of[draft] for index in range(start, start + count))
        shares.append(same / count if count else 0.0)
        start += count
    return shares


def _grouped(keys: Sequence[Hashable]) -> Groups:
    indices: dict[Hashable, list[int]] = {}
    for index, key in enumerate(keys):
        indices.setdefault(key, []).append(index)
    return sorted(indices.values(), key=lambda group: (-len(group), group[0]))
