"""Traces: which spans a request gives, whose children they are, and that they arrive."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from optillm.chat import Sender
from optillm.config.settings import Settings
from optillm.observe.record import Record
from tests.fakes import Sent, World, failing
from tests.observe.fakes import plain

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from optillm.observe.otel import CONTENT, Spans, connect, upstream_attributes

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def spans_of(*records: Record) -> Sequence[ReadableSpan]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    spans = Spans(provider, {"gen_ai.provider.name": "openai"})
    for record in records:
        spans(record)
    spans.close()
    return exporter.get_finished_spans()


@contextmanager
def noting(world: World) -> Iterator[list[ReadableSpan]]:
    """The spans of what the world does in the block, noted on its loop as the engine would."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    spans, found = Spans(provider, {"gen_ai.provider.name": "openai"}), list[ReadableSpan]()
    world.observers.append(spans)
    yield found
    spans.close()
    found += exporter.get_finished_spans()


def seconds(span: ReadableSpan) -> float:
    assert span.start_time is not None
    assert span.end_time is not None
    return (span.end_time - span.start_time) / 1e9


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def calls_of(spans: Sequence[ReadableSpan]) -> list[ReadableSpan]:
    """The spans of calls, without those of the request and its steps."""
    return [span for span in spans if span.kind is SpanKind.CLIENT]


def test_a_request_is_a_span_with_one_for_each_of_its_calls() -> None:
    world = World(lambda sent: "The answer is 4.")
    with noting(world) as spans:
        world.complete("moa-m", "a secret question")
    request, calls = spans[-1], calls_of(spans)
    assert len(calls) == len(world.sent) > 3
    assert request.kind is SpanKind.SERVER
    assert request.name == "chat m"
    assert request.parent is None
    assert seconds(request) == pytest.approx(world.seconds)
    assert attributes(request)["optillm.technique"] == "moa"
    assert attributes(request)["gen_ai.usage.output_tokens"] == 5 * len(world.sent)
    for call, sent in zip(calls, world.sent, strict=True):
        assert call.kind is SpanKind.CLIENT
        assert call.parent is not None
        assert call.parent.span_id == request.context.span_id
        assert call.context.trace_id == request.context.trace_id
        assert call.start_time is not None
        assert request.start_time is not None
        assert (call.start_time - request.start_time) / 1e9 == pytest.approx(sent.start, abs=1e-5)
        assert seconds(call) == pytest.approx(1.0)
        assert attributes(call)["gen_ai.request.model"] == "m"
        assert attributes(call)["gen_ai.provider.name"] == "openai"
        assert attributes(call)["gen_ai.usage.input_tokens"] == 10
    assert "secret" not in "".join(span.to_json() for span in spans)


def test_the_call_that_is_streamed_tells_its_tokens_too() -> None:
    world = World(lambda sent: f"The answer is {sent.number}.")
    with noting(world) as spans:
        world.events("moa-m")
    assert spans[-1].name == "chat m"
    assert calls_of(spans)
    assert all(attributes(call)["gen_ai.usage.output_tokens"] == 5 for call in calls_of(spans))


def test_a_call_links_to_those_it_had_to_wait_for() -> None:
    world = World(lambda sent: f"The answer is {sent.number}.")
    with noting(world) as spans:
        world.complete("moa-m")
    calls = {span.context.span_id: span for span in calls_of(spans)}
    waited = [call for call in calls.values() if call.links]
    assert waited
    for call in waited:
        assert call.start_time is not None
        for link in call.links:
            earlier = calls[link.context.span_id].end_time
            assert earlier is not None
            assert earlier <= call.start_time


def test_a_trace_of_the_client_is_continued() -> None:
    world = World(lambda sent: "The answer is 4.")
    with noting(world) as spans:
        world.complete("bon-m", sender=Sender(trace_context={"traceparent": PARENT}))
    parent = spans[-1].parent
    assert parent is not None
    assert f"{parent.trace_id:032x}-{parent.span_id:016x}" in PARENT
    assert {span.context.trace_id for span in spans} == {parent.trace_id}


def test_a_client_that_does_not_want_a_trace_gets_none() -> None:
    assert not spans_of(plain(headers={"traceparent": PARENT[:-1] + "0"}))


def test_failures_are_marked_where_they_happened() -> None:
    def script(sent: Sent) -> str:
        if sent.number == 0:
            raise failing(500)
        return "The answer is 4."

    world = World(script, retries=0)
    with noting(world) as spans:
        world.complete("bon-m")
    failed = [span for span in spans if span.status.status_code is StatusCode.ERROR]
    assert [attributes(span)["optillm.status"] for span in failed] == ["failed"]


def test_a_request_that_is_passed_on_is_one_span() -> None:
    (span,) = spans_of(plain(status=502, endpoint="/embeddings", usage=None))
    assert span.name == "embeddings m"
    assert span.status.status_code is StatusCode.ERROR
    assert attributes(span)["error.type"] == "502"
    assert span.start_time == 1_700_000_000 * 10**9
    assert seconds(span) == 1.5


# What is asked and answered


def contents(spans: Sequence[ReadableSpan]) -> str:
    return "".join(span.to_json() for span in spans)


@contextmanager
def capturing(world: World) -> Iterator[list[ReadableSpan]]:
    """As `noting`, where the operator wants messages in spans."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    observer, finished = Spans(provider, {}, content=True), list[ReadableSpan]()
    world.observers.append(observer)
    yield finished
    observer.close()
    finished += exporter.get_finished_spans()


def judged(sent: Sent) -> str:
    """Three answers, and judges that prefer the first one that they are shown."""
    return f"The answer is {sent.number}." if sent.number < 3 else '{"ranking": ["A", "B", "C"]}'


def test_with_the_operators_consent_calls_hold_their_messages() -> None:
    world = World(judged)
    with capturing(world) as spans:
        world.complete("bon-m", "an unlikely question")
    samples = [span for span in spans if attributes(span).get("optillm.role") == "generate"]
    assert len(samples) == 3
    for span in samples:
        (message,) = json.loads(attributes(span)["gen_ai.input.messages"])
        assert message == {"role": "user", "parts": [{"type": "text", "content": "an unlikely question"}]}
        assert "The answer is" in attributes(span)["gen_ai.output.messages"]
        assert attributes(span)["openinference.span.kind"] == "LLM"


def test_ballots_are_results_on_the_candidates_spans_and_hold_no_text() -> None:
    world = World(judged)
    with noting(world) as spans:
        world.complete("bon-m", "an unlikely question")
    events = [event for span in spans for event in span.events]
    assert {event.name for event in events} == {"gen_ai.evaluation.result"}
    assert len(events) == 9
    judging = next(span for span in spans if span.name == "judge")
    judges = [span for span in spans if attributes(span).get("optillm.role") == "judge"]
    assert {span.parent.span_id for span in judges if span.parent} == {judging.context.span_id}
    assert "unlikely" not in contents(spans)
    assert "The answer" not in contents(spans)


@pytest.mark.parametrize(
    ("value", "captured"),
    [
        (None, False),
        ("true", True),
        ("SPAN_ONLY", True),
        ("span_and_event", True),
        ("EVENT_ONLY", False),
        ("0", False),
    ],
)
def test_the_conventions_own_variable_gives_consent(
    value: str | None, captured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is not None:
        monkeypatch.setenv(CONTENT, value)
    monkeypatch.setattr("atexit.register", lambda _: None)
    observer = connect(Settings(base_url="http://127.0.0.1:9/v1"), "1")
    observer.close()
    assert observer.content is captured


def test_the_only_upstream_is_named_on_every_call() -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    common = upstream_attributes(Settings(base_url="https://llm.lan/v1"))
    assert common == {"gen_ai.provider.name": "openai", "server.address": "llm.lan", "server.port": 443}
    observer = Spans(provider, common)
    observer(plain())
    observer.close()
    (span,) = exporter.get_finished_spans()
    assert attributes(span)["gen_ai.provider.name"] == "openai"
    assert "server.address" not in attributes(span)  # of a server's span, this would be its own
