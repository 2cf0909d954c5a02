"""Calls of tools in whatever shape."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optillm.engine.upstream.tool_calls import ActionAssembly, _Nesting, with_calls_read
from optillm.errors import UpstreamError


def call(number: str | None, name: str | None, arguments: Any, **more: Any) -> dict[str, Any]:
    return {"id": number, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def piece(
    index: int | None = None, number: str | None = None, name: str | None = None, arguments: Any = ""
) -> Any:
    """A piece of a call as it streams; what is `None` is not there."""
    function = {"name": name, "arguments": arguments}
    whole = {"index": index, "id": number, "function": {k: v for k, v in function.items() if v is not None}}
    return {key: value for key, value in whole.items() if value is not None}


def assembled(*pieces: Any) -> list[tuple[str, str]]:
    actions = ActionAssembly()
    for each in pieces:
        actions.add([each])
    message = with_calls_read({"tool_calls": actions.calls()})
    return [(read["function"]["name"], read["function"]["arguments"]) for read in message["tool_calls"]]


def test_calls_in_openais_shape_stay_as_they_are() -> None:
    message = {"content": None, "tool_calls": [call("a", "f", '{"q":  1}'), call("b", "f", "{}")]}
    assert with_calls_read(message) is message
    custom = {"tool_calls": [{"id": "a", "type": "custom", "custom": {"name": "sh", "input": "ls"}}]}
    assert with_calls_read(custom) is custom


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"q": 1}, '{"q": 1}'),
        ({"q": "é"}, '{"q": "é"}'),
        ([1, 2], "[1, 2]"),
        (None, "{}"),
        ("", "{}"),
        ("not json", "not json"),
        (7, "7"),
        (False, "false"),
    ],
)
def test_arguments_are_text(arguments: Any, text: str) -> None:
    read = with_calls_read({"tool_calls": [call("a", "f", arguments)]})
    assert read["tool_calls"][0]["function"]["arguments"] == text


def test_what_a_client_needs_is_filled_in() -> None:
    one, two = with_calls_read(
        {"tool_calls": [{"function": {"name": "f"}, "index": 0}, {"function": {"name": "g"}, "index": 0}]}
    )["tool_calls"]
    assert (one["index"], two["index"], one["type"]) == (0, 1, "function")
    assert one["id"]
    assert one["id"] != two["id"]


@pytest.mark.parametrize(
    "calls",
    [
        [{}],
        [{"function": None}],
        [{"function": "f"}],
        [call("a", None, "{}")],
        [call("a", " ", "{}")],
        [call("a", "f", "{}"), {"function": None}],
        ["f"],
        {"function": {"name": "f"}},
        "f",
    ],
)
def test_a_call_that_cannot_be_read_loses_the_reply(calls: Any) -> None:
    with pytest.raises(UpstreamError) as error:
        with_calls_read({"tool_calls": calls})
    assert error.value.retryable


@pytest.mark.parametrize(
    ("pieces", "calls"),
    [
        ([piece(0, "a", "f"), piece(0, arguments='{"q"'), piece(0, arguments=":1}")], [("f", '{"q":1}')]),
        ([piece(0, "a", "f", "{}"), piece(1, "b", "g"), piece(1, arguments="{}")], [("f", "{}"), ("g", "{}")]),
        ([piece(0, "a", "f"), piece(1, "b", "g"), piece(0, arguments="[0]"), piece(1, arguments="[1]")],
         [("f", "[0]"), ("g", "[1]")]),
        ([piece(0, "a", "f", "{}"), piece(0, "b", "f"), piece(0, arguments="[1]")], [("f", "{}"), ("f", "[1]")]),
        ([piece(None, "a", "f", "{}"), piece(None, "b", "g", "[1]")], [("f", "{}"), ("g", "[1]")]),
        ([piece(None, None, "f", "{}"), piece(None, None, "g", "[1]")], [("f", "{}"), ("g", "[1]")]),
        ([piece(None, None, "f", "{}"), piece(None, None, "f", "[1]")], [("f", "{}"), ("f", "[1]")]),
        ([piece(0, None, "f", "{}"), piece(0, None, "g", "[1]")], [("f", "{}"), ("g", "[1]")]),
        ([piece(0, "a", "f", "{"), piece(0, "a", "f", "}")], [("f", "{}")]),
        ([piece(0, None, "f", "{"), piece(0, None, "f", "}")], [("f", "{}")]),
        ([piece(0, None, "f", '{"a": "}'), piece(0, None, "f", '"}')], [("f", '{"a": "}"}')]),
        ([piece(0, None, "f", '{"a": "\\'), piece(0, None, "f", '"}"}')], [("f", '{"a": "\\"}"}')]),
        ([piece(0, None, "f", '{"a": [{}'), piece(0, None, "f", "]}")], [("f", '{"a": [{}]}')]),
        ([piece(0, None, "f", " "), piece(0, None, "f", "{}")], [("f", " {}")]),
        ([piece(0, None, "f", '{"a": "x"}'), piece(0, None, "f", "{}")], [("f", '{"a": "x"}'), ("f", "{}")]),
        ([piece(None, "a", "f", "{"), piece(0, None, None, "}")], [("f", "{}")]),
        ([piece(0, None, "f", "{"), piece(0, "a", None, "}")], [("f", "{}")]),
        ([piece(3, "a", "f"), piece(3, arguments="{}"), piece(7, "b", "g")], [("f", "{}"), ("g", "{}")]),
        ([piece(0, "a", "f", {"q": 1})], [("f", '{"q": 1}')]),
    ],
)  # fmt: skip
def test_a_new_id_or_a_new_name_begins_a_new_call(pieces: list[Any], calls: list[tuple[str, str]]) -> None:
    assert assembled(*pieces) == calls


@given(
    st.lists(st.dictionaries(st.sampled_from("pq"), st.integers(0, 99)), min_size=1, max_size=4),
    st.sampled_from(["position", "zero", "null", "missing"]),
    st.integers(1, 9),
)
def test_calls_survive_any_cut_and_any_numbering(
    arguments: list[dict[str, int]], numbering: str, size: int
) -> None:
    pieces = []
    for position, values in enumerate(arguments):
        index = {"position": position, "zero": 0, "null": None, "missing": None}[numbering]
        text = json.dumps(values)
        pieces.append(piece(index, f"call_{position}", "f"))
        pieces += [piece(index, arguments=text[at : at + size]) for at in range(0, len(text), size)]
        if numbering == "null":
            pieces = [{**each, "index": None} for each in pieces]
    assert assembled(*pieces) == [("f", json.dumps(values)) for values in arguments]


@pytest.mark.parametrize("own_ids", [True, False])
def test_many_calls_take_time_in_proportion(monkeypatch: pytest.MonkeyPatch, own_ids: bool) -> None:
    scanned = list[int]()
    feed = _Nesting.feed

    def counted(nesting: _Nesting, text: str) -> None:
        scanned.append(len(nesting.rest + text))
        feed(nesting, text)

    monkeypatch.setattr(_Nesting, "feed", counted)
    pieces = [piece(0, f"c{n}" if own_ids else None, "f", '{"a": "' if n == 0 else "}") for n in range(5000)]
    actions = ActionAssembly()
    actions.add(pieces)
    assert sum(scanned) < 2 * sum(len(each["function"]["arguments"]) for each in pieces)
    assert len(actions.calls()) == (5000 if own_ids else 1)


def test_an_id_of_any_kind_is_taken() -> None:
    actions = ActionAssembly()
    actions.add([piece(0, {"odd": [1]}, "f", "{"), piece(0, {"odd": [1]}, None, "}"), piece(0, 7, "g", "{}")])  # type: ignore[arg-type]
    assert [each["function"]["arguments"] for each in actions.calls()] == ["{}", "{}"]


def test_what_servers_keep_beside_a_call_is_kept() -> None:
    actions = ActionAssembly()
    actions.add(
        [{"id": "a", "extra_content": {"google": {"thought_signature": "s"}}, "function": {"name": "f"}}]
    )
    assert actions.calls()[0]["extra_content"] == {"google": {"thought_signature": "s"}}
