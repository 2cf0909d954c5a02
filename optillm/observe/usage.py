"""Read the usage of a reply that is only passed on off its bytes, as cheaply as possible."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import orjson

from optillm.chat import Usage

TAIL_SIZE: Final = 2**14
"""Bytes at the end of a long reply that are searched for its usage."""
EVENT_PREFIX: Final = b"data:"
USAGE_KEY: Final = b'"usage"'

_DECODER = json.JSONDecoder()


class Meter:
    """Counts a stream as it passes.

    `prompt_tokens` is an estimate for a stream that reports none.
    """

    def __init__(self, prompt_tokens: int) -> None:
        self._prompt_tokens = prompt_tokens
        self._events = 0
        self._tail = b""

    def take(self, part: bytes) -> None:
        """Count a part of the stream."""
        self._events += part.count(EVENT_PREFIX)
        # A long part alone makes the tail: joining it to the former one would copy both.
        self._tail = part[-TAIL_SIZE:] if len(part) >= TAIL_SIZE else (self._tail + part)[-TAIL_SIZE:]

    @property
    def usage(self) -> Usage | None:
        """Return the usage that the stream reports, else an estimate of one token per event."""
        for line in reversed(self._tail.split(b"\n")):
            if line.startswith(EVENT_PREFIX) and USAGE_KEY in line:
                reported = usage_in(line[len(EVENT_PREFIX) :])
                if reported is not None:
                    return reported
        if not self._events:  # a JSON reply that arrived in pieces
            return _usage_at_the_end(self._tail)
        # The first event of a stream holds the role, the last two its end.
        return Usage(self._prompt_tokens, max(0, self._events - 3), estimated=True)


def _usage_at_the_end(tail: bytes) -> Usage | None:
    """Return the last usage in a JSON reply of which only the end is left."""
    _, key, rest = tail.rpartition(USAGE_KEY)
    try:
        usage, _ = _DECODER.raw_decode(rest.decode(errors="replace").lstrip(" \t\r\n:"))
    except (ValueError, RecursionError):
        return None
    return Usage.read(_renamed(usage)) if key and isinstance(usage, Mapping) else None


def usage_in(content: bytes) -> Usage | None:
    """Return the usage that a JSON reply reports, whichever of OpenAI's endpoints it came from."""
    if USAGE_KEY not in content:
        return None
    try:
        reply = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(reply, Mapping):
        return None
    inner = reply.get("response")  # in the last event of a stream of `/v1/responses`
    usage = (inner if isinstance(inner, Mapping) else reply).get("usage")
    return Usage.read(_renamed(usage)) if isinstance(usage, Mapping) else None


def _renamed(usage: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the usage of `/v1/responses` under the names of chat completions."""
    if "input_tokens" not in usage:
        return usage
    return {
        "prompt_tokens": usage.get("input_tokens"),
        "completion_tokens": usage.get("output_tokens"),
        "prompt_tokens_details": usage.get("input_tokens_details"),
        "completion_tokens_details": usage.get("output_tokens_details"),
    }
