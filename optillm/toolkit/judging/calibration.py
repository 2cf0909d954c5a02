"""How far a judge is to be believed, measured at planted answers that are known to be wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

PRIOR_AUC: Final = 0.8
"""The area under the curve that is assumed of a judge who has scored nothing yet."""
PRIOR_VOTES: Final = 4
"""How many votes this assumption is worth."""


def belief(honest: Sequence[float], planted: Sequence[float], min_auc: float = 0.0) -> float:
    """Return how much a judge's scores are worth, from 0 (nothing) to 1.

    This is how often a score given to an honest answer beats one given to a planted one: the area under the curve,
    ties aside, rescaled so that chance is worth nothing. Few votes say little, so it is shrunk towards a prior. Below
    `min_auc`, scores are worth nothing.
    """
    if not honest:
        return 0.0
    wins = sum(a > b for a in honest for b in planted)
    losses = sum(a < b for a in honest for b in planted)
    if planted and wins < min_auc * (wins + losses):
        return 0.0
    auc = (wins + PRIOR_AUC * PRIOR_VOTES) / (wins + losses + PRIOR_VOTES)
    return max(0.0, 2 * auc - 1)
