"""Streams, byte by byte."""

from __future__ import annotations

import random
from typing import Any

import orjson
import pytest

from optillm.chat import Delta, Event, Note, Reply
from optillm.errors import OptillmError, UpstreamError
from optillm.server.api.sse import MAX_PIECE, MIN_PIECE, Chunks, pieces
from optillm.server.api.wire import read_chat
from optillm.server.bridge import ClientGone
from optillm.server.errors import explain
from tests.server.fakes import HELLO, completion, data, settings, stream

HEAD = '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-test",'
REPORT = (
    '"optillm":{"technique":"bon","options":{"n":2},"rounds":2,"calls":{"sample":2,"ask":1},'
    '"seconds":0.5,"stop_reason":"complete","losses":{},"turn":"answer"}'
)
USAGE = '"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}'


def render(*batches: list[Event] | Exception, called_off: bool = False, **changes: Any) -> str:
    """The stream that these batches make, for a request with these changes."""

    def play() -> Any:
        for batch in batches:
            if isinstance(batch, Exception):
                raise batch
            yield batch

    def told(error: Exception) -> OptillmError:
        return explain(error, "req_1")

    asked = read_chat(orjson.dumps(HELLO | {"stream": True} | changes), settings())
    return b"".join(
        Chunks(stream(choices=asked.choices), asked).events(play(), told, lambda: called_off)
    ).decode()


def chunk(delta: str, index: int = 0, finish: str = "null", extra: str = "", head: str = HEAD) -> str:
    choice = f'{{"index":{index},"delta":{delta},"logprobs":null,"finish_reason":{finish}}}'
    return f'data: {head}"choices":[{choice}]{extra}}}\n\n'


def test_one_text_answer() -> None:
    assert render([completion()]) == (
        chunk('{"role":"assistant","content":""}')
        + chunk('{"content":"four"}')
        + chunk("{}", finish='"stop"', extra=f",{REPORT}")
        + "data: [DONE]\n\n"
    )


def test_one_text_answer_with_usage() -> None:
    null = ',"usage":null'
    assert render([completion()], stream_options={"include_usage": True}) == (
        chunk('{"role":"assistant","content":""}', extra=null)
        + chunk('{"content":"four"}', extra=null)
        + chunk("{}", finish='"stop"', extra=null)
        + f'data: {HEAD}"choices":[],{USAGE},{REPORT}}}\n\n'
        + "data: [DONE]\n\n"
    )


def test_two_choices() -> None:
    answer = completion(Reply({"content": "four"}, "stop"), Reply({"content": "4"}, "length"))
    assert render([answer], n=2) == (
        chunk('{"role":"assistant","content":""}')
        + chunk('{"content":"four"}')
        + chunk('{"role":"assistant","content":""}', 1)
        + chunk('{"content":"4"}', 1)
        + chunk("{}", finish='"stop"')
        + chunk("{}", 1, finish='"length"', extra=f",{REPORT}")
        + "data: [DONE]\n\n"
    )


def test_a_choice_that_did_not_come_is_never_begun() -> None:
    assert render([completion(Reply({"content": "four"}, "stop"))], n=3) == (
        chunk('{"role":"assistant","content":""}')
        + chunk('{"content":"four"}')
        + chunk("{}", finish='"stop"', extra=f",{REPORT}")
        + "data: [DONE]\n\n"
    )


def test_tool_calls() -> None:
    calls = [
        {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
        {"id": "call_2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ]
    answer = completion(Reply({"role": "assistant", "content": None, "tool_calls": calls}, "tool_calls"))
    first = '{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":"{\\"a\\":1}"}}'
    second = '{"index":1,"id":"call_2","type":"function","function":{"name":"g","arguments":"{}"}}'
    assert render([answer]) == (
        chunk('{"role":"assistant","content":""}')
        + chunk(f'{{"tool_calls":[{first}]}}')
        + chunk(f'{{"tool_calls":[{second}]}}')
        + chunk("{}", finish='"tool_calls"', extra=f",{REPORT}")
        + "data: [DONE]\n\n"
    )


def test_a_failure_after_the_first_byte() -> None:
    refused = UpstreamError("down", status=503, upstream_body={"error": {"message": "busy", "code": "b"}})
    assert render([Delta("fo")], refused) == (
        chunk('{"role":"assistant","content":""}')
        + chunk('{"content":"fo"}')
        + 'data: {"error":{"message":"busy","type":null,"param":null,"code":"b"}}\n\n'
        + "data: [DONE]\n\n"
    )


def test_a_fault_of_ours_after_the_first_byte_says_no_internals(caplog: pytest.LogCaptureFixture) -> None:
    text = render([Delta("fo")], ValueError("secret"))
    assert "secret" not in text
    assert text.count("data: [DONE]") == 1
    assert data(text.encode())[-1]["error"]["type"] == "server_error"
    assert "req_1" in caplog.text
    assert "secret" in caplog.text


def test_a_stream_that_ends_without_its_completion_is_a_fault() -> None:
    assert data(render([Delta("fo")]).encode())[-1]["error"]["type"] == "server_error"


def test_a_client_whose_stream_somebody_cancelled_is_told_so() -> None:
    text = render([Delta("fo")], ClientGone(), called_off=True)
    *_, error, done, end = text.split("\n\n")
    assert '"code":"request_cancelled"' in error
    assert (done, end) == ("data: [DONE]", "")


def test_a_client_that_left_is_told_nothing() -> None:
    assert render([Delta("fo")], ClientGone()) == (
        chunk('{"role":"assistant","content":""}') + chunk('{"content":"fo"}')
    )


def test_shows_only_what_no_delta_has_shown() -> None:
    chunks = data(
        render([Delta("fo"), Delta("ur ")], [completion(Reply({"content": "four five"}, "stop"))]).encode()
    )
    contents = [each["choices"][0]["delta"].get("content") for each in chunks]
    assert contents == ["", "fo", "ur ", "five", None]


def test_replays_a_long_answer_in_pieces() -> None:
    text = "Zwölf Boxkämpfer jagen 👩‍👩‍👧 Viktor\nquer über den großen Sylter Deich. " * 20
    chunks = data(render([completion(Reply({"content": text}, "stop"))]).encode())
    contents = [each["choices"][0]["delta"].get("content") for each in chunks[1:-1]]
    assert "".join(contents) == text
    assert all(len(content) <= MAX_PIECE for content in contents)


def test_keeps_the_other_fields_of_a_message_and_the_log_probabilities() -> None:
    message = {"role": "assistant", "content": "four", "reasoning_content": "2+2", "refusal": None}
    answer = completion(Reply(message, "stop", logprobs={"content": []}, system_fingerprint="fp"))
    chunks = data(render([answer]).encode())
    assert [each["choices"][0]["delta"] for each in chunks[1:]] == [
        {"reasoning_content": "2+2"},
        {"content": "four"},
        {},
    ]
    assert chunks[-1]["choices"][0]["logprobs"] == {"content": []}
    assert chunks[-1]["system_fingerprint"] == "fp"


def test_silence_is_a_comment_between_events() -> None:
    start, delta = chunk('{"role":"assistant","content":""}'), chunk('{"content":"fo"}')
    assert render([], [Delta("fo")], [], ClientGone()) == f"{start}: keep-alive\n\n{delta}: keep-alive\n\n"


NOTE = Note("two of three\r\ndata: [DONE]\n\nagree")


def test_progress_as_comments_cannot_break_out_of_them() -> None:
    text = render([NOTE], ClientGone())
    assert text.endswith("\n\n: two of three\n: data: [DONE]\n: \n: agree\n\n")


def test_progress_as_reasoning() -> None:
    chunks = data(render([NOTE], ClientGone(), optillm={"progress": "reasoning"}).encode())
    assert chunks[1]["choices"][0]["delta"] == {"reasoning_content": NOTE.text + "\n"}


def test_progress_can_be_off() -> None:
    assert render([NOTE], ClientGone(), optillm={"progress": "off"}) == render(ClientGone())


def test_pieces_join_to_the_text() -> None:
    chance = random.Random(7)
    for _ in range(300):
        text = "".join(chance.choices("ab \n\té漢", k=chance.randrange(300)))
        cut = list(pieces(text))
        assert "".join(cut) == text
        assert all(MIN_PIECE < len(piece) <= MAX_PIECE for piece in cut[:-1])
