"""Which traces are listed, and the cursors of pages."""

from __future__ import annotations

from typing import Any

import pytest

from optillm.observe.traces.filters import Cursor, Filters, Page, slugs

SUMMARY: dict[str, Any] = {
    "id": "trace_1",
    "request_id": "r1",
    "created": 1000.5,
    "endpoint": "/chat/completions",
    "client": "team-a",
    "technique": "bon(n=4, judge=rate)&moa",
    "model": "gpt-4o",
    "stream": False,
    "status": "ok",
    "http_status": 200,
    "stop": "complete",
    "seconds": 2.0,
    "rounds": 2,
    "calls": 7,
    "total_tokens": 100,
    "cost": 0.01,
    "question": "How many Marbles?",
    "answer": "86",
}


@pytest.mark.parametrize(
    ("name", "fitting", "other"),
    [
        ("technique", "bon", "rate"),
        ("technique", "moa", "mo"),
        ("model", "gpt-4o", "gpt"),
        ("status", "ok", "failed"),
        ("stop", "complete", "settled"),
        ("client", "team-a", "team-b"),
        ("since", 1000.5, 1000.6),
        ("until", 1000.6, 1000.5),
        ("least_seconds", 2.0, 2.1),
        ("least_cost", 0.01, 0.011),
        ("text", "mARBLES", "cats"),
        ("text", "trace_1", "trace_2"),
    ],
)
def test_a_filter_admits_what_has_it_and_nothing_else(name: str, fitting: Any, other: Any) -> None:
    assert Filters(**{name: fitting}).admit(SUMMARY)
    assert not Filters(**{name: other}).admit(SUMMARY)


def test_without_a_cost_there_is_no_least_cost() -> None:
    assert not Filters(least_cost=0.0).admit({**SUMMARY, "cost": None})


def test_all_filters_must_be_met() -> None:
    assert Filters(technique="bon", status="ok", text="86").admit(SUMMARY)
    assert not Filters(technique="bon", status="failed", text="86").admit(SUMMARY)


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("bon", {"bon"}),
        ("none", {"none"}),
        ("re2&(bon(n=3)|moa(proposers=[a,b]))", {"re2", "bon", "moa"}),
        ("bon(judge_model=moa)", {"bon"}),
        ("self_consistency(samples=16)|z3", {"self_consistency", "z3"}),
    ],
)
def test_an_expression_names_its_techniques_and_not_their_options(expression: str, named: set[str]) -> None:
    assert slugs(expression) == named


def test_a_cursor_can_be_read_again() -> None:
    cursor = Cursor(1764530000.123456, "trace_0a")
    assert Cursor.read(str(cursor)) == cursor


@pytest.mark.parametrize("text", ["", "12", "x:trace_1", "1.5:"])
def test_any_other_text_is_no_cursor(text: str) -> None:
    with pytest.raises(ValueError, match=r"cursor|convert"):
        Cursor.read(text)


def test_a_page_has_a_cursor_only_if_another_one_follows() -> None:
    summaries = [{**SUMMARY, "id": f"trace_{number}"} for number in range(3)]
    assert Page.of(summaries, 3).next_cursor is None
    assert Page.of(summaries, 2) == Page(summaries[:2], "1000.5:trace_1")
    assert Page.of([], 2) == Page([])
