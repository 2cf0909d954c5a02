"""The trace document of a request that was only passed on: one call, and what came back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from optillm.chat import CHAT, THOUGHTS
from optillm.observe.record import CLIENT_CLOSED
from optillm.observe.traces.calls import Times
from optillm.observe.traces.recording import Recording
from optillm.observe.traces.shapes import deeper, list_of


def relayed(recording: Recording, body: Mapping[str, Any] | None, *, content: bool) -> dict[str, Any]:
    """Return the parts of a document that tell of a reply that was passed on."""
    replies = list(_replies(recording))
    complete = recording.record is not None and recording.record.status < 400
    candidates = [
        {
            "index": index,
            "call": 0,
            "choice": index,
            "answer": None,
            "group": None,
            "complete": complete and reply["finish_reason"] != "length",
            "origin": "answer",
            "text": reply["text"] if content else None,
            "score": None,
        }
        for index, reply in enumerate(replies)
    ]
    return {
        "calls": [_call(recording, body, replies, content=content)],
        "steps": [],
        "groups": [],
        "ballots": [],
        "trees": [],
        "decisions": [],
        "candidates": candidates,
        "outcome": {
            "chosen": [candidate["index"] for candidate in candidates] if complete else [],
            "runner_up": None,
            "text": candidates[0]["text"] if candidates and complete else None,
            "why": [],
        },
        "critical_path": [0],
    }


def relayed_text(recording: Recording) -> str | None:
    """Return the text of the first choice, `None` if it is not known."""
    return next((reply["text"] for reply in _replies(recording)), None)


def _call(
    recording: Recording, body: Mapping[str, Any] | None, replies: list[dict[str, Any]], *, content: bool
) -> dict[str, Any]:
    record, passed = recording.record, recording.passed
    usage = None if record is None else record.usage
    end = None if record is None else round(record.seconds, 4)
    streamed = recording.stream and passed is not None
    return {
        "id": 0,
        "role": "generate",
        "step": None,
        "after": [],
        "round": 1,
        "status": _status(recording),
        "start": 0.0,
        "queued": None,
        "sent": 0.0,
        "first_token": Times(recording.started).of(passed.first_at) if streamed and passed else None,
        "end": end,
        "model": recording.model,
        "upstream": None,
        "retries": 0,
        "repetitions": 0,
        "cached": int(passed is not None and passed.cached),
        "input_tokens": None if usage is None else usage.prompt_tokens,
        "cached_tokens": None if usage is None else usage.cached_tokens,
        "output_tokens": None if usage is None else usage.completion_tokens,
        "cost": None if record is None else record.cost,
        "error": None if record is None or record.status < 400 else str(int(record.status)),
        "prompt": body.get("messages") if body is not None and content else None,
        "replies": replies if content and replies else None,
        "candidates": [index for index, _ in enumerate(replies)],
        "ballot": None,
        "critical": True,
    }


def _status(recording: Recording) -> str:
    if recording.record is None:
        return "running"
    if recording.record.status == CLIENT_CLOSED:
        return "cancelled"
    return "ok" if recording.record.status < 400 else "failed"


def _replies(recording: Recording) -> Iterator[dict[str, Any]]:
    """Yield the choices of a chat completion, whole or put together of the chunks that came."""
    passed = recording.passed
    content = None if passed is None or recording.endpoint != CHAT else passed.whole
    if not content:
        return
    choices: dict[int, dict[str, Any]] = {}
    for piece in _objects(content):
        for choice in list_of(piece.get("choices")):
            if isinstance(choice, Mapping):
                _add(choices, choice)
    for _, choice in sorted(choices.items()):
        yield {
            "text": "".join(choice["text"]),
            "thoughts": "".join(choice["thoughts"]) or None,
            "tool_calls": None if deeper(choice["tool_calls"]) else choice["tool_calls"] or None,
            "finish_reason": choice["finish_reason"],
        }


def _objects(content: bytes) -> Iterator[Mapping[str, Any]]:
    lines = content.split(b"\n") if content.lstrip()[:1] != b"{" else [b"data:" + content]
    for line in lines:
        if not line.startswith(b"data:"):
            continue
        try:
            value = orjson.loads(line[len(b"data:") :])
        except orjson.JSONDecodeError:  # [DONE], or a chunk of which only a part has come
            continue
        if isinstance(value, Mapping):
            yield value


def _add(choices: dict[int, dict[str, Any]], choice: Mapping[str, Any]) -> None:
    index = choice.get("index")
    kept = choices.setdefault(
        index if isinstance(index, int) else 0,
        {"text": [], "thoughts": [], "tool_calls": [], "finish_reason": None},
    )
    message = choice.get("message") or choice.get("delta") or {}
    if isinstance(message, Mapping):
        if isinstance(message.get("content"), str):
            kept["text"].append(message["content"])
        kept["thoughts"] += [message[name] for name in THOUGHTS if isinstance(message.get(name), str)][:1]
        kept["tool_calls"] += list_of(message.get("tool_calls"))
    if isinstance(choice.get("finish_reason"), str):
        kept["finish_reason"] = choice["finish_reason"]
