"""The statistics of an evaluation: proportions, paired differences, sample sizes.

All are exact or closed formulas; each names its source. A confidence level is 95 % throughout.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, comb, sqrt
from statistics import NormalDist
from typing import Final, NamedTuple

Z: Final = NormalDist().inv_cdf(0.975)
"""The normal quantile of a two-sided level of 95 %."""
POWER: Final = 0.8
"""How likely a difference that is there should be found."""


class Interval(NamedTuple):
    """A 95 % confidence interval."""

    low: float
    high: float


def wilson(successes: int, total: int) -> Interval:
    """Return the score interval of a proportion; from 0 to 1 if there is no observation.

    Wilson, Probable Inference, the Law of Succession, and Statistical Inference (1927), JASA 22, 209-212. Unlike the
    usual p ± 1.96 standard errors it never leaves the range from 0 to 1 and is right for few observations, too.
    """
    if not total:
        return Interval(0.0, 1.0)
    share, square = successes / total, Z * Z
    centre = (share + square / (2 * total)) / (1 + square / total)
    spread = Z * sqrt(share * (1 - share) / total + square / (4 * total * total)) / (1 + square / total)
    return Interval(max(0.0, centre - spread), min(1.0, centre + spread))


@dataclass(frozen=True, slots=True)
class Pairs:
    """Questions that two rows answered, by which of them got it right."""

    both: int
    first: int
    second: int
    neither: int

    @classmethod
    def of(cls, pairs: Iterable[tuple[bool, bool]]) -> Pairs:
        """Count pairs, each of which says whether the first and whether the second row was right."""
        counts = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
        for first, second in pairs:
            counts[first, second] += 1
        return cls(*counts.values())

    @property
    def total(self) -> int:
        """Return the number of questions."""
        return self.both + self.first + self.second + self.neither

    @property
    def difference(self) -> float:
        """Return how much more often the first was right than the second."""
        return (self.first - self.second) / self.total


def mcnemar(pairs: Pairs) -> float:
    """Return the exact two-sided p of McNemar's test that both rows are equally accurate.

    Only the questions count that exactly one row got right: if both are equally accurate, each of these is a fair coin.
    McNemar, Note on the Sampling Error of the Difference Between Correlated Proportions (1947), Psychometrika 12,
    153-157; the exact conditional form is the binomial test of those coins.
    """
    coins = pairs.first + pairs.second
    tail = sum(comb(coins, heads) for heads in range(min(pairs.first, pairs.second) + 1))
    return min(1.0, tail / 2 ** (coins - 1)) if coins else 1.0


def newcombe(pairs: Pairs) -> Interval:
    """Return the interval of a paired difference of proportions, first minus second.

    The limits of the two Wilson intervals are combined as if by Pythagoras, less what the correlation of the pairs
    saves: method 10 of Newcombe, Improved Confidence Intervals for the Difference Between Binomial Proportions Based on
    Paired Data (1998), Statistics in Medicine 17, 2635-2650.
    """
    if not pairs.total:
        return Interval(-1.0, 1.0)
    ours, theirs = pairs.both + pairs.first, pairs.both + pairs.second
    low, high = wilson(ours, pairs.total)
    low_other, high_other = wilson(theirs, pairs.total)
    share, share_other = ours / pairs.total, theirs / pairs.total
    phi = _correlation(pairs)
    below = _combined(share - low, high_other - share_other, phi)
    above = _combined(high - share, share_other - low_other, phi)
    return Interval(max(-1.0, pairs.difference - below), min(1.0, pairs.difference + above))


def _combined(ours: float, theirs: float, phi: float) -> float:
    return sqrt(max(0.0, ours * ours - 2 * phi * ours * theirs + theirs * theirs))


def _correlation(pairs: Pairs) -> float:
    """Return the correlation of the pairs, with the continuity correction of method 10."""
    ours, theirs = pairs.both + pairs.first, pairs.both + pairs.second
    margins = ours * (pairs.total - ours) * theirs * (pairs.total - theirs)
    if not margins:
        return 0.0
    product = pairs.both * pairs.neither - pairs.first * pairs.second
    corrected = max(product - pairs.total / 2, 0.0) if product > 0 else product
    return float(corrected / sqrt(margins))


def questions_needed(pairs: Pairs) -> int | None:
    """Return how many questions would probably tell these rows apart, `None` if no number would.

    That many find a difference as large as the observed one with a power of 80 % at the level of 5 %, if the rows go on
    to differ as often as here: Connor, Sample Size for Testing Differences in Proportions for the Paired-Sample Design
    (1987), Biometrics 43, 207-211.
    """
    if pairs.first == pairs.second:
        return None
    discordant = (pairs.first + pairs.second) / pairs.total
    difference = abs(pairs.difference)
    root = Z * sqrt(discordant) + NormalDist().inv_cdf(POWER) * sqrt(discordant - difference**2)
    return ceil((root / difference) ** 2)


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value below which this share of some values lies; 0.5 is the median.

    Needs at least one value. Between two values it is interpolated: definition 7 of Hyndman and Fan, Sample Quantiles
    in Statistical Packages (1996), The American Statistician 50, 361-365.
    """
    ordered = sorted(values)
    position = share * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (position - below) * (ordered[above] - ordered[below])
