"""Reading a chat request and writing a completion."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optillm.chat import ChatRequest, Reply, Usage
from optillm.errors import InvalidRequest
from optillm.server.api.wire import MAX_VALUES, completion_json, read_chat, read_object
from tests.server.fakes import HELLO, completion, report, settings

SETTINGS = settings()


def read(**changes: Any) -> ChatRequest:
    return read_chat(orjson.dumps(HELLO | changes), SETTINGS)


def refusal(content: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        read_chat(content, SETTINGS)
    return caught.value


def user(content: Any) -> list[Any]:
    return [{"role": "user", "content": content}]


def test_keeps_the_bytes_of_a_request_that_needs_no_change() -> None:
    content = b' {"messages": [{"role":"user","content":"h\\u0069"}], "model":"m", "x": 1.0} '
    asked = read_chat(content, SETTINGS, request_id="r", authorization="Bearer k")
    assert asked.raw == content
    assert asked.body["x"] == 1.0
    assert (asked.request_id, asked.authorization, asked.progress) == ("r", "Bearer k", "comments")


def test_keeps_unknown_fields_and_nulls() -> None:
    asked = read(stop=None, extra_headers={"a": "b"}, stream=None, n=None, tools=None)
    assert asked.body["stop"] is None
    assert asked.body["extra_headers"] == {"a": "b"}
    assert (asked.stream, asked.choices) == (False, 1)


def test_a_request_without_a_model_gets_the_servers() -> None:
    asked = read(model=None)
    assert asked.model == "gpt-4o-mini"
    assert asked.raw is None


def test_a_request_without_a_choice_count_gets_the_servers() -> None:
    asked = read_chat(orjson.dumps(HELLO), settings(n=3))
    assert asked.choices == 3
    assert asked.raw is None
    assert read_chat(orjson.dumps(HELLO | {"n": 1}), settings(n=3)).choices == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"x"',
        b'{"model": NaN}',
        b'{"model": Infinity}',
        b'{"seed": 1e999}',
        b'{"model": "\xff"}',
        b'{"model": "\\ud800"}',
        b"\xef\xbb\xbf{}",
        '{"model": "m"}'.encode("utf-16"),
        b'{"a":' * 65 + b"1" + b"}" * 65,
        b'{"a":' + b"[" * 900 + b"]" * 900 + b"}",
        b"[" * 100_000,
    ],
)
def test_refuses_what_is_not_a_plain_json_object(content: bytes) -> None:
    assert refusal(content).status == 400


def test_accepts_as_many_levels_as_it_says() -> None:
    assert read_object(b'{"a":' * 64 + b"1" + b"}" * 64)


@pytest.mark.parametrize("content", [b'{"n":1,"n":2}', b'{"messages":[{"n":1,"x":0,"\\u006e":2}]}'])
def test_refuses_equal_keys_in_one_object(content: bytes) -> None:
    assert refusal(content).param == "n"


@pytest.mark.timeout(60)
def test_finds_the_equal_key_among_many() -> None:
    keys = b",".join(b'"k%d":1' % i for i in range(150_000))
    assert refusal(b"{" + keys + b',"k149999":2}').param == "k149999"


@pytest.mark.parametrize("value", [b"1", b"[]", b"{}", b'""', b'{"a":1}', b"[[]]"])
def test_refuses_more_values_than_anybody_sends(value: bytes) -> None:
    content = b'{"messages":[%s]}' % b",".join([value] * (MAX_VALUES + 1))
    assert "values" in refusal(content).message


@pytest.mark.parametrize("text", ["[{,:", '\\"', '"', "\\", '\\\\"[:'])
def test_long_strings_may_hold_anything(text: str) -> None:
    asked = read(messages=user(text * MAX_VALUES))
    assert asked.messages == user(text * MAX_VALUES)


@given(st.dictionaries(st.text(alphabet='\\":,{[a'), st.text(alphabet='\\":,{[a') | st.just({"a": 1})))
def test_whatever_its_strings_hold_a_body_without_equal_keys_is_read(body: dict[str, Any]) -> None:
    content = orjson.dumps(body)
    assert read_object(content) == body
    if body:
        with pytest.raises(InvalidRequest, match="twice"):
            read_object(content[:-1] + b"," + content[1:])


def test_reads_a_long_agent_history() -> None:
    call = {
        "id": "c",
        "type": "function",
        "function": {"name": "f", "arguments": '{"a": [1, {"b": 2}]}' * 20},
    }
    turns = [{"role": "assistant", "content": None, "tool_calls": [call]}] * 4096
    assert len(read(messages=turns).messages) == 4096


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", 7),
        ("model", ""),
        ("model", " "),
        ("model", "gpt\r\nx-evil: 1"),
        ("model", "gpt\x00"),
        ("model", "gpt\u2028"),
        ("messages", None),
        ("messages", []),
        ("messages", {}),
        ("messages", "hi"),
        ("messages", [{"role": "user", "content": "hi"}] * 4097),
        ("n", 0),
        ("n", 129),
        ("n", 1.0),
        ("n", True),
        ("n", "2"),
        ("stream", 1),
        ("stream", "true"),
        ("stream_options", []),
        ("tools", {}),
        ("metadata", []),
        ("response_format", "json"),
        ("max_tokens", "5"),
        ("max_completion_tokens", True),
        ("seed", 10**30),
        ("temperature", -1e300),
    ],
)
def test_names_the_field_it_refuses(field: str, value: Any) -> None:
    content = orjson.dumps(HELLO | {field: None}).replace(
        b'"%s":null' % field.encode(), b'"%s":%s' % (field.encode(), _json(value))
    )
    error = refusal(content)
    assert error.param == field
    assert field in error.message


def _json(value: Any) -> bytes:
    return str(value).encode() if type(value) is int else orjson.dumps(value)


def test_refuses_a_usage_switch_that_is_no_boolean() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(stream_options={"include_usage": "yes"})
    assert caught.value.param == "stream_options.include_usage"


@pytest.mark.parametrize(
    ("message", "where"),
    [
        ("hi", "messages[0]"),
        (None, "messages[0]"),
        ({"content": "hi"}, "messages[0].role"),
        ({"role": "User", "content": "hi"}, "messages[0].role"),
        ({"role": ["user"], "content": "hi"}, "messages[0].role"),
        ({"role": "user"}, "messages[0].content"),
        ({"role": "assistant"}, "messages[0].content"),
        ({"role": "user", "content": 5}, "messages[0].content"),
        ({"role": "user", "content": {"type": "text"}}, "messages[0].content"),
        ({"role": "user", "content": ["hi"]}, "messages[0].content[0]"),
        (
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"text": "b"}]},
            "messages[0].content[1]",
        ),
        ({"role": "user", "content": [{"type": 1}]}, "messages[0].content[0]"),
    ],
)
def test_names_the_message_it_refuses(message: Any, where: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(messages=[message])
    assert caught.value.param == where


@pytest.mark.parametrize(
    "message",
    [
        {"role": "developer", "content": ""},
        {"role": "system", "content": "a", "name": "b"},
        {"role": "assistant", "content": None},
        {"role": "assistant", "tool_calls": [{"id": "1"}]},
        {"role": "assistant", "function_call": {"name": "f"}},
        {"role": "tool", "content": [{"type": "text", "text": "a"}], "tool_call_id": "1"},
        {"role": "function", "content": "a", "name": "f"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]},
    ],
)
def test_accepts_every_kind_of_message(message: dict[str, Any]) -> None:
    assert read(messages=[message]).messages == [message]


def test_a_tag_chooses_the_technique_and_goes_no_further() -> None:
    system = {"role": "system", "content": "<optillm_approach>moa</optillm_approach>Be kind."}
    asked = read(messages=[system, *user("hi")])
    assert asked.approach == "moa"
    assert asked.messages == [{"role": "system", "content": "Be kind."}, *user("hi")]
    assert asked.raw is None


def test_a_field_is_stronger_than_a_tag() -> None:
    system = {"role": "system", "content": "<optillm_approach>moa</optillm_approach>Be kind."}
    asked = read(messages=[system, *user("hi")], optillm_approach="bon")
    assert asked.approach == "bon"
    assert asked.messages[0]["content"] == "Be kind."


def test_refuses_a_conversation_that_was_nothing_but_a_tag() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(messages=[{"role": "system", "content": "<optillm_approach>moa</optillm_approach>"}])
    assert caught.value.param == "messages"


def test_users_tags_are_text_unless_the_operator_says_otherwise() -> None:
    tagged = user("<optillm_approach>moa</optillm_approach>hi")
    assert read(messages=tagged).approach is None
    assert read(messages=tagged).messages == tagged
    allowed = read_chat(orjson.dumps(HELLO | {"messages": tagged}), settings(user_tags=True))
    assert allowed.approach == "moa"
    assert allowed.messages == user("hi")


def test_writes_a_completion() -> None:
    reply = Reply({"role": "assistant", "content": "four", "x": 1}, "stop", system_fingerprint="fp")
    assert completion_json(completion(reply)) == (
        b'{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"gpt-test",'
        b'"choices":[{"index":0,"message":{"role":"assistant","content":"four","x":1},"logprobs":null,'
        b'"finish_reason":"stop"}],'
        b'"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15},"system_fingerprint":"fp",'
        b'"optillm":{"technique":"bon","options":{"n":2},"rounds":2,"calls":{"sample":2,"ask":1},'
        b'"seconds":0.5,"stop_reason":"complete","losses":{},"turn":"answer"}}'
    )


def test_leaves_out_usage_that_nobody_knows() -> None:
    wire = orjson.loads(completion_json(completion(usage=None)))
    assert "usage" not in wire
    assert "system_fingerprint" not in wire


def test_says_when_tokens_were_guessed() -> None:
    wire = orjson.loads(completion_json(completion(usage=Usage(1, 2, 3, 4, estimated=True))))
    assert wire["usage"]["estimated"] is True
    assert wire["usage"]["completion_tokens_details"] == {"reasoning_tokens": 3}


def test_a_reply_without_a_finish_reason_gets_the_one_its_content_implies() -> None:
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    wire = orjson.loads(completion_json(completion(Reply({"content": "a"}), Reply({"tool_calls": calls}))))
    assert [choice["finish_reason"] for choice in wire["choices"]] == ["stop", "tool_calls"]
    assert wire["choices"][1] == {
        "index": 1,
        "message": {"role": "assistant", "tool_calls": calls},
        "logprobs": None,
        "finish_reason": "tool_calls",
    }


def test_writes_options_of_any_plain_type() -> None:
    odd = report(options={"models": ("a", "b"), "kinds": frozenset({"c"}), 1: None})
    wire = orjson.loads(completion_json(completion(report=odd)))
    assert wire["optillm"]["options"] == {"models": ["a", "b"], "kinds": ["c"], "1": None}


GIANT = "1" + "0" * 50


@pytest.mark.parametrize(
    "where", ['"metadata":{{"a":{}}}', '"seed":{}', '"metadata":{{"a":[[1,{}]]}}', '"seed":-{}']
)
@pytest.mark.parametrize("digits", [GIANT, "18446744073709551616", "1" * 300])
def test_an_integer_that_would_become_another_number_is_refused(where: str, digits: str) -> None:
    body = '{"model":"m","messages":[{"role":"user","content":"hi"}],' + where.format(digits) + "}"
    with pytest.raises(InvalidRequest, match="too large"):
        read_chat(body.encode(), settings())


@pytest.mark.parametrize("number", ["18446744073709551615", "-9223372036854775808", "1.7976931348623157e308"])
def test_numbers_that_stay_what_they_are_may_be_large(number: str) -> None:
    body = '{"model":"m","messages":[{"role":"user","content":"hi"}],"metadata":{"a":' + number + "}}"
    assert read_chat(body.encode(), settings()).body["metadata"]["a"] == orjson.loads(number)


def test_a_models_name_has_its_limit() -> None:
    for length, fits in ((512, True), (513, False)):
        content = orjson.dumps(HELLO | {"model": "m" * length})
        if fits:
            assert read_chat(content, settings()).model == "m" * length
        else:
            with pytest.raises(InvalidRequest) as refused:
                read_chat(content, settings())
            assert refused.value.param == "model"
