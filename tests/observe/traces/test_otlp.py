"""OTLP JSON of a stored trace: OpenTelemetry's own message types read it, and it says what the document says."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import pytest

from optillm.observe.traces.otlp import otlp
from tests.observe.traces.documents import QUESTION, bon, document, running

pytest.importorskip("opentelemetry.proto")

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

IDS = ("traceId", "spanId", "parentSpanId")


def request_of(exported: Mapping[str, Any]) -> ExportTraceServiceRequest:
    """The message that a receiver makes of the JSON, in which ids are hexadecimal where protobuf has base64."""

    def encoded(value: Any) -> Any:
        if isinstance(value, list):
            return [encoded(each) for each in value]
        if isinstance(value, dict):
            return {name: binary(each) if name in IDS else encoded(each) for name, each in value.items()}
        return value

    def binary(digits: str) -> str:
        return base64.b64encode(bytes.fromhex(digits)).decode()

    request = ExportTraceServiceRequest()
    ParseDict(
        encoded(json.loads(json.dumps(exported))), request
    )  # a field that OTLP does not have is an error
    return request


def spans_of(trace: Mapping[str, Any]) -> list[Span]:
    (resource,) = request_of(otlp(trace)).resource_spans
    (scope,) = resource.scope_spans
    return list(scope.spans)


def attributes(holder: Any) -> dict[str, Any]:
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value")
        for each in holder.attributes
    }


def test_a_request_is_a_span_with_its_steps_and_calls_below_it() -> None:
    request, step, *calls = spans_of(bon())
    assert (request.name, request.kind, request.parent_span_id) == ("chat gpt-4o-mini", 2, b"")
    assert (step.name, step.kind, step.parent_span_id) == ("judge", 1, request.span_id)
    assert [call.parent_span_id for call in calls] == [request.span_id] * 4 + [step.span_id] * 4
    assert {call.name for call in calls} == {"chat gpt-4o-mini"}
    assert {call.kind for call in calls} == {3}
    assert {len(span.trace_id) for span in (request, step, *calls)} == {16}
    assert len({span.span_id for span in (request, step, *calls)}) == 10


def test_times_are_dates_in_nanoseconds() -> None:
    request, _, first, *_ = spans_of(bon())
    assert request.start_time_unix_nano == 1_700_000_000_250_000_000
    assert request.end_time_unix_nano == request.start_time_unix_nano + 610_000_000
    assert first.end_time_unix_nano == first.start_time_unix_nano + 260_000_000


def test_a_call_links_to_those_it_had_to_wait_for() -> None:
    _, _, *calls = spans_of(bon())
    samples, judges = calls[:4], calls[4:]
    assert not any(call.links for call in samples)
    for judge in judges:
        assert [link.span_id for link in judge.links] == [call.span_id for call in samples]


def test_a_call_has_the_names_of_both_conventions() -> None:
    call = attributes(spans_of(bon())[2])
    assert call["gen_ai.operation.name"] == "chat"
    assert call["gen_ai.provider.name"] == "openai"
    assert call["gen_ai.request.model"] == call["llm.model_name"] == "gpt-4o-mini"
    assert call["gen_ai.usage.input_tokens"] == call["llm.token_count.prompt"] == 60
    assert call["gen_ai.usage.output_tokens"] == call["llm.token_count.completion"] == 40
    assert call["gen_ai.response.time_to_first_chunk"] == 0.108
    assert call["openinference.span.kind"] == "LLM"
    assert (call["optillm.role"], call["optillm.status"], call["optillm.round"]) == ("generate", "ok", 1)


def test_tokens_of_a_request_are_counted_by_its_calls_alone() -> None:
    request = attributes(spans_of(bon())[0])
    assert request["openinference.span.kind"] == "CHAIN"
    assert request["gen_ai.usage.input_tokens"] == 840
    assert not [name for name in request if name.startswith("llm.")]


def test_a_request_without_calls_is_a_models_call_itself() -> None:
    (span,) = spans_of(document(endpoint="/embeddings", calls=[]))
    assert span.name == "embeddings gpt-4o-mini"
    assert attributes(span)["openinference.span.kind"] == "EMBEDDING"
    assert attributes(span)["llm.token_count.prompt"] == 60


def test_content_goes_along_where_the_document_has_it() -> None:
    request, _, call, *_ = map(attributes, spans_of(bon()))
    assert (request["input.value"], request["output.value"]) == (QUESTION, "So the answer is 86.")
    assert json.loads(call["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": QUESTION}]}
    ]
    assert json.loads(call["gen_ai.output.messages"])[0]["finish_reason"] == "stop"
    assert call["llm.output_messages.0.message.content"] == "So the answer is 86."


def test_a_document_without_content_gives_spans_without_any() -> None:
    for span in spans_of(running()):
        names = set(attributes(span))
        assert not {"input.value", "output.value", "gen_ai.input.messages"} & names


def test_what_still_runs_ends_at_the_last_that_is_known_of_it() -> None:
    trace = running()
    trace["calls"].append({**bon()["calls"][0], "id": 1})
    request, waiting, _ = spans_of(trace)
    assert request.end_time_unix_nano == waiting.end_time_unix_nano
    assert waiting.end_time_unix_nano == request.start_time_unix_nano + 260_000_000


def test_ballots_are_results_on_the_calls_that_they_judge() -> None:
    _, _, *calls = spans_of(bon())
    results = [[attributes(event) for event in call.events] for call in calls]
    assert {event.name for call in calls for event in call.events} == {"gen_ai.evaluation.result"}
    first, second = results[0]
    assert (first["optillm.judge"], second["optillm.judge"]) == (4, 5)
    assert (first["gen_ai.evaluation.score.label"], first["gen_ai.evaluation.score.value"]) == ("rank 1", 1.0)
    assert [result["gen_ai.evaluation.score.value"] for result in results[3]] == [0.5, 0.25]
    assert results[2] == []  # shown to nobody
    (unread,) = results[6]
    assert (unread["error.type"], unread["optillm.counted"]) == ("unreadable", False)
    assert unread["gen_ai.evaluation.explanation"] == "no ranking in the reply"


def test_a_judge_that_nobody_waited_for_is_not_called_unreadable() -> None:
    trace = bon()
    trace["ballots"] = [{**trace["ballots"][2], "call": 7, "unread": "the call was ended"}]
    _, _, *calls = spans_of(trace)
    assert [attributes(event)["error.type"] for call in calls for event in call.events] == ["cancelled"]


def test_a_judges_own_scores_are_kept_as_they_are() -> None:
    trace = bon()
    trace["ballots"] = [
        {**trace["ballots"][0], "kind": "rating", "order": None, "scores": {"0": 7, "3": 2.5}}
    ]
    _, _, *calls = spans_of(trace)
    scores = [attributes(event)["gen_ai.evaluation.score.value"] for call in calls for event in call.events]
    assert scores == [7.0, 2.5]


@pytest.mark.parametrize(
    ("error", "kind"), [("503 busy", "503"), ("no connection", "_OTHER"), (None, "_OTHER")]
)
def test_failures_are_marked_where_they_happened(error: str | None, kind: str) -> None:
    trace = deepcopy(bon())
    trace["calls"][1] |= {"status": "failed", "error": error}
    _, _, *calls = spans_of(trace)
    assert [call.status.code for call in calls] == [0, 2, 0, 0, 0, 0, 0, 0]
    assert calls[1].status.message == (error or "")
    assert attributes(calls[1])["error.type"] == kind


def test_the_same_document_has_the_same_ids_and_another_one_others() -> None:
    assert otlp(bon()) == otlp(bon())
    ids = {spans_of(document(id=name))[0].trace_id for name in ("trace_a", "trace_b")}
    assert len(ids) == 2
