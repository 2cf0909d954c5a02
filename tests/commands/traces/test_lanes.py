"""The chart of a request's calls: where bars begin and end, and what their signs say."""

from __future__ import annotations

from typing import Any

import pytest

from optillm.commands.traces.lanes import Scale, bar, lanes, result, role_colours
from tests.observe.traces.documents import bon, call, document, running

SCALE = Scale(1.0, 10)


def drawn(width: int = 100, **changes: Any) -> list[str]:
    return ["".join(piece.text for piece in each).rstrip() for each in lanes(bon() | changes, width)]


def bar_of(**changes: Any) -> str:
    unread = changes.pop("unread", False)
    return bar(call(0, sent=None, **changes), SCALE, unread=unread)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0.0, 1.0, "██████████"),
        (0.2, 0.5, "  ███     "),
        (0.0, 0.25, "██▌       "),
        (0.0, 0.001, "█         "),
        (0.999, 1.0, "         █"),
        (0.0, 0.201, "██        "),
    ],
)
def test_a_bar_begins_and_ends_with_its_call(start: float, end: float, expected: str) -> None:
    assert bar_of(start=start, end=end) == expected


@pytest.mark.parametrize(
    "changes", [{"status": "cancelled"}, {"status": "failed"}, {"repetitions": 1}, {"unread": True}]
)
def test_what_went_wrong_is_hatched(changes: dict[str, Any]) -> None:
    assert bar_of(start=0.0, end=0.35, **changes) == "▒▒▒▒      "


def test_the_first_token_and_the_wait_for_a_place_are_marked() -> None:
    waited = call(0, start=0.0, sent=0.3, first_token=0.5, end=0.8)
    assert bar(waited, SCALE, unread=False) == "───██◆██  "


def test_a_call_that_runs_reaches_the_present() -> None:
    assert bar_of(start=0.5, end=None, status="running") == "     ████▶"


def test_calls_are_in_lanes_by_round_and_the_longest_chain_is_marked() -> None:
    lines = drawn()
    assert [text[:9].strip() for text in lines[1:-1]] == ["round 1", "", "", "", "round 2", "", "", ""]
    assert [text[9:20] for text in lines[1:-1] if "* " in text[:12]] == ["* 3 generat", "* 5 judge  "]


def test_each_bar_says_what_came_of_its_call() -> None:
    ends = [text.partition(" s  ")[2] for text in drawn()[1:-1]]
    assert ends == ["A 86", "B 69", "C 86", "D 103", "A > D > B", "A > B = D", "not readable", "cancelled"]


def test_every_line_has_the_width_it_may_have() -> None:
    assert max(map(len, drawn(width=90)[:-1])) <= 90


def test_the_axis_has_round_times() -> None:
    assert Scale(0.61, 60).axis().split() == ["0", "0.2", "0.4", "0.6", "s"]
    assert Scale(5.0, 60).axis().split() == ["0", "1", "2", "3", "4", "5", "s"]
    assert Scale(0.001, 20).axis().startswith("0")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"status": "failed", "error": "503 \x1bbusy"}, "503 \\x1bbusy"),
        ({"status": "failed", "error": None}, "failed"),
        ({"cached": 1}, "from the cache"),
        ({"retries": 2, "repetitions": 1}, "repeated, retries: 2"),
        ({}, ""),
    ],
)
def test_failures_retries_and_the_cache_are_told(changes: dict[str, Any], words: str) -> None:
    assert result(call(0, **changes), document()) == words


def test_a_long_ranking_loses_its_spaces() -> None:
    trace = bon()
    trace["ballots"][0]["order"] = [[index] for index in range(8)]
    assert result(trace["calls"][4], trace) == "A>B>C>D>E>F>G>H"


def test_each_role_has_a_colour_of_its_own() -> None:
    colours = role_colours(["judge", "generate", "formalise", "describe"])
    assert list(colours) == ["judge", "generate", "formalise", "describe"]
    assert len(set(colours.values())) == 4


def test_a_request_without_calls_has_no_chart() -> None:
    assert lanes(document(calls=[]), 100) == []


def test_a_request_that_has_just_begun_has_one() -> None:
    assert len(lanes(running(), 100)) == 3


def test_two_hundred_calls_have_a_line_each() -> None:
    many = [
        call(index, round=1 + index // 50, start=index // 50, end=index // 50 + 0.9) for index in range(200)
    ]
    assert len(lanes(document(calls=many, seconds=4.0), 100)) == 202
