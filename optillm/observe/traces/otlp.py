"""A trace document as OTLP JSON, which OpenTelemetry's collectors and viewers read."""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final

from optillm.observe.traces.conventions import Attributes, Value
from optillm.observe.traces.spans import Document, Event, SpanData, spans

KINDS: Final = {"internal": 1, "server": 2, "client": 3}
FAILED: Final = 2
"""The status code of a span that ended in an error."""


def otlp(document: Document) -> dict[str, Any]:
    """Return a document's spans as an OTLP export request in JSON.

    They have content where the document has it. The ids follow from the document's, so that a trace that is imported
    twice is one trace.
    """
    request = _Request(document)
    resource = {"attributes": _attributes({"service.name": "optillm"})}
    scope = {
        "scope": {"name": "optillm"},
        "spans": [request.span(each) for each in range(len(request.spans))],
    }
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}


class _Request:
    """The spans of one request, with their ids and their times as dates."""

    def __init__(self, document: Document) -> None:
        self.spans = spans(document)
        self._name = str(document["id"])
        self._trace_id = sha256(self._name.encode()).hexdigest()[:32]
        self._began = round(document["created"] * 1e6) * 1000

    def span(self, index: int) -> dict[str, Any]:
        """Return one of the spans in its JSON form."""
        span = self.spans[index]
        encoded = {
            "traceId": self._trace_id,
            "spanId": self._span_id(index),
            "name": span.name,
            "kind": KINDS[span.kind],
            "startTimeUnixNano": self._date(span.start),
            "endTimeUnixNano": self._date(span.end),
            "attributes": _attributes(span.attributes),
            "events": [self._event(event) for event in span.events],
            "links": [{"traceId": self._trace_id, "spanId": self._span_id(each)} for each in span.after],
            "status": _status(span),
        }
        return encoded if span.parent is None else encoded | {"parentSpanId": self._span_id(span.parent)}

    def _event(self, event: Event) -> dict[str, Any]:
        at = self._date(event.at)
        return {"name": event.name, "timeUnixNano": at, "attributes": _attributes(event.attributes)}

    def _span_id(self, index: int) -> str:
        return sha256(f"{self._name}/{index}".encode()).hexdigest()[:16]

    def _date(self, seconds: float) -> str:
        # Added as integers: a float that holds both is a fraction of a microsecond off.
        return str(self._began + round(seconds * 1e9))


def _status(span: SpanData) -> dict[str, Any]:
    if not span.failed:
        return {}
    return {"code": FAILED, "message": span.error} if span.error else {"code": FAILED}


def _attributes(attributes: Attributes) -> list[dict[str, Any]]:
    return [{"key": name, "value": _value(value)} for name, value in attributes.items()]


def _value(value: Value) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}  # 64 bits: JSON's numbers may not hold them
        case float():
            return {"doubleValue": value}
        case list():
            return {"arrayValue": {"values": [_value(each) for each in value]}}
        case _:
            return {"stringValue": value}
