"""The upstream calls and the steps of a trace document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from optillm.chat import THOUGHTS, Message, Reply
from optillm.observe.traces.roster import Roster
from optillm.observe.traces.shapes import deeper
from optillm.trace import CallSpan, Span, Trace

LONGEST_TEXT: Final = 2000
"""Characters of a text among a step's attributes."""


class Times:
    """Turns times of a trace's clock into seconds since the request began."""

    def __init__(self, started: float) -> None:
        self._started = started

    def of(self, moment: float | None) -> float | None:
        """Return the seconds, `None` for a moment that has not come."""
        return None if moment is None else round(max(0.0, moment - self._started), 4)


def calls_of(
    trace: Trace, times: Times, roster: Roster, critical_path: Sequence[int], *, content: bool
) -> list[dict[str, Any]]:
    """Return the calls of a trace in the order in which they began."""
    calls = list(trace.calls)
    steps = {id(step): number for number, step in enumerate(list(trace.spans))}
    critical, rounds = set(critical_path), dict[int, int]()
    for call in calls:
        rounds[call.id] = 1 + max((rounds[earlier] for earlier in call.after), default=0)
    return [
        {
            "id": call.id,
            "role": call.name,
            "step": steps.get(id(call.step)),
            "after": sorted(call.after),
            "round": rounds[call.id],
            "status": call.status,
            **_moments(call, times),
            **_origin(call),
            **_usage(call),
            "error": _error(call, content=content),
            **_content(call, content=content),
            "candidates": roster.of_call(call.id),
            "ballot": roster.ballots.get(call.id),
            "critical": call.id in critical,
        }
        for call in calls
    ]


def _moments(call: CallSpan, times: Times) -> dict[str, Any]:
    return {
        "start": times.of(call.start),
        "queued": call.attributes.get("optillm.queued"),
        "sent": times.of(call.sent),
        "first_token": times.of(call.first_piece),
        "end": times.of(call.end),
    }


def _origin(call: CallSpan) -> dict[str, Any]:
    attributes = dict(call.attributes)
    return {
        "model": attributes.get("gen_ai.request.model"),
        "upstream": attributes.get("gen_ai.provider.name"),
        "cached": attributes.get("cached", 0),
        "retries": attributes.get("optillm.retries", 0),
        "repetitions": attributes.get("optillm.repetitions", 0),
    }


def _usage(call: CallSpan) -> dict[str, Any]:
    usage = call.usage
    return {
        "input_tokens": None if usage is None else usage.prompt_tokens,
        "cached_tokens": None if usage is None else usage.cached_tokens,
        "output_tokens": None if usage is None else usage.completion_tokens,
        "cost": None if usage is None or call.price is None else round(call.price.of(usage), 8),
    }


def _error(call: CallSpan, *, content: bool) -> str | None:
    """Return the status of a failed call, and what it says: upstreams may quote a prompt."""
    if call.failure is None:
        return None
    status, message = call.failure
    return f"{int(status)} {' '.join(message.split())[:500]}" if content else str(int(status))


def _content(call: CallSpan, *, content: bool) -> dict[str, Any]:
    if not content:
        return {"prompt": None, "replies": None}
    prompt: Sequence[Message] | None = None
    if call.body is not None:
        prompt = call.body.get("messages")
    elif call.payload is not None:
        prompt = call.payload.conversation()
    return {
        "prompt": None if prompt is None else list(prompt),
        "replies": [reply_json(reply) for reply in call.replies] if call.replies else None,
    }


def reply_json(reply: Reply) -> dict[str, Any]:
    """Return a choice as a document shows it."""
    thoughts = next((reply.message[name] for name in THOUGHTS if reply.message.get(name)), None)
    actions = [dict(action) for action in reply.actions]
    return {
        "text": reply.text,
        "thoughts": thoughts if thoughts is None or isinstance(thoughts, str) else str(thoughts),
        "tool_calls": None if deeper(actions) else actions or None,
        "finish_reason": reply.finish_reason,
    }


def steps_of(trace: Trace, times: Times, *, content: bool) -> list[dict[str, Any]]:
    """Return the named steps of a trace in the order in which they began."""
    spans = list(trace.spans)
    steps = {id(step): number for number, step in enumerate(spans)}
    return [
        {
            "id": number,
            "name": span.name,
            "parent": None if span.step is None else steps.get(id(span.step)),
            "start": times.of(span.start),
            "end": times.of(span.end),
            "attributes": _short({**span.attributes, **(span.texts if content else {})}, content=content),
        }
        for number, span in enumerate(spans)
    ]


def _short(attributes: Mapping[str, Any], *, content: bool) -> dict[str, Any]:
    """Return the numbers among attributes, and the texts where content is shown."""
    short: dict[str, Any] = {}
    for name, value in attributes.items():
        if isinstance(value, int | float):
            short[name] = value
        elif isinstance(value, dict) and all(isinstance(number, int) for number in value):
            short[name] = {str(number): round(each, 4) for number, each in value.items()}
        elif isinstance(value, str) and content:
            short[name] = value[:LONGEST_TEXT]
        elif isinstance(value, list) and content:
            short[name] = [text[:LONGEST_TEXT] for text in value if isinstance(text, str)]
    return short


def decisions_of(trace: Trace, times: Times) -> list[dict[str, Any]]:
    """Return what was decided on the way, in order."""
    steps: dict[int, int] = {id(step): number for number, step in enumerate(list(trace.spans))}
    return [
        {
            "at": times.of(decision.at),
            "step": None if decision.step is None else steps.get(id(decision.step)),
            "kind": decision.kind,
            "text": decision.text.format_map(decision.data) if decision.data else decision.text,
            "data": dict(decision.data),
        }
        for decision in list(trace.decisions)
    ]


def step_of(span: Span, trace: Trace) -> int | None:
    """Return the number of a step among those of its trace."""
    return next((number for number, other in enumerate(list(trace.spans)) if other is span), None)
