"""Bytes of replies as JSON, whole or streamed, whatever was asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optillm.engine.upstream.decoding import read_chunks, read_completion
from optillm.engine.upstream.errors import LARGEST_ERROR, failure_in
from optillm.engine.upstream.replies import DONE, read_replies
from optillm.engine.upstream.sse_events import ServerEvent
from optillm.errors import UpstreamError
from tests.stub import completion, delta


def untouched(content: bytes) -> bytes:
    return content


def chunks(data: bytes, name: str = "", *, ended: bool = True) -> list[Any]:
    return read_chunks(ServerEvent(name, data, ended), untouched)


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (b'{"a": 1}', [{"a": 1}]),
        (b' {"a": 1} ', [{"a": 1}]),
        (b'{"a":\n1}', [{"a": 1}]),
        (b'{"a": 1}\n{"b": 2}', [{"a": 1}, {"b": 2}]),
        (b'{"a": 1}\n[DONE]', [{"a": 1}, DONE]),
        (b'[{"a": 1}]', [{"a": 1}]),
        (b"[DONE]", [DONE]),
        (b" [DONE] ", [DONE]),
        (b"", []),
        (b"null", []),
        (b'"ping"', []),
        (b'{"a": "\\ud83d", "usage": {"x": 1}}', [{"a": "\ud83d", "usage": {"x": 1}}]),
    ],
)
def test_an_event_holds_chunks(data: bytes, read: list[Any]) -> None:
    assert chunks(data) == read


@pytest.mark.parametrize("data", [b"{oops", b"oops", b"[1, 2]"])
def test_an_event_that_cannot_be_read_is_a_failure_unless_it_is_cut_or_has_a_name(data: bytes) -> None:
    with pytest.raises(UpstreamError):
        chunks(data)
    if data != b"[1, 2]":
        assert chunks(data, ended=False) == chunks(data, "ping") == []


@pytest.mark.parametrize(
    "data", [b'{"message": "no"}', b'{"error": {"message": "no"}}', b'{"error": "no"}', b"no", b'"no"']
)
def test_an_event_named_error_is_one(data: bytes) -> None:
    for name in ("error", "Error"):
        with pytest.raises(UpstreamError, match="no"):
            read_replies(chunks(data, name)[0])


def streamed(*wires: Any, done: bytes = b"data: [DONE]\n\n") -> bytes:
    return b"".join(b"data: " + json.dumps(wire).encode() + b"\n\n" for wire in wires) + done


def test_a_stream_nobody_asked_for_is_put_together() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    content = streamed(delta("He"), delta("llo", usage=usage), delta(None, "eos", usage=usage))
    wire = read_completion(content, untouched)
    (reply,) = read_replies(wire)
    assert (reply.text, reply.finish_reason, reply.model, wire["usage"]) == ("Hello", "stop", "m", usage)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (streamed(delta("He"), done=b""), "early"),
        (streamed(delta("He"), {"error": {"message": "no"}}), "no"),
        (b"<html>", "not JSON"),
        (b"", "not JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b'{"a": ', "not JSON"),
    ],
)
def test_what_is_no_completion_is_a_failure_worth_another_try(content: bytes, words: str) -> None:
    with pytest.raises(UpstreamError, match=words) as error:
        read_completion(content, untouched)
    assert (error.value.status, error.value.retryable) == (502, True)


def test_only_a_failure_is_read_without_what_looks_like_a_key() -> None:
    def redact(content: bytes) -> bytes:
        return content.replace(b"hunter22", b"[redacted]")

    sound = completion("hunter22", error=None)
    assert read_completion(json.dumps(sound).encode(), redact) == sound
    choice = {"message": {"content": "x"}, "finish_reason": "error", "error": {"message": "hunter22"}}
    for wire in (
        {"error": "hunter22"},
        {"message": "hunter22"},
        {"choices": [choice]},
        sound | {"error": "hunter22"},
    ):
        data = json.dumps(wire).encode()
        assert "hunter22" not in str(read_completion(data, redact))
        assert "hunter22" not in str(read_chunks(ServerEvent("", data), redact))
    assert "hunter22" not in str(read_chunks(ServerEvent("error", b"hunter22"), redact))


@given(st.text(), st.booleans())
def test_any_text_comes_through(text: str, ascii_only: bool) -> None:
    wire = json.loads(json.dumps(completion(text)))
    content = json.dumps(wire, ensure_ascii=ascii_only).encode(errors="surrogatepass")
    assert read_completion(content, untouched) == wire


def test_of_a_large_failure_in_a_200_only_its_words_are_searched_for_keys() -> None:
    seen = list[int]()

    def redact(content: bytes) -> bytes:
        seen.append(len(content))
        return content

    failure = {"error": {"message": "no", "code": 429, "debug": "x" * 2**20}}
    with pytest.raises(UpstreamError, match="no") as caught:
        read_replies(read_completion(json.dumps(failure).encode(), redact))
    assert caught.value.status == 429
    event = ServerEvent("error", json.dumps(failure).encode())
    assert failure_in(read_chunks(event, redact)[0]) is not None
    assert max(seen) <= LARGEST_ERROR
