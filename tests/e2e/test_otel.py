"""Traces of the real server, sent to a collector over OTLP."""

from __future__ import annotations

import gzip
import subprocess
import sys
from queue import Queue
from typing import Any

import httpx2
import pytest

from tests.e2e.proxy import ROOT, clean_environment, serving
from tests.stub import Call, Stub, completion

pytest.importorskip("opentelemetry.exporter.otlp.proto.http")

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PROMPT = "an unlikely prompt"
SERVER, CLIENT = 2, 3


class Collector:
    """Takes traces over HTTP."""

    def __init__(self) -> None:
        self.received: Queue[ExportTraceServiceRequest] = Queue()

    def respond(self, call: Call) -> None:
        assert call.path == "/v1/traces"
        packed = call.headers.get("content-encoding") == "gzip"
        body = gzip.decompress(call.body) if packed else call.body
        self.received.put(ExportTraceServiceRequest.FromString(body))
        call.raw(b"", content_type="application/x-protobuf")

    def spans(self) -> list[Any]:
        """All spans of the next batch."""
        received = self.received.get(timeout=30)
        assert PROMPT not in str(received)
        return [
            span
            for resource in received.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


def ask(base_url: str, **headers: str) -> None:
    body = {"model": "bon-m", "messages": [{"role": "user", "content": PROMPT}]}
    assert (
        httpx2.post(f"{base_url}/chat/completions", json=body, headers=headers, timeout=30).status_code == 200
    )


@pytest.mark.parametrize("workers", ["1", "2"])
def test_what_is_not_sent_yet_is_sent_when_the_server_ends(workers: str) -> None:
    collector = Collector()
    with (
        Stub(collector.respond) as otlp,
        Stub(lambda call: call.json(completion("The answer is 4."))) as upstream,
    ):
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": otlp.base_url.removesuffix("/v1"),
            "OTEL_BSP_SCHEDULE_DELAY": "3600000",  # nothing before the end
        }
        flags = ("--base-url", upstream.base_url, "--otel", "--workers", workers)
        with serving(*flags, environment=environment) as proxy:
            ask(proxy.base_url, traceparent=f"00-{TRACE}-{PARENT}-01")
            assert collector.received.empty()
        spans = collector.spans()
    (request,) = [span for span in spans if span.kind == SERVER]
    calls = [span for span in spans if span.kind == CLIENT]
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, PARENT)
    assert len(calls) == len(upstream.calls) == 3
    assert {call.parent_span_id for call in calls} == {request.span_id}
    assert all(request.start_time_unix_nano <= call.start_time_unix_nano for call in calls)
    assert all(call.end_time_unix_nano <= request.end_time_unix_nano for call in calls)


def test_without_the_extra_the_start_fails_with_what_to_install() -> None:
    hidden = "import sys; sys.modules['opentelemetry'] = None; from optillm.cli import main; main(['--otel'])"
    ended = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", hidden],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert (
        ended.stderr == "optillm: otel needs packages that are missing: pip install '.[otel]' in a checkout\n"
    )
