"""Documents of requests that are only passed on."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest

from optillm.engine.call.cache import Cache
from optillm.observe.traces.document import document, summary, summary_of
from optillm.observe.traces.recording import LONGEST_REPLY
from optillm.observe.traces.shapes import LEVELS
from tests.engine.call.test_cached import Memory
from tests.observe.traces.fakes import QUESTION, Passing, Recorded, answer, made, recorded

USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


def whole_reply(text: str, **more: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return json.dumps({"choices": [choice], "usage": USAGE, **more}).encode()


def event(**delta: Any) -> bytes:
    reason = delta.pop("finish_reason", None)
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"


def passing(reply: bytes = b"", *chunks: bytes, status: int = 200) -> dict[str, Any]:
    kind = type("Scene", (Passing,), {"reply": reply, "chunks": chunks, "status": status})
    return {"kind": kind}


def unasked(sent: Any) -> str:
    raise AssertionError("a plain request is no chat call")


def test_a_plain_request_is_one_call_with_its_prompt_and_its_reply() -> None:
    recording = recorded(unasked, "m", world=passing(whole_reply(answer(86))))
    plain = document(recording, content=True)
    assert (plain["technique"], plain["status"], plain["stop"], plain["rounds"]) == ("none", "ok", None, 1)
    (call,) = plain["calls"]
    assert call["prompt"] == [{"role": "user", "content": QUESTION}]
    assert call["replies"][0]["text"] == answer(86)
    assert (call["input_tokens"], call["output_tokens"], call["end"]) == (7, 5, 1.0)
    assert plain["outcome"]["text"] == answer(86)
    assert plain["outcome"]["why"] == ["One call, passed through unchanged."]
    assert summary(plain) == summary_of(recording, content=True)


def test_a_stream_is_put_together_and_its_first_chunk_is_its_first_token() -> None:
    chunks = (
        *(event(role="assistant", content="The "), event(content="answer"), event(reasoning_content="hm")),
        event(finish_reason="stop") + b"data: [DONE]\n\n",
    )
    plain = document(recorded(unasked, "m", world=passing(b"", *chunks), stream=True), content=True)
    (call,) = plain["calls"]
    assert call["replies"] == [
        {"text": "The answer", "thoughts": "hm", "tool_calls": None, "finish_reason": "stop"}
    ]
    assert (call["first_token"], call["end"]) == (1.0, 5.0)


def test_a_long_reply_is_not_kept() -> None:
    recording = recorded(unasked, "m", world=passing(whole_reply("a" * LONGEST_REPLY)))
    plain = document(recording, content=True)
    assert plain["calls"][0]["replies"] is None
    assert plain["candidates"] == []
    assert recording.size < 2 * LONGEST_REPLY


def test_an_error_status_of_the_upstream_is_a_failed_call() -> None:
    refused = b'{"error": {"message": "no such model"}}'
    plain = document(recorded(unasked, "m", world=passing(refused, status=404)), content=True)
    assert (plain["status"], plain["http_status"], plain["calls"][0]["error"]) == ("failed", 404, "404")
    assert plain["outcome"]["chosen"] == []


def test_without_content_a_plain_request_keeps_its_numbers() -> None:
    plain = document(recorded(unasked, "m", world=passing(whole_reply(answer(86)))), content=False)
    assert (plain["request"]["body"], plain["calls"][0]["prompt"], plain["calls"][0]["replies"]) == (
        None,
    ) * 3
    assert plain["calls"][0]["output_tokens"] == 5
    assert plain["outcome"]["text"] is None


def test_a_reply_from_the_cache_says_so() -> None:
    recordings = Recorded()
    kind = type("Scene", (Passing,), {"reply": whole_reply(answer(86))})
    scene = kind(unasked, recorder=recordings, cache=Cache(Memory()))

    async def main() -> None:
        for _ in range(2):
            await scene.serve("m")

    scene.run(main())
    plain = document(recordings[1], content=True)
    assert plain["calls"][0]["cached"] == 1
    assert plain["outcome"]["why"] == ["The reply came from the cache: no call was made."]


def deep(levels: int) -> Any:
    nest: Any = []
    for _ in range(levels):
        nest = [nest]
    return nest


@pytest.mark.parametrize(
    "reply",
    [
        {"choices": 5},
        {"choices": {"0": "a"}},
        {"choices": [5, {"message": 5}]},
        {"choices": [{"message": {"tool_calls": 5}}]},
        {"choices": [{"message": {"tool_calls": {"0": "a"}}}]},
        {"choices": [{"message": {"content": "a"}, "finish_reason": {"b": deep(2 * LEVELS)}}]},
        {"choices": [{"message": {"content": "a", "tool_calls": [deep(2 * LEVELS)]}}]},
    ],
    ids=repr,
)
def test_a_reply_with_a_shape_of_its_own_can_be_listed_and_shown(reply: dict[str, Any]) -> None:
    recording = recorded(unasked, "m", world=passing(json.dumps(reply).encode()))
    plain = document(recording, content=True)
    assert orjson.loads(orjson.dumps(plain)) == plain
    assert summary(plain) == summary_of(recording, content=True)


def test_a_body_is_shown_as_deep_as_it_can_be_written() -> None:
    for levels, shown in ((LEVELS, True), (LEVELS + 1, False), (2 * LEVELS, False)):
        body = {"input": "a", "metadata": deep(levels - 2)}
        plain = document(
            made(endpoint="/embeddings", body=json.dumps(body).encode(), trace=None), content=True
        )
        assert plain["request"]["body"] == (body if shown else None)
        assert orjson.dumps(plain)
