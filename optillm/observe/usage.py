"""What a reply that is only passed on has taken: read off its bytes as they pass, as cheaply as that can be done."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import orjson

from optillm.chat import Usage

TAIL: Final = 2**14
"""Bytes at the end of a long reply in which its usage is looked for."""
EVENT: Final = b"data:"
NAMED: Final = b'"usage"'

_DECODER = json.JSONDecoder()


class Meter:
    """Counts a stream as it passes; `prompt_tokens` is an estimate for a stream that does not say."""

    def __init__(self, prompt_tokens: int) -> None:
        self._prompt_tokens = prompt_tokens
        self._events = 0
        self._tail = b""

    def take(self, part: bytes) -> None:
        """See a part of the stream."""
        self._events += part.count(EVENT)
        self._tail = part[-TAIL:] if len(part) >= TAIL else (self._tail + part)[-TAIL:]

    @property
    def usage(self) -> Usage | None:
        """What the stream says of its tokens, else one for each of its events, marked as estimated."""
        for line in reversed(self._tail.split(b"\n")):
            if line.startswith(EVENT) and NAMED in line:
                reported = usage_in(line[len(EVENT) :])
                if reported is not None:
                    return reported
        if not self._events:  # no stream of events, but a reply too long for one piece
            return _usage_at_the_end(self._tail)
        # The first event of a stream holds the role, the last two its end.
        return Usage(self._prompt_tokens, max(0, self._events - 3), estimated=True)


def _usage_at_the_end(tail: bytes) -> Usage | None:
    """The last usage of a JSON reply of which only the end is there."""
    _, named, rest = tail.rpartition(NAMED)
    try:
        usage, _ = _DECODER.raw_decode(rest.decode(errors="replace").lstrip(" \t\r\n:"))
    except (ValueError, RecursionError):
        return None
    return Usage.read(_renamed(usage)) if named and isinstance(usage, Mapping) else None


def usage_in(content: bytes) -> Usage | None:
    """The usage a JSON reply reports, whichever of OpenAI's endpoints it came from."""
    if NAMED not in content:
        return None
    try:
        reply = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(reply, Mapping):
        return None
    inner = reply.get("response")  # the last event of a streamed response
    usage = (inner if isinstance(inner, Mapping) else reply).get("usage")
    return Usage.read(_renamed(usage)) if isinstance(usage, Mapping) else None


def _renamed(usage: Mapping[str, Any]) -> Mapping[str, Any]:
    """The usage of `/v1/responses` in the words of chat completions."""
    if "input_tokens" not in usage:
        return usage
    return {
        "prompt_tokens": usage.get("input_tokens"),
        "completion_tokens": usage.get("output_tokens"),
        "prompt_tokens_details": usage.get("input_tokens_details"),
        "completion_tokens_details": usage.get("output_tokens_details"),
    }
