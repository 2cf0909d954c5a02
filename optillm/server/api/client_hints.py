"""What a client says of a request beside its body: its attempt, its patience, its purpose.

The prompts of Open WebUI and LibreChat are recognised by their frame, at the beginning of the last user message, so
that a user who writes about titles or tasks is not taken for a frontend.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Final

from werkzeug.datastructures import Headers

from optillm.chat import Message, Sender, content_text
from optillm.errors import InvalidRequest

BACKGROUND: Final = "x-optillm-background"
DEADLINE: Final = "x-optillm-timeout"
TRACES: Final = ("traceparent", "tracestate")
TASKS: Final = tuple(
    f"{task}_generation"
    for task in ("title", "tags", "follow_up", "query", "image_prompt", "emoji", "autocomplete")
)
"""Values of `metadata.task` in Open WebUI's own requests; `moa_response_generation` is a request of the user's."""
TINY_REPLY: Final = 16
"""Tokens in which no model can reason: replies this short are labels, checks and pings."""
BEGINNING: Final = 400
"""Characters of a message in which a frontend's prompt is recognised."""
SLACK: Final = 0.05
"""The share of a client's patience by which an answer comes before its end; half a second at least."""

_NUMBER: Final = re.compile(r"([0-9]+\.?|[0-9]*\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_TITLES: Final = (
    ("5-word-or-less title", "conversation"),
    ("detected language of the conversation", "concise title in the detected language"),
)


def sender(
    headers: Headers, content: bytes, body: Mapping[str, Any], called_off: Callable[[], bool]
) -> Sender:
    """Return what the headers and the shape of a request say about its sender."""
    credential = f"{headers.get('Authorization')}\0{headers.get('api-key')}"
    return Sender(
        client=sha256(credential.encode("latin-1", "replace")).hexdigest(),
        content=content,
        key=headers.get("Idempotency-Key") or None,
        attempt=_count(headers.get("x-stainless-retry-count")),
        patience=_patience(headers),
        background=headers.get(BACKGROUND) == "1" or in_background(body),
        called_off=called_off,
        fresh=any(word in headers.get("Cache-Control", "") for word in ("no-cache", "no-store")),
        trace_context={name: headers[name] for name in TRACES if headers.get(name)},
    )


def deadline(headers: Headers) -> float | None:
    """Return how many seconds a request may take according to its headers.

    Raises `InvalidRequest`.
    """
    sent = headers.get(DEADLINE)
    seconds = _number(sent)
    if sent is not None and seconds is None:
        raise InvalidRequest(f"{DEADLINE} must be a positive number of seconds", param=DEADLINE)
    return seconds


def in_background(body: Mapping[str, Any]) -> bool:
    """Return whether a chat frontend asks on its own behalf.

    That is for a title, tags, follow-ups or a completion.
    """
    metadata = body.get("metadata")
    if isinstance(metadata, Mapping) and metadata.get("task") in TASKS:
        return True
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    if limit is not None and limit <= TINY_REPLY:
        return True
    *earlier, last = body["messages"]
    if last["role"] != "user":
        return False
    text = content_text(last).lstrip()
    return _is_frontends_prompt(text) or (len(earlier) == 1 and _chooses_a_tool(earlier[0], text))


def _is_frontends_prompt(text: str) -> bool:
    if text.startswith("### Task:"):
        return "<chat_history>" in text and "</chat_history>" in text
    beginning = text[:BEGINNING].lower()
    return any(all(words in beginning for words in title) for title in _TITLES)


def _chooses_a_tool(system: Message, text: str) -> bool:
    """Return whether Open WebUI has a model choose a tool in plain text.

    The model is offered no tools then.
    """
    listed = system["role"] == "system" and content_text(system).startswith("Available Tools:")
    return listed and text.startswith(("Query:", "History:"))


def keep_alive_interval(sending: Sender, keep_alive: float) -> float:
    """Return after how many seconds of silence a stream shows a sign of life; 0: never."""
    return min(keep_alive, sending.patience / 2) if keep_alive and sending.patience else keep_alive


def _patience(headers: Headers) -> float | None:
    """Return how many seconds the client waits for a reply, less the slack.

    The OpenAI SDKs announce it.
    """
    for name in ("x-stainless-read-timeout", "x-stainless-timeout"):
        seconds = _number(headers.get(name))
        if seconds:
            return max(seconds / 2, seconds - max(0.5, SLACK * seconds))
    return None


def _number(text: str | None) -> float | None:
    """Return a positive decimal number, `None` for anything else.

    `float` would accept some of that.
    """
    if text is None or not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) and number > 0 else None


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 4 else None
