"""Calls of tools as real servers write them, over real sockets: whole and streamed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.proxy import Proxy
from tests.e2e.situations import (
    TECHNIQUES,
    Respond,
    Upstream,
    answer_in,
    ask,
    failure,
    only,
    whole,
)
from tests.stub import Call, Stub, completion, delta

FLAGS = ("--upstream-retries", "1")


TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
    for name in ("look", "go")
]


def a_call(number: str | None, name: str | None, arguments: Any, **more: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"id": number, "type": "function", "function": function, **more}


TWO = [a_call("call_a", "look", '{"at": "x"}'), a_call("call_b", "go", '{"to": "y"}')]
TWO_CALLS: dict[str, list[dict[str, Any]]] = {
    "as the book says": [{"index": position, **call} for position, call in enumerate(TWO)],
    "without an index": TWO,
    "index 0 twice": [{"index": 0, **call} for call in TWO],
    "index null": [{"index": None, **call} for call in TWO],
    "index from 1": [{"index": position + 1, **call} for position, call in enumerate(TWO)],
    "arguments as objects": [a_call("call_a", "look", {"at": "x"}), a_call("call_b", "go", {"to": "y"})],
    "without ids": [a_call(None, "look", '{"at": "x"}', index=0), a_call(None, "go", '{"to": "y"}', index=0)],
    "without types": [{**call, "type": None} for call in TWO],
    "names beside a null": [
        {"id": "call_a", "function": None, "name": "look", "arguments": '{"at": "x"}'},
        {"id": "call_b", "function": None, "name": "go", "arguments": {"to": "y"}},
    ],
    "functions as words": [
        {"id": "call_a", "function": "look", "arguments": '{"at": "x"}'},
        {"id": "call_b", "function": "go", "arguments": {"to": "y"}},
    ],
}


def calling(calls: list[Any], finish: str = "tool_calls", text: str | None = None) -> Respond:
    """Calls of tools, whole; the requests that bring them are not streamed."""

    def respond(call: Call, _: str) -> None:
        reply = completion(text)
        reply["choices"][0] |= {"finish_reason": finish}
        reply["choices"][0]["message"]["tool_calls"] = calls
        call.json(reply)

    return respond


def streamed_calling(calls: list[Any], finish: str = "tool_calls") -> Respond:
    """The same as a stream that nobody asked for, each call's arguments in two pieces."""

    def respond(call: Call, _: str) -> None:
        wires = []
        for one in calls:
            function = one.get("function")
            cut = [one]
            if isinstance(function, dict) and isinstance(function["arguments"], str):
                rest = {"function": {"arguments": function["arguments"][5:]}}
                rest |= {"index": one["index"]} if "index" in one else {}
                cut = [{**one, "function": {**function, "arguments": function["arguments"][:5]}}, rest]
            for piece in cut:
                wires.append(delta())
                wires[-1]["choices"][0]["delta"] = {"tool_calls": [piece]}
        call.events(*wires, delta(None, finish))

    return respond


def calls_in(body: Any, *, stream: bool) -> tuple[list[Any], str]:
    """The calls a client reads from a reply, each by its index, and why the reply ended."""
    if not stream:
        (choice,) = body["choices"]
        calls = choice["message"]["tool_calls"]
        assert [call.get("index", position) for position, call in enumerate(calls)] == [*range(len(calls))]
        return calls, choice["finish_reason"]
    by_index: dict[int, Any] = {}
    choices = [choice for event in body for choice in event["choices"]]
    for choice in choices:
        for call in choice["delta"].get("tool_calls") or ():
            assert call["index"] not in by_index
            by_index[call["index"]] = call
    assert [*by_index] == [*range(len(by_index))]
    return [*by_index.values()], choices[-1]["finish_reason"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("finish", ["tool_calls", "stop", "tool_use"])
@pytest.mark.parametrize("upstream_streams", [False, True])
@pytest.mark.parametrize("situation", TWO_CALLS)
def test_two_calls_are_two_calls_whatever_their_index(
    proxy: Proxy, stub: Stub, situation: str, upstream_streams: bool, finish: str, stream: bool
) -> None:
    write = streamed_calling if upstream_streams else calling
    stub.respond = Upstream(write(TWO_CALLS[situation], finish))
    status, body = ask(proxy, "bon", stream=stream, tools=TOOLS)
    assert status == 200
    calls, reason = calls_in(body, stream=stream)
    read = [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls]
    assert read == [("look", {"at": "x"}), ("go", {"to": "y"})]
    assert all(call["id"] and call["type"] == "function" for call in calls)
    assert reason == "tool_calls"


UNREADABLE: dict[str, Any] = {
    "function null": {"id": "call_a", "type": "function", "function": None},
    "a bare word": {"id": "call_a", "type": "function", "function": "look"},
    "no name": a_call("call_a", None, "{}"),
    "an empty name": a_call("call_a", "", "{}"),
    "a number": a_call("call_a", 7, "{}"),  # type: ignore[arg-type]
    "nothing": {},
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("slug", TECHNIQUES)
@pytest.mark.parametrize("situation", UNREADABLE)
def test_a_call_that_cannot_be_read_loses_its_sample_and_nothing_more(
    proxy: Proxy, stub: Stub, situation: str, slug: str, stream: bool
) -> None:
    stub.respond = Upstream(only(0, calling([UNREADABLE[situation]])))
    status, body = ask(proxy, slug, stream=stream, tools=TOOLS)
    assert status == 200
    assert answer_in(body, stream=stream).startswith("The answer is")
    stub.respond = Upstream(calling([UNREADABLE[situation]]))
    refused, error, shown = failure(proxy, slug, stream=stream, tools=TOOLS)
    assert (refused, shown) == (None if stream else 502, "")
    assert "tool" in error["message"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_function_call_of_old_is_read_too(proxy: Proxy, stub: Stub, stream: bool) -> None:
    call = {"name": "look", "arguments": {"at": "x"}}
    stub.respond = Upstream(lambda at, _: whole(at, "", "stop", function_call=call))
    _, body = ask(proxy, "bon", stream=stream, functions=[TOOLS[0]["function"]])
    choice = body["choices"][0] if not stream else body[1]["choices"][0]
    said = choice.get("message") or choice["delta"]
    assert said["function_call"] == {"name": "look", "arguments": '{"at": "x"}'}
