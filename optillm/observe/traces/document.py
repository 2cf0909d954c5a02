"""The trace document: what a recording says, as JSON. Version 1.

A document may be made while the request runs, and in another thread: what it reads only grows. Whatever may be missing
is `None`. Times are seconds since the request began.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import orjson

from optillm.chat import NONE, content_text
from optillm.observe.record import CLIENT_CLOSED
from optillm.observe.traces.ballots import ballots_of
from optillm.observe.traces.calls import Times, calls_of, decisions_of, steps_of
from optillm.observe.traces.explain import why
from optillm.observe.traces.recording import Recording
from optillm.observe.traces.relayed import relayed, relayed_text
from optillm.observe.traces.roster import LONGEST_ANSWER, Roster, shortened
from optillm.observe.traces.shapes import LEVELS, deeper
from optillm.observe.traces.trees import scores_of, trees_of
from optillm.trace import Trace

VERSION: Final = 1
LONGEST_QUESTION: Final = 500
"""Characters of the question in a document."""
SUMMARY_ANSWER: Final = 80
"""Characters of the answer in a summary."""
SUMMARY: Final = (
    *("id", "request_id", "created", "endpoint", "client", "technique", "model", "stream", "status"),
    *("http_status", "stop", "seconds", "rounds", "cost"),
)
"""What a summary takes from a document as it is."""


def document(recording: Recording, *, content: bool) -> dict[str, Any]:
    """Return the document of a request.

    Without `content`, it holds no text of the client or of a model.
    """
    head = _head(recording, content=content)  # first: a request that ends meanwhile is still shown as running
    body = client_body(recording) if content else None
    trace = recording.trace
    parts = (
        relayed(recording, body, content=content)
        if trace is None
        else _run(recording, trace, content=content)
    )
    whole = {
        "object": "optillm.trace",
        "version": VERSION,
        **head,
        "content": content,
        "request": {"body": body, "question": question_of(body)},
        **parts,
    }
    whole["outcome"]["why"] = why(whole)
    return whole


def summary(whole: Mapping[str, Any]) -> dict[str, Any]:
    """Return what lists show of a document."""
    chosen = [whole["candidates"][index] for index in whole["outcome"]["chosen"][:1]]
    answers = (chosen[0]["answer"], whole["outcome"]["text"]) if chosen else ()
    return _summary(whole, whole["request"]["question"], next(filter(None, answers), None))


def summary_of(recording: Recording, *, content: bool) -> dict[str, Any]:
    """Return the same for a recording, without making its document."""
    head = _head(recording, content=content)
    if not content:
        return _summary(head, None, None)
    return _summary(head, question_of(client_body(recording)), _answer_of(recording))


def _summary(head: Mapping[str, Any], question: str | None, answer: str | None) -> dict[str, Any]:
    usage = head["usage"]
    return {
        **{name: head[name] for name in SUMMARY},
        "calls": sum(head["call_counts"].values()),
        "total_tokens": None if usage is None else usage["total_tokens"],
        "question": question,
        "answer": shortened(" ".join(answer.split()), SUMMARY_ANSWER) if answer else None,
    }


def _answer_of(recording: Recording) -> str | None:
    if recording.trace is None:
        return relayed_text(recording) if status_of(recording) == "ok" else None
    for candidate in recording.returned[:1]:
        answer = candidate.answer
        return candidate.text if answer is None else shortened(answer.text, LONGEST_ANSWER)
    return None


def client_body(recording: Recording) -> dict[str, Any] | None:
    """Return the client's request as it can be sent again.

    It is `None` if it is no JSON object, or one that nests too deep to be written.
    """
    body = recording.body
    if isinstance(body, bytes):
        may_be_deep = body.count(b"[") + body.count(b"{") > LEVELS
        try:
            body = orjson.loads(body)
        except orjson.JSONDecodeError:
            return None
        if may_be_deep and deeper(body):
            return None
    return dict(body) if isinstance(body, Mapping) else None


def question_of(body: Mapping[str, Any] | None) -> str | None:
    """Return the beginning of the last user turn, or of the input of another endpoint."""
    if body is None:
        return None
    messages = body.get("messages")
    if isinstance(messages, Sequence) and not isinstance(messages, str):
        turns = [m for m in messages if isinstance(m, Mapping) and m.get("role") == "user"]
        return content_text(turns[-1])[:LONGEST_QUESTION] if turns else None
    text = body.get("input", body.get("prompt"))
    return text[:LONGEST_QUESTION] if isinstance(text, str) else None


def _head(recording: Recording, *, content: bool) -> dict[str, Any]:
    record = recording.record
    spent = _spent(recording)
    described = recording.described() if recording.described is not None else {}
    plain = record is not None and record.technique == NONE
    usage = spent.get("usage")
    seconds = record.seconds if record is not None else recording.clock() - recording.started
    return {
        "id": recording.id,
        "request_id": recording.request_id,
        "created": recording.created,
        "endpoint": recording.endpoint,
        "client": recording.client,
        "technique": NONE if plain else described.get("technique", recording.technique),
        "model": recording.model,
        "stream": recording.stream,
        "status": status_of(recording),
        "http_status": None if record is None else int(record.status),
        "stop": None if record is None else record.stop,
        "error": _error(recording, content=content),
        "seconds": round(seconds, 4),
        "rounds": spent.get("rounds", 0),
        "usage": None if usage is None else usage.wire(),
        "cost": spent.get("cost"),
        "call_counts": dict(spent.get("calls", {})),
        "losses": dict(spent.get("losses", {})),
        "options": {} if plain else described.get("options", {}),
        "requested_options": None if plain else described.get("requested_options"),
        "composition": None if plain else described.get("composition"),
    }


def _spent(recording: Recording) -> Mapping[str, Any]:
    """Return what the request has taken until now, or in all."""
    record = recording.record
    if record is None:
        return recording.spent() if recording.spent is not None else {}
    names = ("rounds", "usage", "cost", "calls", "losses")
    spent = {name: getattr(record, name) for name in names}
    if recording.trace is None:
        spent |= {"rounds": 1, "calls": {"generate": 1}}
    return spent


def status_of(recording: Recording) -> str:
    """Return what has become of a request."""
    record = recording.record
    if record is None:
        return "running"
    if record.status == CLIENT_CLOSED:
        return "cancelled"
    return "ok" if record.status < HTTPStatus.BAD_REQUEST else "failed"


def _error(recording: Recording, *, content: bool) -> str | None:
    record = recording.record
    if record is None or status_of(recording) != "failed":
        return None
    message = record.reason or (recording.error if content else None)
    return " ".join((message or f"status {int(record.status)}").split())


def _run(recording: Recording, trace: Trace, *, content: bool) -> dict[str, Any]:
    """Return the parts of a document that tell of a technique at work."""
    times = Times(recording.started)
    roster = Roster(trace, recording.returned)
    ballots = ballots_of(roster, content=content)
    groups = roster.groups(content=content)
    critical_path = trace.critical_path()
    calls = calls_of(trace, times, roster, critical_path, content=content)
    for ballot in ballots:
        ballot["step"] = calls[ballot["call"]]["step"]
    trees = trees_of(trace, roster, content=content)
    candidates = roster.wire(scores_of(trace, roster, trees), content=content)
    returned = roster.returned
    chosen = returned[: recording.choices]
    return {
        "calls": calls,
        "steps": steps_of(trace, times, content=content),
        "candidates": candidates,
        "groups": groups,
        "ballots": ballots,
        "trees": trees,
        "decisions": decisions_of(trace, times),
        "outcome": {
            "chosen": chosen,
            "runner_up": runner_up(candidates, groups, returned),
            "text": candidates[chosen[0]]["text"] if chosen else None,
            "why": [],
        },
        "critical_path": critical_path,
    }


def runner_up(
    candidates: Sequence[Mapping[str, Any]], groups: Sequence[Mapping[str, Any]], returned: Sequence[int]
) -> int | None:
    """Return the best candidate with another answer.

    It is the next one of those returned, else the one with the highest score; without scores, one of the largest group.
    """
    if not returned:
        return None
    won = candidates[returned[0]]["group"]
    for number in returned:
        if candidates[number]["group"] not in (won, None):
            return number
    others = [number for group in groups if group["id"] != won for number in group["candidates"]]
    return max(others, key=lambda number: candidates[number]["score"] or 0.0, default=None)
