"""Messages as spans have them: parts by OpenTelemetry's schema, flat names for OpenInference."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optillm.observe.traces.messages import prompt_attributes, reply_attributes
from optillm.observe.traces.otlp import otlp
from tests.observe.traces.documents import call, document, reply
from tests.observe.traces.test_otlp import request_of

CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}


def parts(message: dict[str, Any]) -> Any:
    (only,) = json.loads(str(prompt_attributes([message])["gen_ai.input.messages"]))
    return only["parts"]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"role": "user", "content": "hello"}, [{"type": "text", "content": "hello"}]),
        ({"role": "assistant", "content": None}, []),
        (
            {"role": "user", "content": [{"type": "text", "text": "look"}]},
            [{"type": "text", "content": "look"}],
        ),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://host/cat"}}]},
            [{"type": "uri", "modality": "image", "uri": "https://host/cat"}],
        ),
        (
            {
                "role": "user",
                "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}],
            },
            [{"type": "blob", "mime_type": "image/png", "modality": "image", "content": "AAAA"}],
        ),
        (
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]},
            [{"type": "input_audio", "input_audio": {}}],
        ),
        (
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            [{"type": "tool_call", "id": "call_1", "name": "add", "arguments": {"a": 1}}],
        ),
        (
            {"role": "tool", "tool_call_id": "call_1", "content": "2"},
            [{"type": "tool_call_response", "id": "call_1", "response": "2"}],
        ),
        (
            {"role": "assistant", "content": "4", "reasoning_content": "2 + 2"},
            [{"type": "reasoning", "content": "2 + 2"}, {"type": "text", "content": "4"}],
        ),
    ],
    ids=["text", "nothing", "parts", "image", "image inside", "other", "tool call", "tool", "thoughts"],
)
def test_each_kind_of_message_has_its_parts(message: dict[str, Any], expected: list[Any]) -> None:
    assert parts(message) == expected


def test_arguments_that_are_no_json_are_kept_as_they_are() -> None:
    broken = {**CALL, "function": {"name": "add", "arguments": '{"a": '}}
    (part,) = parts({"role": "assistant", "content": None, "tool_calls": [broken]})
    assert part["arguments"] == '{"a": '


def test_a_reply_says_how_it_ended_in_the_conventions_words() -> None:
    attributes = reply_attributes([reply("", tool_calls=[CALL], finish_reason="tool_calls"), reply("4")])
    outputs = json.loads(str(attributes["gen_ai.output.messages"]))
    assert [each["finish_reason"] for each in outputs] == ["tool_call", "stop"]
    assert attributes["gen_ai.response.finish_reasons"] == ["tool_calls", "stop"]
    start = "llm.output_messages.0.message.tool_calls.0.tool_call"
    assert attributes[f"{start}.function.name"] == "add"
    assert attributes[f"{start}.function.arguments"] == '{"a": 1}'
    assert attributes["llm.output_messages.1.message.content"] == "4"


def test_a_reply_that_broke_off_does_not_pretend_to_have_ended() -> None:
    (output,) = json.loads(str(reply_attributes([reply("4", finish_reason=None)])["gen_ai.output.messages"]))
    assert output["finish_reason"] == "unknown"


def test_viewers_list_the_last_message_and_the_first_reply() -> None:
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2?"}]
    assert prompt_attributes(turns)["input.value"] == "2 + 2?"
    assert reply_attributes([reply("4"), reply("5")])["output.value"] == "4"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["role", "content", "tool_calls", "function", "type", "text", "image_url", "url"]
            ),
            inner,
        )
    ),
    max_leaves=12,
)


@given(JSON, JSON, JSON)
def test_whatever_a_client_sends_in_place_of_messages_can_be_exported(
    prompt: Any, stop: Any, content: Any
) -> None:
    body = {"stop": stop, "messages": prompt}
    messages = [prompt, {"role": "user", "content": content, "tool_calls": stop}]
    for sent in (prompt, messages):
        odd = call(0, prompt=sent)
        request_of(otlp(document(calls=[odd], request={"body": body, "question": None})))
