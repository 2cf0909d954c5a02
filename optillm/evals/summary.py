"""The summary of an evaluation: a row for each target, compared with the first one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any, Final

from optillm.evals.results import Result
from optillm.evals.selection import Samples, Selection, pooled, selection
from optillm.evals.statistics import (
    Interval,
    Pairs,
    mcnemar,
    newcombe,
    quantile,
    questions_needed,
    wilson,
)

LEVEL: Final = 0.05
"""The p below which two rows differ."""
DEGRADED: Final = ("degraded", "budget", "deadline")
"""Stop reasons of answers that are only the best so far."""
SETTLED: Final = "settled"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A row beside the first one, on the questions that both have.

    `needed` questions would tell them apart, `None` if no number would.
    """

    questions: int
    difference: float
    interval: Interval
    p: float
    needed: int | None

    @property
    def differs(self) -> bool:
        """Return whether the data tell the rows apart."""
        return self.p < LEVEL


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one target; means are per question, `None` where nothing is known.

    `right` has full marks; errors and what could not be scored are wrong. `mean_score` is the mean of all marks;
    `groups` says how many of each group of questions are right, and of how many. `faults` counts why answers were lost.
    """

    target: str
    questions: int
    right: int
    interval: Interval
    mean_score: float
    against_first: Comparison | None
    calls: float
    input_tokens: float | None
    output_tokens: float | None
    cost: float | None
    rounds: float | None
    seconds_p50: float
    seconds_p95: float
    errors: int
    unscored: int
    degraded: int
    settled: float
    scoring_tokens: int
    scoring_cost: float | None
    faults: Mapping[str, int]
    groups: Mapping[str, tuple[int, int]]
    selection: Selection | None

    @property
    def accuracy(self) -> float:
        """Return the share of questions that it got right."""
        return self.right / self.questions


def summarised(results: Sequence[Result], targets: Sequence[str]) -> list[Row]:
    """Return a row for each target that has results, in the order of `targets`."""
    by_target: dict[str, list[Result]] = {name: [] for name in targets}
    for result in results:
        by_target.get(result.target, []).append(result)
    pool = pooled(results)
    rows: list[Row] = []
    first: Sequence[Result] = ()
    for name in targets:
        if own := by_target[name]:
            rows.append(_row(name, own, first, pool))
            first = first or own
    return rows


def _row(name: str, results: Sequence[Result], first: Sequence[Result], pool: Mapping[str, Samples]) -> Row:
    right = sum(result.right for result in results)
    answered = [result for result in results if result.error is None]
    seconds = [result.seconds for result in results]
    return Row(
        target=name,
        questions=len(results),
        right=right,
        interval=wilson(right, len(results)),
        mean_score=mean(result.score or 0.0 for result in results),
        against_first=compared(results, first) if first else None,
        calls=mean(result.calls for result in results),
        input_tokens=_mean([result.input_tokens for result in answered]),
        output_tokens=_mean([result.output_tokens for result in answered]),
        cost=_mean([result.cost for result in answered]),
        rounds=_mean([result.rounds for result in answered]),
        seconds_p50=quantile(seconds, 0.5),
        seconds_p95=quantile(seconds, 0.95),
        errors=len(results) - len(answered),
        unscored=sum(result.unscored is not None for result in results),
        degraded=sum(result.stop in DEGRADED for result in results),
        settled=mean(result.stop == SETTLED for result in results),
        scoring_tokens=sum(result.scoring_tokens for result in results),
        scoring_cost=_sum([result.scoring_cost for result in results]),
        faults=dict(Counter(fault for result in results if (fault := result.error or result.unscored))),
        groups=_groups(results),
        selection=selection(results, pool),
    )


def _groups(results: Sequence[Result]) -> dict[str, tuple[int, int]]:
    groups: dict[str, tuple[int, int]] = {}
    for result in results:
        if result.group is not None:
            right, total = groups.get(result.group, (0, 0))
            groups[result.group] = (right + result.right, total + 1)
    return groups


def compared(results: Sequence[Result], first: Sequence[Result]) -> Comparison | None:
    """Return how results compare with those of the first row, question by question.

    Without a question in common it is `None`.
    """
    rights = {result.question: result.right for result in first}
    pairs = Pairs.of(
        (result.right, rights[result.question]) for result in results if result.question in rights
    )
    if not pairs.total:
        return None
    needed = questions_needed(pairs)
    if needed is not None:
        needed = max(needed, pairs.total + 1)
    return Comparison(pairs.total, pairs.difference, newcombe(pairs), mcnemar(pairs), needed)


def _mean(values: Sequence[float | None]) -> float | None:
    """Return the mean; `None` if any value is missing, or all are."""
    known_values = [value for value in values if value is not None]
    return mean(known_values) if known_values and len(known_values) == len(values) else None


def _sum(values: Sequence[float | None]) -> float | None:
    known_values = [value for value in values if value is not None]
    return sum(known_values) if len(known_values) == len(values) else None


def wire(rows: Sequence[Row]) -> list[Mapping[str, Any]]:
    """Return the rows as plain values."""
    return [
        {**asdict(row), "accuracy": row.accuracy, "interval": list(row.interval)}
        | (
            {"against_first": {**asdict(row.against_first), "interval": list(row.against_first.interval)}}
            if row.against_first
            else {}
        )
        for row in rows
    ]
