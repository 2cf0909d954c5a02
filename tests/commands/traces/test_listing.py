"""The list of traces: a line each, whatever its question holds."""

from __future__ import annotations

import time
from typing import Any

import pytest

from optillm.commands.traces.listing import HEAD, listing
from optillm.commands.traces.terminal import plain
from tests.commands.traces.fakes import summary, traces
from tests.observe.traces.documents import bon

NOW = 1_700_000_100.0


def rows(*summaries: dict[str, Any], width: int = 200) -> list[str]:
    return plain(listing(summaries, width, NOW)).splitlines()


def test_each_trace_is_a_line_below_the_names_of_the_columns() -> None:
    head, *lines = rows(*map(summary, traces()))
    assert tuple(head.split()) == HEAD
    assert [text.split()[0] for text in lines] == ["trace_running", "trace_bon", "trace_mcts", "trace_plain"]
    when = time.strftime("%H:%M:%S", time.localtime(1_700_000_000))
    start = "bon(n=4)   gpt-4o-mini  complete     0.61      8   1,124   0.0009  86 ← Tom has 5 bags"
    assert lines[1].startswith(f"trace_bon      {when}  {start}")
    assert lines[0].split()[2:] == ["none", "gpt-4o-mini", "running", "1"]


def test_another_day_has_a_date() -> None:
    assert (
        time.strftime("%Y-%m-%d", time.localtime(NOW - 86_400 * 2))
        in rows(summary(bon(), created=NOW - 86_400 * 2))[1]
    )


@pytest.mark.parametrize(
    ("changes", "end"),
    [
        ({"status": "failed", "http_status": 503}, "failed, 503"),
        ({"status": "cancelled", "http_status": 499}, "cancelled"),
        ({"status": "ok", "stop": "deadline"}, " deadline "),
        ({"status": "ok", "stop": None}, " ok "),
    ],
)
def test_the_end_is_the_status_or_why_a_technique_stopped(changes: dict[str, Any], end: str) -> None:
    assert end in rows(summary(bon(), **changes))[1]


def test_a_question_is_cut_to_the_width_and_can_control_nothing() -> None:
    (_, text) = rows(summary(bon(), question="\x1b[2J\n" + "日本" * 200, answer="\u202e86"), width=140)
    assert text.isprintable()
    assert "\\u202e86 ← \\x1b[2J" in text
    assert len(text) < 140
