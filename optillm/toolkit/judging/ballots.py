"""Ballots: the labels under which judges see candidates, and the marks that they give.

Candidates are numbered from 0; `shown` lists those of one ballot in the order of their labels A, B, …
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Final

import numpy as np
import numpy.typing as npt

from optillm.toolkit.judging.verdicts import Groups, Ranking

LABELS: Final = ascii_uppercase
UNMARKED: Final = 0.5
"""The mark of a candidate about whom no judge has said anything."""

Marks = Mapping[int, float]
"""One judge's opinion: marks in [0, 1] by candidate; empty for an abstention."""


def orders(count: int, ballots: int) -> list[list[int]]:
    """Return the order in which each ballot shows the candidates.

    With a multiple of `count` ballots these are rotations: every candidate stands in every position equally often,
    which cancels any preference of a judge for a position. Otherwise each order is followed by its reverse: all
    mean positions are the same, which cancels a preference that grows evenly from position to position. An odd last
    ballot is not balanced.
    """
    if ballots % count == 0:
        return [[(start + position) % count for position in range(count)] for start in range(ballots)]
    pairs = -(-ballots // 2)  # rounded up
    starts = [pair * count // pairs for pair in range(pairs)]
    forward = [[(start + position) % count for position in range(count)] for start in starts]
    return [ballot for order in forward for ballot in (order, order[::-1])][:ballots]


def order_of(verdict: Ranking | None, shown: Sequence[int]) -> list[int]:
    """Return the candidates as a verdict ranks them, best first.

    Labels that were not on the ballot, and repetitions, are skipped; an abstention ranks nobody.
    """
    if verdict is None:
        return []
    indexes = (LABELS.find(label.strip().upper()) for label in verdict.ranking if len(label.strip()) == 1)
    return list(dict.fromkeys(shown[index] for index in indexes if 0 <= index < len(shown)))


def classes_of(verdict: Groups | None, shown: Sequence[int]) -> dict[int, int]:
    """Return the number of the group into which a verdict sorts each of those shown.

    An abstention sorts none.
    """
    sorted_labels = enumerate(verdict.groups if verdict else ())
    group_of = {label: number for number, labels in sorted_labels for label in labels}
    return {each: group_of[label] for label, each in zip(LABELS, shown, strict=False) if label in group_of}


def borda(shown: Sequence[int], ranking: Sequence[int]) -> dict[int, float]:
    """Return one ballot's marks: of m shown the best gets 1, each next one 1 / (m - 1) less.

    Candidates shown but not ranked share the mean of the remaining marks. An empty ranking marks nobody.
    """
    if not ranking or len(shown) < 2:
        return {}
    step = 1 / (len(shown) - 1)
    rest = (len(shown) - len(ranking) - 1) * step / 2
    return dict.fromkeys(shown, rest) | {c: 1 - index * step for index, c in enumerate(ranking)}


def mean_marks(opinions: Sequence[Marks], count: int, expected: int = 0) -> npt.NDArray[np.float64]:
    """Return each candidate's mean mark, shape (count,).

    It is the mean over the judges that marked it. `expected` is how many judges were to mark each candidate; those
    that have not count as undecided, since an incomplete set of ballots is not balanced. With 0 they do not count.
    """
    table = np.full((len(opinions) + 1, count), np.nan)
    for row, opinion in enumerate(opinions):
        table[row, list(opinion)] = list(opinion.values())
    marked = ~np.isnan(table)
    sums, counts = np.where(marked, table, 0.0).sum(axis=0), marked.sum(axis=0)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), UNMARKED)
    return means if not expected else UNMARKED + (means - UNMARKED) * counts / np.maximum(counts, expected)


def decided(
    opinions: Sequence[Marks],
    outstanding: int,
    count: int,
    head_start: npt.NDArray[np.float64],
    expected: int = 0,
) -> bool:
    """Return whether the leader stays ahead of everybody, whatever the outstanding judges say.

    Each of them could at worst give the leader 0 and one rival 1, or abstain. `head_start` is added to the means (see
    `mean_marks`), shape (count,).
    """
    merits = mean_marks(opinions, count, expected) + head_start
    leader = int(np.argmax(merits))
    against = [{leader: 0.0} | {rival: 1.0 for rival in range(count) if rival != leader}] * outstanding
    for ahead in (merits, mean_marks([*opinions, *against], count, expected) + head_start):
        rivals = np.delete(ahead, leader)
        if rivals.size and ahead[leader] <= rivals.max() + 1e-9:
            return False
    return True
