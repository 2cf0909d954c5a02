"""Traces in a real viewer: Arize Phoenix takes them, live and exported, and shows what they say.

`PHOENIX=/path/to/phoenix` names its program; without it, these tests are skipped.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx2
import pytest

from optillm.observe.traces.otlp import otlp
from tests.e2e.proxy import clean_environment, serving
from tests.observe.traces.documents import QUESTION, bon
from tests.observe.traces.test_otlp import request_of
from tests.real.server import eventually
from tests.stub import Stub, completion

PROGRAM = os.environ.get("PHOENIX")
STARTED = 300.0
"""Seconds that Phoenix gets to start: alone 5, on a machine that is busy with something else many more."""
QUERY = "{projects{edges{node{name tokenCountTotal spans(first:50){edges{node{parentId cumulativeTokenCountTotal}}}}}}}"

pytestmark = [
    pytest.mark.skipif(PROGRAM is None, reason="PHOENIX does not name the program of Arize Phoenix"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def phoenix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Phoenix that was empty."""
    assert PROGRAM is not None
    port, folder = free_port(), tmp_path_factory.mktemp("phoenix")
    environment = clean_environment() | {
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(free_port()),
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
    }
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(  # noqa: S603 - the operator named it
            [PROGRAM, "serve"], env=environment, stdout=log, stderr=log
        )
        try:
            assert eventually(lambda: answers(url), STARTED), (folder / "log").read_text()
            yield url
        finally:
            process.terminate()
            process.wait(timeout=30)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/healthz", timeout=5).is_success
    except httpx2.TransportError:
        return False


def spans_when(
    url: str, project: str, complete: Callable[[list[dict[str, Any]]], bool]
) -> list[dict[str, Any]]:
    """All spans of a project of Phoenix, as its API returns them, once they are complete."""
    spans: list[dict[str, Any]] = []

    def arrived() -> bool:
        reply = httpx2.get(f"{url}/v1/projects/{project}/spans", params={"limit": 100}, timeout=30)
        spans[:] = reply.json()["data"] if reply.is_success else []
        return complete(spans)

    assert eventually(arrived, 60, 0.2), spans
    return spans


def request_and_parts(spans: list[dict[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    (request,) = [span for span in spans if span["parent_id"] is None]
    return request, [span for span in spans if span["parent_id"] is not None]


def test_an_exported_trace_is_shown_with_its_messages_tokens_and_results(phoenix: str) -> None:
    message = request_of(otlp(bon())).SerializeToString()  # Phoenix takes OTLP as protobuf only
    kind = {"content-type": "application/x-protobuf"}
    assert httpx2.post(f"{phoenix}/v1/traces", content=message, headers=kind, timeout=30).is_success
    request, parts = request_and_parts(spans_when(phoenix, "default", lambda spans: len(spans) == 10))
    assert (request["span_kind"], request["attributes"]["input.value"]) == ("CHAIN", QUESTION)
    assert request["attributes"]["output.value"] == "So the answer is 86."
    assert sorted(span["span_kind"] for span in parts) == ["CHAIN"] + ["LLM"] * 8
    first = next(span for span in parts if span["attributes"].get("output.value") == "So the answer is 103.")
    assert first["attributes"]["llm.input_messages.0.message.content"] == QUESTION
    assert [event["attributes"]["gen_ai.evaluation.score.value"] for event in first["events"]] == [0.5, 0.25]
    calls = bon()["calls"]
    tokens = sum(call["input_tokens"] + (call["output_tokens"] or 0) for call in calls)
    assert totals(phoenix) == (tokens, tokens)


def totals(url: str) -> tuple[int, int]:
    """The tokens that Phoenix counts in all, and below the request's span: no token twice."""
    reply: Mapping[str, Any] = httpx2.post(f"{url}/graphql", json={"query": QUERY}, timeout=30).json()
    projects = {edge["node"]["name"]: edge["node"] for edge in reply["data"]["projects"]["edges"]}
    project = projects["default"]
    (root,) = [edge["node"] for edge in project["spans"]["edges"] if edge["node"]["parentId"] is None]
    return project["tokenCountTotal"], root["cumulativeTokenCountTotal"]


def test_live_traces_of_a_server_are_shown(phoenix: str) -> None:
    texts = iter(["The answer is 1.", "The answer is 2.", "The answer is 3."])
    ranking = '{"ranking": ["A", "B", "C"]}'
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": phoenix,
        "OTEL_RESOURCE_ATTRIBUTES": "openinference.project.name=live",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
    }
    body = {"model": "bon-m", "messages": [{"role": "user", "content": "an unlikely question"}]}
    with (
        Stub(lambda call: call.json(completion(next(texts, ranking)))) as upstream,
        serving("--base-url", upstream.base_url, "--otel", environment=environment) as proxy,
    ):
        assert httpx2.post(f"{proxy.base_url}/chat/completions", json=body, timeout=30).is_success
        made = len(upstream.calls)
        spans = spans_when(phoenix, "live", lambda spans: len(spans) > made)
    request, parts = request_and_parts(spans)
    assert request["attributes"]["optillm.technique"].startswith("bon")
    calls = [span for span in parts if span["span_kind"] == "LLM"]
    assert len(calls) == made
    samples = [span for span in calls if span["attributes"]["optillm.role"] == "generate"]
    assert {span["attributes"]["llm.input_messages.0.message.content"] for span in samples} == {
        "an unlikely question"
    }
    assert any(span["events"] for span in samples)
