"""Streams of techniques, byte by byte as they leave a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from threading import Event
from typing import Any

import httpx2
import pytest

from tests.e2e.proxy import Proxy
from tests.stub import Call, Stub, completion, delta

WAIT = 30.0
FLAGS = ("--keep-alive", "0.1")


class Writer:
    """Proposals that differ; the last call is streamed and pauses after its first word until `read` is set."""

    def __init__(self) -> None:
        self.read = Event()
        self.fails = False
        self._drafts = 0

    def respond(self, call: Call) -> None:
        if self.fails:
            return call.json(
                {"error": {"message": "no such model", "type": "t", "param": None, "code": "c"}}, 404
            )
        if "JSON" in json.dumps(call.sent["messages"]):
            return call.json(completion('{"ranking": ["B", "A", "C"]}'))
        if not call.sent.get("stream"):
            self._drafts += 1
            return call.json(completion(f"The answer is {self._drafts}."))
        call.begin(content_type="text/event-stream")
        call.write(b"data: " + json.dumps(delta("First")).encode() + b"\n\n")
        assert self.read.wait(WAIT)
        call.write(b"data: " + json.dumps(delta(" second.")).encode() + b"\n\n")
        call.write(b"data: " + json.dumps(delta(None, "stop")).encode() + b"\n\ndata: [DONE]\n\n")
        return None


@pytest.fixture
def writer() -> Writer:
    return Writer()


def lines(proxy: Proxy, stub: Stub, writer: Writer, model: str, **more: Any) -> Iterator[str]:
    """The lines of a stream that are not blank, as they come."""
    stub.respond = writer.respond
    body = {"model": model, "messages": [{"role": "user", "content": "What?"}], "stream": True, **more}
    url = f"{proxy.base_url}/chat/completions"
    with httpx2.stream("POST", url, json=body, timeout=WAIT) as reply:
        assert reply.status_code == 200
        assert reply.headers["content-type"].startswith("text/event-stream")
        yield from filter(None, reply.iter_lines())


def content(line: str) -> str | None:
    if not line.startswith("data: {"):
        return None
    choices = json.loads(line[6:]).get("choices") or [{}]
    said: str | None = choices[0].get("delta", {}).get("content")
    return said


def test_the_last_call_is_relayed_while_the_upstream_is_still_writing(
    proxy: Proxy, stub: Stub, writer: Writer
) -> None:
    said = []
    for line in lines(proxy, stub, writer, "moa-m"):
        text = content(line)
        if text:
            said.append(text)
            writer.read.set()  # the upstream goes on only now
    assert said == ["First", " second."]


def test_signs_of_life_fill_the_silence(proxy: Proxy, stub: Stub, writer: Writer) -> None:
    alive = 0
    for line in lines(proxy, stub, writer, "moa-m"):
        alive += line == ": keep-alive"
        if alive == 3:
            writer.read.set()
    assert alive >= 3


@pytest.mark.parametrize("progress", ["off", "comments", "reasoning"])
def test_progress_is_shown_as_asked(proxy: Proxy, stub: Stub, writer: Writer, progress: str) -> None:
    seen = list(lines(proxy, stub, writer, "bon-m", optillm={"progress": progress}))
    comments = [line for line in seen if line.startswith(":") and line != ": keep-alive"]
    reasoning = [line for line in seen if "reasoning_content" in line]
    assert bool(comments) is (progress == "comments")
    assert bool(reasoning) is (progress == "reasoning")
    assert seen[-1] == "data: [DONE]"


def test_the_winner_is_replayed_in_pieces_that_make_it_whole(
    proxy: Proxy, stub: Stub, writer: Writer
) -> None:
    said = [content(line) for line in lines(proxy, stub, writer, "bon-m")]
    assert said[0] == ""
    assert "".join(filter(None, said)).startswith("The answer is")


@pytest.mark.parametrize("model", ["bon-m", "moa-m"])
def test_a_failure_after_the_first_byte_is_an_event(
    proxy: Proxy, stub: Stub, writer: Writer, model: str
) -> None:
    writer.fails = True
    first, *_, error, done = lines(proxy, stub, writer, model)
    assert content(first) == ""
    assert json.loads(error[6:])["error"] == {
        "message": "no such model",
        "type": "t",
        "param": None,
        "code": "c",
    }
    assert done == "data: [DONE]"
