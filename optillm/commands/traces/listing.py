"""The list of traces: one line each, newest first."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from optillm.commands.traces.terminal import Line, Piece, Section, cells, fit, line, safe

HEAD: Final = (
    "TRACE",
    "WHEN",
    "TECHNIQUE",
    "MODEL",
    "END",
    "SECONDS",
    "CALLS",
    "TOKENS",
    "DOLLARS",
    "QUESTION",
)
NUMBERS: Final = (5, 6, 7, 8)
"""The columns that are aligned to the right."""
WIDEST: Final = 24
"""Columns that a technique or a model takes at most."""
QUESTION: Final = 20
"""Columns that a question gets at least, even if the line is then too long."""
STYLES: Final = {"failed": "bold red", "cancelled": "yellow", "running": "bold"}


def listing(summaries: Sequence[Mapping[str, Any]], width: int, now: float) -> Section:
    """Return the table of these summaries; `now` is Unix time."""
    rows = [HEAD, *(_cells(summary, now) for summary in summaries)]
    widths = [max(cells(row[column]) for row in rows) for column in range(len(HEAD) - 1)]
    room = max(QUESTION, width - sum(widths) - 2 * len(widths))
    styles = ["bold", *(STYLES.get(summary["status"], "") for summary in summaries)]
    return Section(None, [_line(row, widths, room, style) for row, style in zip(rows, styles, strict=True)])


def _line(row: Sequence[str], widths: Sequence[int], room: int, style: str) -> Line:
    *short, question = row
    parts = []
    for column, (cell, width) in enumerate(zip(short, widths, strict=True)):
        gap = " " * (width - cells(cell))
        parts.append(gap + cell if column in NUMBERS else cell + gap)
    return line(Piece("  ".join(parts), style), "  " + fit(question, room).rstrip())


def _cells(summary: Mapping[str, Any], now: float) -> tuple[str, ...]:
    seconds, tokens, cost = summary["seconds"], summary["total_tokens"], summary["cost"]
    return (
        safe(summary["id"]),
        _when(summary["created"], now),
        fit(safe(summary["technique"]), WIDEST).rstrip(),
        fit(safe(summary["model"]), WIDEST).rstrip(),
        safe(_end(summary)),
        "" if seconds is None else f"{seconds:.2f}",
        str(summary["calls"]),
        "" if tokens is None else f"{tokens:,}",
        "" if cost is None else f"{cost:.4f}",
        _exchange(summary),
    )


def _end(summary: Mapping[str, Any]) -> str:
    """Return how a request ended: its status unless that is ok, else why a technique stopped."""
    if summary["status"] == "failed" and summary["http_status"]:
        return f"failed, {summary['http_status']}"
    return summary["status"] if summary["status"] != "ok" else summary["stop"] or "ok"


def _exchange(summary: Mapping[str, Any]) -> str:
    answer = "" if summary["answer"] is None else f"{safe(summary['answer'])} ← "
    return answer + safe(summary["question"] or "")


def _when(created: float, now: float) -> str:
    """Return the time of today, and the date of other days."""
    moment, today = time.localtime(created), time.localtime(now)
    same = (moment.tm_year, moment.tm_yday) == (today.tm_year, today.tm_yday)
    return time.strftime("%H:%M:%S" if same else "%Y-%m-%d %H:%M", moment)
