"""The summary of an evaluation: a row for each target, compared with the first one, as text and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
UNKNOWN: Final = "–"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A row beside the first one, on the questions that both have: `needed` would tell them apart, `None` if none."""

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
    `groups` says how many of each group of questions are right, and of how many.
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
    """Return how results compare with those of the first row, question by question; `None` without a common one."""
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


# As text.


def text(rows: Sequence[Row]) -> str:
    """Return the tables, and a sentence on each row that is compared with the first one."""
    if not rows:
        return "No question was answered."
    selected = [row for row in rows if row.selection is not None]
    parts = [
        table(_accuracies(rows)),
        table(_costs(rows)),
        table(_selections(selected)) if selected else "",
        "\n".join(sentences(rows)),
    ]
    return "\n\n".join(part for part in parts if part)


def _accuracies(rows: Sequence[Row]) -> Iterator[Sequence[str]]:
    partial = any(row.mean_score != row.accuracy for row in rows)
    marks = ["mean score"] if partial else []
    yield [
        "",
        "right",
        "accuracy",
        "95 % interval",
        *marks,
        f"against {rows[0].target}",
        "95 % interval",
        "p",
    ]
    for row in rows:
        marks = [f"{row.mean_score:.3f}"] if partial else []
        versus = row.against_first
        yield [
            row.target,
            f"{row.right}/{row.questions}",
            percent(row.accuracy),
            f"{percent(row.interval.low)} to {percent(row.interval.high)}",
            *marks,
            *(
                [
                    points(versus.difference),
                    f"{points(versus.interval.low)} to {points(versus.interval.high)}",
                    f"{versus.p:.3f}" if versus.p >= 0.001 else "<0.001",
                ]
                if versus
                else [UNKNOWN] * 3
            ),
        ]


def _costs(rows: Sequence[Row]) -> Iterator[Sequence[str]]:
    yield [
        *("per question", "calls", "tokens in", "tokens out", "dollars", "rounds", "seconds p50", "p95"),
        *("errors", "unscored", "degraded", "settled early"),
    ]
    for row in rows:
        yield [
            row.target,
            f"{row.calls:.1f}",
            _number(row.input_tokens, ",.0f"),
            _number(row.output_tokens, ",.0f"),
            _number(row.cost, ".6f"),
            _number(row.rounds, ".1f"),
            f"{row.seconds_p50:.2f}",
            f"{row.seconds_p95:.2f}",
            str(row.errors),
            str(row.unscored),
            str(row.degraded),
            percent(row.settled),
        ]


def _selections(rows: Sequence[Row]) -> Iterator[Sequence[str]]:
    yield ["of its candidates", "oracle", "random", "returned", "regret", "vote at equal tokens", "samples"]
    for row in rows:
        if row.selection is not None:
            chosen, vote = row.selection, row.selection.vote
            short = vote is not None and vote.paid > vote.samples + 0.05
            yield [
                row.target,
                percent(chosen.oracle),
                percent(chosen.random),
                percent(row.accuracy),
                percent(chosen.regret),
                UNKNOWN if vote is None else percent(vote.accuracy),
                UNKNOWN
                if vote is None
                else f"{vote.samples:.1f}{f' (paid for {vote.paid:.1f})' if short else ''}",
            ]


def sentences(rows: Sequence[Row]) -> Iterator[str]:
    """Yield what the data say of each row against the first one, and what is to be known of errors."""
    name = rows[0].target
    for row in rows[1:]:
        if row.against_first is not None:
            yield _verdict(row.target, name, row.against_first)
    lost = sum(row.errors + row.unscored for row in rows)
    if lost:
        yield f"Errors and replies that could not be scored count as wrong: {lost} in all."
    judged = sum(row.scoring_tokens for row in rows)
    if judged:
        costs = [row.scoring_cost for row in rows]
        dollars = _sum(costs)
        yield f"Scoring took {judged:,} tokens{'' if dollars is None else f' (${dollars:.4f})'} beside these."


def _verdict(name: str, first: str, versus: Comparison) -> str:
    if versus.differs:
        better = "more" if versus.difference > 0 else "less"
        return f"{name} is {better} accurate than {first}: {points(versus.difference)} points, p = {versus.p:.3g}."
    if versus.needed is None:
        return f"The data show no difference between {name} and {first}."
    return (
        f"The data cannot tell {name} from {first}. If the difference is what it seems, "
        f"about {versus.needed:,} questions would."
    )


def table(lines: Iterator[Sequence[str]]) -> str:
    """Return lines with their cells under one another, numbers to the right."""
    rows = [list(line) for line in lines]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def percent(share: float) -> str:
    """Return a share as `46.0 %`."""
    return f"{100 * share:.1f} %"


def points(difference: float) -> str:
    """Return a difference of shares in points, with its sign."""
    return f"{100 * difference:+.1f}"


def _number(value: float | None, form: str) -> str:
    return UNKNOWN if value is None else format(value, form)


# As JSON.


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
