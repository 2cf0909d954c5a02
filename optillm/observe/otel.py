"""Traces for OpenTelemetry: one span per request, and per step and call below it.

Spans are made when the request has ended. The record already holds everything, so serving only pays for a place in
a queue; a thread makes the spans, of the same document that stored traces are, and the SDK's own thread sends them.
The `OTEL_*` variables say where to, how often and under which name, and whether spans hold the content of messages: by
default none does. Needs the extra `otel`.
"""

from __future__ import annotations

import atexit
import queue
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from optillm.config.sources import variable
from optillm.observe.record import Record
from optillm.observe.traces.conventions import PROVIDERS, Attributes
from optillm.observe.traces.document import document
from optillm.observe.traces.recording import Recording
from optillm.observe.traces.spans import Document, SpanData, spans

if TYPE_CHECKING:
    from optillm.config.settings import Settings

QUEUE_SIZE: Final = 1024
"""Records that may wait to become spans; further ones are dropped."""
FLUSH_TIMEOUT: Final = 10.0
"""Seconds that the end of the process waits for spans to be sent."""

CONTENT: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""The conventions' variable for the content of messages."""
CAPTURING: Final = ("true", "span_only", "span_and_event")
"""The values of that variable with which spans hold it."""
DEFAULT_PORTS: Final = {"https": 443}
KINDS: Final = {"internal": SpanKind.INTERNAL, "server": SpanKind.SERVER, "client": SpanKind.CLIENT}


class Spans:
    """Reports ended requests to a tracer provider; an observer.

    Every call has the attributes `common`. With `content`, spans hold what was asked and answered.
    """

    def __init__(self, provider: TracerProvider, common: Attributes, *, content: bool = False) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("optillm")
        self._common = common
        self.content = content
        self._records: queue.Queue[tuple[Record, float] | None] = queue.Queue(QUEUE_SIZE)
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    def __call__(self, record: Record) -> None:
        """Queue a request that has just ended."""
        trace = record.trace
        start = 0.0 if trace is None else trace.clock() - record.seconds
        if trace is not None:  # the clock has moved on since the end was noted
            start = min([start, *(call.start for call in trace.calls)])
        with suppress(queue.Full):
            self._records.put_nowait((record, start))

    def close(self) -> None:
        """Send what is queued, and stop."""
        with suppress(queue.Full):
            self._records.put(None, timeout=FLUSH_TIMEOUT)
            self._thread.join(FLUSH_TIMEOUT)
        self._provider.shutdown()

    def _run(self) -> None:
        for record, start in iter(self._records.get, None):
            self._emit(record, start)

    def _emit(self, record: Record, start: float) -> None:
        """Make the spans of a request that started at `start` of its trace's clock."""
        began = round(record.started * 1e9)

        def at(seconds: float) -> int:
            # Added to the date as integers: a float that holds both is a fraction of a microsecond off.
            return began + round(seconds * 1e9)

        parent = TraceContextTextMapPropagator().extract(record.headers, Context())
        described = spans(_document(record, start, content=self.content), content=self.content)
        made: list[Span] = []
        for each in described:
            inside = parent if each.parent is None else set_span_in_context(made[each.parent], Context())
            made.append(self._begin(each, inside, [made[earlier] for earlier in each.after], at))
        request, *parts = zip(made, described, strict=True)
        for span, each in (*parts, request):
            span.end(at(each.end))

    def _begin(
        self, data: SpanData, inside: Context, after: Iterable[Span], at: Callable[[float], int]
    ) -> Span:
        """Return a span that has all but its end; `at` turns its times into dates."""
        span = self._tracer.start_span(
            data.name,
            inside,
            KINDS[data.kind],
            attributes=self._attributes(data),
            links=[Link(earlier.get_span_context()) for earlier in after],
            start_time=at(data.start),
        )
        for event in data.events:
            span.add_event(event.name, event.attributes, at(event.at))
        if data.failed:
            span.set_status(Status(StatusCode.ERROR, data.error))
        return span

    def _attributes(self, span: SpanData) -> Attributes:
        """Return a span's attributes with those of all calls, which only correct a request's own."""
        common = {
            name: value
            for name, value in self._common.items()
            if span.kind == "client" or name in span.attributes
        }
        return span.attributes | common


def _document(record: Record, start: float, *, content: bool) -> Document:
    """Return the document of a request that started at `start` of its trace's clock.

    What is only passed on is not read here: such a request is one span.
    """
    recording = Recording(
        id="",  # it may be kept under another id, or not at all
        request_id=record.request_id,
        endpoint=record.endpoint,
        client=record.client,
        technique=record.technique,
        model=record.model,
        stream=record.stream,
        body=None,
        created=record.started,
        clock=lambda: start + record.seconds,
        started=start,
        trace=record.trace,
        record=record,
    )
    made = document(recording, content=content) | {"id": None}
    return made if record.trace is not None else made | {"calls": []}


def connect(settings: Settings, version: str) -> Spans:
    """Return an observer that sends spans as the `OTEL_*` variables say.

    It closes when the process ends.
    """
    resource = Resource.create({SERVICE_VERSION: version})
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):  # the SDK's placeholder
        resource = resource.merge(Resource({SERVICE_NAME: "optillm"}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    content = (variable(CONTENT) or "").lower() in CAPTURING
    observer = Spans(provider, upstream_attributes(settings), content=content)
    atexit.register(observer.close)
    return observer


def upstream_attributes(settings: Settings) -> Attributes:
    """Return what is the same for all calls.

    With several upstreams, each call has its own attributes.
    """
    upstream, *others = settings.upstreams()
    if others:
        return {}
    attributes: Attributes = {"gen_ai.provider.name": PROVIDERS.get(upstream.kind, upstream.kind)}
    url = urlsplit(upstream.base_url)
    if url.hostname:
        attributes["server.address"] = url.hostname
        attributes["server.port"] = url.port or DEFAULT_PORTS.get(url.scheme, 80)
    return attributes
