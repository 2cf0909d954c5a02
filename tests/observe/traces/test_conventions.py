"""The names of attributes: what each field of a request and of a call becomes."""

from __future__ import annotations

from typing import Any

import pytest

from optillm.observe.traces.conventions import (
    call_attributes,
    evaluation_attributes,
    parameters,
    request_attributes,
    span_name,
)
from tests.observe.traces.documents import ballot, call, document


def test_what_is_not_known_has_no_attribute() -> None:
    attributes = request_attributes(document(usage=None, cost=None, client=None, http_status=None))
    assert not {"gen_ai.usage.input_tokens", "optillm.cost", "optillm.client", "error.type"} & set(attributes)
    assert not any("first_chunk" in name for name in call_attributes(call(0), None))


def test_a_stream_says_so_and_others_say_nothing() -> None:
    assert request_attributes(document(stream=True))["gen_ai.request.stream"] is True
    assert "gen_ai.request.stream" not in request_attributes(document())


def test_cached_and_reasoning_tokens_are_parts_of_the_others() -> None:
    usage = {
        "prompt_tokens": 60,
        "completion_tokens": 40,
        "prompt_tokens_details": {"cached_tokens": 50},
        "completion_tokens_details": {"reasoning_tokens": 30},
    }
    attributes = request_attributes(document(usage=usage))
    assert attributes["gen_ai.usage.cache_read.input_tokens"] == 50
    assert attributes["gen_ai.usage.reasoning.output_tokens"] == 30


@pytest.mark.parametrize(("status", "kind"), [(503, "503"), (404, None), (499, None)])
def test_only_the_servers_errors_are_errors_of_a_request(status: int, kind: str | None) -> None:
    assert request_attributes(document(http_status=status)).get("error.type") == kind


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"temperature": 0.5, "seed": 7}, {"temperature": 0.5, "seed": 7}),
        ({"max_completion_tokens": 300}, {"max_tokens": 300}),
        ({"stop": "END"}, {"stop_sequences": ["END"]}),
        ({"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
        ({"n": 3}, {"choice.count": 3}),
        ({"n": 1, "stop": None, "seed": None}, {}),
    ],
)
def test_parameters_have_the_conventions_names(body: dict[str, Any], expected: dict[str, Any]) -> None:
    assert parameters(body) == {f"gen_ai.request.{name}": value for name, value in expected.items()}


@pytest.mark.parametrize(
    ("upstream", "provider"), [(None, "openai"), ("azure", "azure.ai.openai"), ("spare", "spare")]
)
def test_a_call_names_a_provider(upstream: str | None, provider: str) -> None:
    assert call_attributes(call(0, upstream=upstream), "judge")["gen_ai.provider.name"] == provider


def test_a_span_of_an_unknown_model_has_the_operations_name() -> None:
    assert span_name("chat", None) == "chat"


@pytest.mark.parametrize(
    ("order", "scores"),
    [
        ([[0], [1], [2]], [1.0, 0.5, 0.0]),
        ([[2], [0, 1]], [0.25, 0.25, 1.0]),
        ([[0, 1, 2]], [0.5, 0.5, 0.5]),
        ([[0]], [1.0, None, None]),
    ],
)
def test_a_rank_is_scored_by_the_share_of_others_below(
    order: list[list[int]], scores: list[float | None]
) -> None:
    ranking = ballot(4, [0, 1, 2], order=order)
    results = [evaluation_attributes(ranking, index) for index in range(3)]
    values = [result and result["gen_ai.evaluation.score.value"] for result in results]
    assert values == scores


def test_ties_share_a_rank_and_the_next_one_counts_them() -> None:
    ranking = ballot(4, [0, 1, 2], order=[[0, 1], [2]])
    labels = [
        (evaluation_attributes(ranking, index) or {})["gen_ai.evaluation.score.label"] for index in range(3)
    ]
    assert labels == ["rank 1", "rank 1", "rank 3"]
