"""Traces for OpenTelemetry: one span per request and one per upstream call, made when the request has ended.

What there is to tell is in the record already, so serving pays for nothing but a place in a queue; a thread of its
own makes the spans, and the SDK's sends them. Where to, how often and under which name say the `OTEL_*` variables.
No content of any message is in a span. Needs the extra `otel`.
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

WAITING: Final = 1024
"""Records that wait to become spans; more are dropped."""
PATIENCE: Final = 10.0  # seconds that the end of the process waits for what is still to be sent

OPERATIONS: Final = {
    "/chat/completions": "chat",
    "/completions": "text_completion",
    "/embeddings": "embeddings",
}
"""The conventions' names of what endpoints do; others go by their own."""
PROVIDERS: Final = {"azure": "azure.ai.openai"}


class Spans:
    """Tells a tracer provider of ended requests; an observer. `common` are attributes that every call has."""

    def __init__(self, provider: TracerProvider, common: dict[str, Any]) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("optillm")
        self._common = common
        self._records: queue.Queue[tuple[Record, float] | None] = queue.Queue(WAITING)
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    def __call__(self, record: Record) -> None:
        """Take note of a request that has just ended."""
        trace = record.trace
        began = 0.0 if trace is None else trace.clock() - record.seconds
        if trace is not None:  # the clock has gone on since the end was noted
            began = min([began, *(call.start for call in trace.calls)])
        with suppress(queue.Full):
            self._records.put_nowait((record, began))

    def close(self) -> None:
        """Send what there is, and stop."""
        with suppress(queue.Full):
            self._records.put(None, timeout=PATIENCE)
            self._thread.join(PATIENCE)
        self._provider.shutdown()

    def _run(self) -> None:
        for record, began in iter(self._records.get, None):
            self._tell(record, began)

    def _tell(self, record: Record, began: float) -> None:
        """Make the spans of a request that began at this time of its trace's clock."""

        def at(seconds: float) -> int:
            # Apart from the date: a float that holds both is a fraction of a microsecond off.
            return round(record.started * 1e9) + round((seconds - began) * 1e9)

        operation = OPERATIONS.get(record.endpoint, record.endpoint.strip("/"))
        request = self._tracer.start_span(
            f"{operation} {record.model}".rstrip(),
            TraceContextTextMapPropagator().extract(record.headers, Context()),
            SpanKind.SERVER,
            attributes=dict(_request_attributes(record, operation)),
            start_time=at(began),
        )
        if record.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            request.set_status(Status(StatusCode.ERROR))
        end = began + record.seconds
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
    """An observer that sends spans where the `OTEL_*` variables say; it is closed when the process ends."""
    resource = Resource.create({SERVICE_VERSION: version})
    if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):  # what the SDK makes up
        resource = resource.merge(Resource({SERVICE_NAME: "optillm"}))
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    spans = Spans(provider, _upstream_attributes(settings))
    atexit.register(spans.close)
    return spans


def _upstream_attributes(settings: Settings) -> dict[str, str]:
    """What is the same for all calls; with several upstreams a call's own attributes name the one it went to."""
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
