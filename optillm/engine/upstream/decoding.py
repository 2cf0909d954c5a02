"""Read the bytes of replies, whole or streamed, as JSON objects.

Of failures, nothing like a key is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from optillm.engine.upstream.errors import LARGEST_ERROR, Redact, failure, failure_in, read_error
from optillm.engine.upstream.replies import DONE, Assembly
from optillm.engine.upstream.split_characters import all_mended, read_cut
from optillm.engine.upstream.sse_events import BYTE_ORDER_MARK, ERROR, EventReader, ServerEvent
from optillm.errors import UpstreamError

BLANKS: Final = b" \t\r\n" + BYTE_ORDER_MARK
"""Bytes that may stand before a body of JSON."""


def is_json(content: bytes) -> bool:
    """Return whether a body that begins like this is meant to be JSON: no event begins so."""
    return content.lstrip(BLANKS).startswith((b"{", b"["))


def read_completion(content: bytes, redact: Redact) -> Mapping[str, Any]:
    """Return the completion in a body; one that comes as a stream is put together.

    Raises `UpstreamError`.
    """
    if is_json(content):
        return _safe(read_object(content), content, redact)
    reader, assembly = EventReader(), Assembly()
    events = [*reader.feed(content), *reader.close()]
    if not events:
        raise _unreadable()
    for event in events:
        for chunk in read_chunks(event, redact):
            assembly.add(chunk)
    return assembly.completion()


def read_chunks(event: ServerEvent, redact: Redact) -> list[Mapping[str, Any]]:
    """Return the chunks in an event of a stream, or `DONE`.

    There is one, but for servers that forget the blank line between two.
    """
    data = event.data.strip()
    if not data:
        return []
    if data == b"[DONE]":
        return [DONE]
    if event.name and event.name.lower() == ERROR:
        body = read_error(redact(data[:LARGEST_ERROR]))
        return [body if isinstance(body, Mapping) and body.get("error") else {"error": body or "error"}]
    try:
        chunk = orjson.loads(data)
    except orjson.JSONDecodeError:
        return _odd_chunks(event, data, redact)
    return _chunk(chunk, data, redact)


def _chunk(chunk: Any, data: bytes, redact: Redact) -> list[Mapping[str, Any]]:
    """What is no object or list says nothing: some servers send it to show that they live."""
    return [_safe(_unwrapped(chunk), data, redact)] if isinstance(chunk, dict | list) else []


def _odd_chunks(event: ServerEvent, data: bytes, redact: Redact) -> list[Mapping[str, Any]]:
    try:
        chunk = read_cut(data)
    except (ValueError, RecursionError) as error:
        if b"\n" in data:
            lines = [event._replace(data=line) for line in data.split(b"\n")]
            return [chunk for line in lines for chunk in read_chunks(line, redact)]
        if not event.ended or event.name not in ("", "message"):  # cut off, or a sign of life
            return []
        raise _unreadable() from error
    return _chunk(chunk, data, redact)


def read_object(content: bytes) -> Mapping[str, Any]:
    """The JSON object in a body, read as leniently as servers write; raises `UpstreamError`."""
    try:
        parsed = orjson.loads(content)
    except orjson.JSONDecodeError:
        try:
            parsed = all_mended(read_cut(content.lstrip(BLANKS)))
        except (ValueError, RecursionError) as error:
            raise _unreadable() from error
    return _unwrapped(parsed)


def _unwrapped(parsed: Any) -> Mapping[str, Any]:
    """An object, which may be the only item of a list."""
    if isinstance(parsed, list) and len(parsed) == 1:
        parsed = parsed[0]
    if not isinstance(parsed, dict):
        raise UpstreamError("the upstream's reply is not a JSON object", retryable=True)
    return parsed


def _safe(wire: Mapping[str, Any], content: bytes, redact: Redact) -> Mapping[str, Any]:
    """A completion or a chunk, read anew without keys when it holds a failure."""
    choices = wire.get("choices")
    if choices or wire.get("usage"):
        if b'"error"' not in content:  # no key of this name, as quotes inside a string are escaped
            return wire
        held = (wire, *(choices if isinstance(choices, list) else ()))
        if not any(isinstance(part, Mapping) and failure_in(part) for part in held):
            return wire
    if len(content) > LARGEST_ERROR:
        failed = failure_in(wire) or failure(wire)
        content = orjson.dumps({"error": {"message": failed.message, "code": failed.status}})
    return read_object(redact(content))


def _unreadable() -> UpstreamError:
    return UpstreamError("the upstream's reply is not JSON", retryable=True)
