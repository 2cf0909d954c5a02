"""Traces for OpenTelemetry: one span per request and one per upstream call.

Spans are made when the request has ended. The record already holds everything, so serving only pays for a place in
a queue; a thread makes the spans, and the SDK's own thread sends them. The `OTEL_*` variables say where to, how
often and under which name. No span holds the content of a message. Needs the extra `otel`.
"""

from __future__ import annotations

import atexit
import queue
import threading
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from optillm.observe.record import Record
from optillm.trace import CallSpan

if TYPE_CHECKING:
    from optillm.config.settings import Settings

QUEUE_SIZE: Final = 1024
"""Records that may wait to become spans; further ones are dropped."""
FLUSH_TIMEOUT: Final = 10.0
"""Seconds that the end of the process waits for spans to be sent."""

OPERATIONS: Final = {
    "/chat/completions": "chat",
    "/completions": "text_completion",
    "/embeddings": "embeddings",
}
"""The conventions' names of endpoints' operations; other endpoints go by their own names."""
PROVIDERS: Final = {"azure": "azure.ai.openai"}


class Spans:
    """Reports ended requests to a tracer provider; an observer.

    Every call has the attributes `common`.
    """

    def __init__(self, provider: TracerProvider, common: dict[str, Any]) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("optillm")
        self._common = common
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

        def at(seconds: float) -> int:
            # Added to the date as integers: a float that holds both is a fraction of a microsecond off.
            return round(record.started * 1e9) + round((seconds - start) * 1e9)

        operation = OPERATIONS.get(record.endpoint, record.endpoint.strip("/"))
        request = self._tracer.start_span(
            f"{operation} {record.model}".rstrip(),
            TraceContextTextMapPropagator().extract(record.headers, Context()),
            SpanKind.SERVER,
            attributes=dict(_request_attributes(record, operation)),
            start_time=at(start),
        )
        if record.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            request.set_status(Status(StatusCode.ERROR))
        end = start + record.seconds
        if record.trace is not None:
            inside, spans = set_span_in_context(request, Context()), list[Span]()
            for call in record.trace.calls:
                after = [Link(spans[earlier].get_span_context()) for earlier in call.after]
                spans.append(self._call(call, inside, at(call.start), after))
                spans[-1].end(at(end if call.end is None else call.end))
        request.end(at(end))

    def _call(self, call: CallSpan, inside: Context, start: int, after: list[Link]) -> Span:
        attributes = {
            "gen_ai.operation.name": "chat",
            **self._common,
            **call.attributes,
            "optillm.role": call.name,
            "optillm.status": call.status,
        }
        if call.parent is not None:
            attributes["optillm.step"] = call.parent
        if call.status == "failed":
            attributes["error.type"] = "_OTHER"
        span = self._tracer.start_span(
            f"chat {call.attributes.get('gen_ai.request.model', '')}".rstrip(),
            inside,
            SpanKind.CLIENT,
            attributes=attributes,
            links=after,
            start_time=start,
        )
        if call.status == "failed":
            span.set_status(Status(StatusCode.ERROR))
        return span


def connect(settings: Settings, version: str) -> Spans:
    """Return an observer that sends spans as the `OTEL_*` variables say.

    It closes when the process ends.
    """
    resource = Resource.create({SERVICE_VERSION: version})
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):  # the SDK's placeholder
        resource = resource.merge(Resource({SERVICE_NAME: "optillm"}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    spans = Spans(provider, _upstream_attributes(settings))
    atexit.register(spans.close)
    return spans


def _upstream_attributes(settings: Settings) -> dict[str, str]:
    """Return what is the same for all calls.

    With several upstreams, each call has its own attributes.
    """
    upstream, *others = settings.upstreams()
    if others:
        return {}
    provider = {"gen_ai.provider.name": PROVIDERS.get(upstream.kind, upstream.kind)}
    host = urlsplit(upstream.base_url).hostname
    return provider | ({"server.address": host} if host else {})


def _request_attributes(record: Record, operation: str) -> Iterator[tuple[str, Any]]:
    yield "url.path", f"/v1{record.endpoint}"
    yield "http.response.status_code", record.status
    yield "gen_ai.operation.name", operation
    yield "gen_ai.request.model", record.model
    yield "gen_ai.request.stream", record.stream
    yield "optillm.request.id", record.request_id
    yield "optillm.technique", record.technique
    yield "optillm.rounds", record.rounds
    if record.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        yield "error.type", str(record.status)
    if record.usage is not None:
        yield "gen_ai.usage.input_tokens", record.usage.prompt_tokens
        yield "gen_ai.usage.output_tokens", record.usage.completion_tokens
    for name in ("stop", "cost", "client"):
        value = getattr(record, name)
        if value is not None:
            yield f"optillm.{name}", value
