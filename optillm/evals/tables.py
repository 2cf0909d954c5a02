"""The summary of an evaluation as text: its tables, and what the data say of each row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from optillm.evals.summary import Comparison, Row

UNKNOWN: Final = "–"
MOST_FAULTS: Final = 3
"""Reasons of lost answers that are told, the most frequent ones."""


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
    yield ["candidates", "oracle", "random", "returned", "regret", "vote at equal tokens", "samples"]
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
    """Yield what the data say of each row against the first one, and notes on errors."""
    name = rows[0].target
    for row in rows[1:]:
        if row.against_first is not None:
            yield _verdict(row.target, name, row.against_first)
    faults = Counter[str]()
    for row in rows:
        faults.update(row.faults)
    if faults:
        yield f"Errors and replies that could not be scored count as wrong: {faults.total()} in all."
    for fault, count in faults.most_common(MOST_FAULTS):
        yield f"  {count} × {fault}"
    judged = sum(row.scoring_tokens for row in rows)
    if judged:
        costs = [row.scoring_cost for row in rows]
        dollars = None if None in costs else sum(cost or 0.0 for cost in costs)
        yield f"Scoring took {judged:,} tokens{'' if dollars is None else f' (${dollars:.4f})'} on top of this."


def _verdict(name: str, first: str, versus: Comparison) -> str:
    if versus.differs:
        better = "more" if versus.difference > 0 else "less"
        return f"{name} is {better} accurate than {first}: {points(versus.difference)} points, p = {versus.p:.3g}."
    if versus.needed is None:
        low, high = map(points, versus.interval)
        return (
            f"The data show no difference between {name} and {first}; "
            f"there may still be one of {low} to {high} points."
        )
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
