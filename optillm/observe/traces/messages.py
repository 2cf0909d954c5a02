"""Messages in the forms of spans: OpenTelemetry's parts in JSON, and OpenInference's flat attributes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from optillm.chat import content_text
from optillm.observe.traces.conventions import Attributes

Message = Mapping[str, Any]
FINISHED: Final = {"tool_calls": "tool_call", "function_call": "tool_call"}
"""The conventions' words for how a reply ended, where they are not OpenAI's."""


def prompt_attributes(messages: Iterable[Message]) -> Attributes:
    """Return the attributes that hold the messages of a prompt."""
    listed = list(messages)
    attributes: Attributes = {
        "gen_ai.input.messages": _json([{"role": each["role"], "parts": _parts(each)} for each in listed])
    }
    attributes |= _flat("llm.input_messages", listed)
    return attributes | shown("input", content_text(listed[-1]) if listed else "")


def reply_attributes(replies: Iterable[Message]) -> Attributes:
    """Return the attributes that hold a call's replies, each as a document has it."""
    messages = [
        {
            "role": "assistant",
            "content": reply["text"],
            "reasoning_content": reply["thoughts"],
            "tool_calls": reply["tool_calls"],
            "finish_reason": reply["finish_reason"] or "stop",
        }
        for reply in replies
    ]
    reasons = [str(message["finish_reason"]) for message in messages]
    outputs = [
        {"role": "assistant", "parts": _parts(message), "finish_reason": FINISHED.get(reason, reason)}
        for message, reason in zip(messages, reasons, strict=True)
    ]
    attributes: Attributes = {
        "gen_ai.output.messages": _json(outputs),
        "gen_ai.response.finish_reasons": reasons,
    }
    attributes |= _flat("llm.output_messages", messages)
    return attributes | shown("output", content_text(messages[0]) if messages else "")


def shown(side: str, text: str) -> Attributes:
    """Return the attributes by which viewers show an `input` or `output` in their lists."""
    return {f"{side}.value": text, f"{side}.mime_type": "text/plain"}


def _parts(message: Message) -> list[dict[str, Any]]:
    """Return a message's parts in the conventions' form."""
    if message["role"] == "tool":
        answer = {"id": message.get("tool_call_id"), "response": content_text(message)}
        return [{"type": "tool_call_response"} | answer]
    parts: list[dict[str, Any]] = []
    if message.get("reasoning_content"):
        parts.append({"type": "reasoning", "content": message["reasoning_content"]})
    content = message.get("content")
    if isinstance(content, list):
        parts += map(_part, content)
    elif content:
        parts.append({"type": "text", "content": content})
    return parts + [_tool_call(call) for call in message.get("tool_calls") or ()]


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(part.get("text"), str):
        return {"type": "text", "content": part["text"]}
    url = (part.get("image_url") or {}).get("url")
    if isinstance(url, str):
        media, comma, data = url.removeprefix("data:").partition(";base64,")
        if comma:
            return {"type": "blob", "mime_type": media, "modality": "image", "content": data}
        return {"type": "uri", "modality": "image", "uri": url}
    return dict(part)


def _tool_call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function") or {}
    arguments: Any = function.get("arguments")
    with suppress(TypeError, ValueError):  # a model wrote them: what is no JSON is shown as it is
        arguments = json.loads(arguments)
    return {"type": "tool_call", "id": call.get("id"), "name": function.get("name"), "arguments": arguments}


def _flat(prefix: str, messages: Iterable[Message]) -> Attributes:
    return dict(
        pair for index, each in enumerate(messages) for pair in _entries(f"{prefix}.{index}.message", each)
    )


def _entries(prefix: str, message: Message) -> Iterator[tuple[str, str]]:
    yield f"{prefix}.role", message["role"]
    if text := content_text(message):
        yield f"{prefix}.content", text
    for index, call in enumerate(message.get("tool_calls") or ()):
        function = call.get("function") or {}
        start = f"{prefix}.tool_calls.{index}.tool_call"
        yield f"{start}.id", str(call.get("id"))
        yield f"{start}.function.name", str(function.get("name"))
        yield f"{start}.function.arguments", str(function.get("arguments"))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
