"""The spans of a trace document: the request, its steps, and its calls with their results."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from optillm.observe.traces.conventions import (
    EVALUATION,
    SERVER_ERROR,
    Attributes,
    call_attributes,
    evaluation_attributes,
    operation,
    parameters,
    request_attributes,
    span_name,
)
from optillm.observe.traces.messages import prompt_attributes, reply_attributes, shown

Document = Mapping[str, Any]
Kind = Literal["internal", "server", "client"]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a span, `at` so many seconds after the request began."""

    name: str
    at: float
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class SpanData:
    """One span; times are in seconds since the request began.

    `parent` and `after` are places in the list of spans: that of which it is a part, and those it had to wait for.
    """

    name: str
    kind: Kind
    start: float
    end: float
    attributes: Attributes
    parent: int | None = None
    after: Sequence[int] = ()
    events: Sequence[Event] = ()
    failed: bool = False
    error: str | None = None


def spans(document: Document, *, content: bool = True) -> list[SpanData]:
    """Return a request's spans; parents and what a span waited for come before it.

    `content` says whether the texts that the document holds become attributes.
    """
    steps, calls = document["steps"], document["calls"]
    first_call = 1 + len(steps)
    events = _evaluations(document)
    return [
        _request(document, content),
        *(_step(step, document) for step in steps),
        *(
            _call(call, document, [first_call + each for each in call["after"]], events[call["id"]], content)
            for call in calls
        ),
    ]


def _request(document: Document, content: bool) -> SpanData:
    attributes = request_attributes(document)
    if content:
        request, text = document["request"], document["outcome"]["text"]
        attributes |= parameters(request["body"] or {})
        if request["question"] is not None:
            attributes |= shown("input", request["question"])
        if text is not None:
            attributes |= shown("output", text)
    name = span_name(operation(document["endpoint"]), document["model"])
    failed = (document["http_status"] or 0) >= SERVER_ERROR
    error = document["error"] if content else None
    return SpanData(name, "server", 0.0, _end(document), attributes, failed=failed, error=error)


def _step(step: Mapping[str, Any], document: Document) -> SpanData:
    values = {
        f"optillm.{name}": value
        for name, value in step["attributes"].items()
        if isinstance(value, str | bool | int | float)
    }
    attributes: Attributes = {"openinference.span.kind": "CHAIN", "optillm.step": step["name"], **values}
    parent = 0 if step["parent"] is None else 1 + step["parent"]
    end = _end(document) if step["end"] is None else step["end"]
    return SpanData(step["name"], "internal", step["start"], end, attributes, parent)


def _call(
    call: Mapping[str, Any], document: Document, after: Sequence[int], events: Sequence[Event], content: bool
) -> SpanData:
    step = None if call["step"] is None else document["steps"][call["step"]]["name"]
    attributes = call_attributes(call, step)
    if content and call["prompt"] is not None:
        attributes |= prompt_attributes(call["prompt"])
    if content and call["replies"] is not None:
        attributes |= reply_attributes(call["replies"])
    return SpanData(
        span_name("chat", call["model"]),
        "client",
        call["start"],
        _end(document) if call["end"] is None else call["end"],
        attributes,
        parent=0 if call["step"] is None else 1 + call["step"],
        after=after,
        events=events,
        failed=call["status"] == "failed",
        error=call["error"] if content else None,
    )


def _evaluations(document: Document) -> Mapping[int, list[Event]]:
    """Return by call what ballots say of its candidates, or that its own ballot says nothing."""
    events: defaultdict[int, list[Event]] = defaultdict(list)
    for ballot in document["ballots"]:
        judge = document["calls"][ballot["call"]]
        at = judge["start"] if judge["end"] is None else judge["end"]
        for call, attributes in _results(ballot, judge["status"], document["candidates"]):
            events[call].append(Event(EVALUATION, at, attributes))
    return events


def _results(
    ballot: Mapping[str, Any], status: str, candidates: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[int, Attributes]]:
    judged: Attributes = {"optillm.judge": ballot["call"], "optillm.counted": bool(ballot["counted"])}
    if ballot["unread"] is not None:
        fault = "cancelled" if status == "cancelled" else "unreadable"
        unread = {"gen_ai.evaluation.name": ballot["kind"], "error.type": fault}
        yield ballot["call"], {**unread, "gen_ai.evaluation.explanation": ballot["unread"], **judged}
        return
    for index in ballot["shown"]:
        result, call = evaluation_attributes(ballot, index), candidates[index]["call"]
        if result is not None and call is not None:
            yield call, {**result, "optillm.candidate": index, **judged}


def _end(document: Document) -> float:
    """Return when the request ended; of one that runs, the last that is known of it."""
    times = [each[name] for each in document["calls"] for name in ("start", "end") if each[name] is not None]
    return float(max([document["seconds"] or 0.0, *times]))
