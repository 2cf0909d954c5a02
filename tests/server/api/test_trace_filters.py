"""Which traces a list is to hold."""

from __future__ import annotations

from typing import Any

import pytest

from optillm.errors import InvalidRequest
from optillm.observe.traces.filters import Filters
from optillm.server.api.trace_filters import filters_of, read_cursor, read_limit


def test_each_parameter_is_a_filter() -> None:
    query = {
        "technique": "bon",
        "model": "demo-small",
        "client": "alice",
        "status": "failed",
        "stop": "deadline",
        "since": "1764530000.5",
        "until": "2026-01-31T12:00:00Z",
        "min_seconds": "0.5",
        "min_cost": "1e-3",
        "q": " Zürich & co ",
    }
    assert filters_of(query) == Filters(
        "bon",
        "demo-small",
        "failed",
        "deadline",
        "alice",
        1764530000.5,
        1769860800.0,
        0.5,
        0.001,
        "Zürich & co",
    )


def test_what_is_empty_or_no_filter_filters_nothing() -> None:
    assert filters_of({"technique": "", "min_cost": " ", "limit": "5", "view": "x"}) == Filters()


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("0", 0.0),
        ("1970-01-02", 86400.0),
        ("1970-01-01T00:00:10", 10.0),
        ("1970-01-01T01:00:00+01:00", 0.0),
    ],
)
def test_a_time_is_unix_time_or_a_date_which_is_utc_unless_it_says_otherwise(text: str, time: float) -> None:
    assert filters_of({"since": text}).since == time


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *((name, text) for name in ("min_seconds", "min_cost") for text in ("-1", "nan", "inf", "x", "1,5")),
        *(
            ("since", text)
            for text in ("nan", "-inf", "yesterday", "2026-13-01", "0001-01-01T00:00:00+14:00x")
        ),
        ("status", "OK"),
        ("stop", "done"),
        ("q", "x" * 201),
        ("technique", "x" * 201),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_its_name(name: str, text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        filters_of({name: text})
    assert refused.value.param == name
    assert refused.value.message.startswith(f"{name} must be ")


def refusal(read: Any, text: str) -> str | None:
    with pytest.raises(InvalidRequest) as refused:
        read(text)
    return refused.value.param


def test_a_list_holds_50_traces_unless_another_number_is_given() -> None:
    assert [read_limit(text) for text in ("", "1", "200")] == [50, 1, 200]
    for text in ("0", "201", "-1", "1.5", "x", "²", "1" * 5000):
        assert refusal(read_limit, text) == "limit"


def test_a_list_begins_where_another_ended() -> None:
    assert read_cursor("") is None
    assert read_cursor("1764530000.5:trace_1") == "1764530000.5:trace_1"
    for text in ("x", ":", "1764530000.5", "x:trace_1", "1764530000.5:"):
        assert refusal(read_cursor, text) == "after"
