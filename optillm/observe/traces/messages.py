"""Messages as spans hold them: OpenTelemetry's parts, and OpenInference's flat attributes."""

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
UNKNOWN: Final = "unknown"
"""How a reply ended that broke off; the conventions demand a word."""


def messages_in(value: Any) -> list[Message]:
    """Return the messages of a prompt; a client may have sent anything in their place."""
    items = value if isinstance(value, list) else []
    return [{**item, "role": str(item.get("role"))} for item in items if isinstance(item, Mapping)]


def prompt_attributes(prompt: Any) -> Attributes:
    """Return the attributes that hold the messages of a prompt."""
    messages = messages_in(prompt)
    inputs = [{"role": message["role"], "parts": _parts(message)} for message in messages]
    attributes: Attributes = {"gen_ai.input.messages": _json(inputs)}
    attributes |= _flat("llm.input_messages", messages)
    return attributes | shown("input", content_text(messages[-1]) if messages else "")


def reply_attributes(replies: Iterable[Message]) -> Attributes:
    """Return the attributes that hold a call's replies, each as a document has it."""
    messages = [_message(reply) for reply in replies]
    reasons = [message["finish_reason"] for message in messages]
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


def _message(reply: Message) -> Message:
    """Return a document's reply as a message."""
    return {
        "role": "assistant",
        "content": reply["text"],
        "reasoning_content": reply["thoughts"],
        "tool_calls": reply["tool_calls"],
        "finish_reason": str(reply["finish_reason"] or UNKNOWN),
    }


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
        parts += [_part(part) for part in content if isinstance(part, Mapping)]
    elif content:
        parts.append({"type": "text", "content": content})
    return parts + [_tool_call(call) for call in _tool_calls(message)]


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(part.get("text"), str):
        return {"type": "text", "content": part["text"]}
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, Mapping) else None
    if isinstance(url, str):
        media, comma, data = url.removeprefix("data:").partition(";base64,")
        if comma:
            return {"type": "blob", "mime_type": media, "modality": "image", "content": data}
        return {"type": "uri", "modality": "image", "uri": url}
    return {"type": "unknown", **part}


def _tool_calls(message: Message) -> list[Mapping[str, Any]]:
    """Return the calls of tools in a message, each with its function."""
    calls = message.get("tool_calls")
    items = calls if isinstance(calls, list) else []
    return [call for call in items if isinstance(call, Mapping) and isinstance(call.get("function"), Mapping)]


def _tool_call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call["function"]
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
    for index, call in enumerate(_tool_calls(message)):
        function = call["function"]
        start = f"{prefix}.tool_calls.{index}.tool_call"
        yield f"{start}.id", str(call.get("id"))
        yield f"{start}.function.name", str(function.get("name"))
        yield f"{start}.function.arguments", str(function.get("arguments"))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
