"""Metrics: what a request adds, and that clients cannot make them grow."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from optillm.chat import Usage
from optillm.errors import UpstreamError
from optillm.observe import folder
from optillm.observe.metrics import MAX_LABEL_LENGTH, MAX_MODELS, MAX_PAIRS, OTHER, Metrics, endpoint_of
from tests.fakes import World, failing
from tests.observe.fakes import plain, record


def samples(metrics: Metrics, name: str) -> dict[tuple[str, ...], float]:
    """The samples of a name by the values of their labels, those in the order of their names."""
    text = metrics.exposition("")[0].decode()
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def test_a_request_of_a_technique_is_counted_with_all_it_took() -> None:
    metrics = Metrics(["bon"], "m")
    metrics(record(usage=Usage(30, 15, 5, 20), cost=0.25, losses={"failed": 1}, client="ann"))
    assert samples(metrics, "optillm_requests_total") == {("/chat/completions", "m", "200", "bon"): 1}
    assert samples(metrics, "optillm_request_seconds_sum") == {("m", "bon"): 1.5}
    assert samples(metrics, "optillm_rounds_sum") == {("bon",): 2}
    assert samples(metrics, "optillm_calls_total") == {("m", "generate", "bon"): 3, ("m", "judge", "bon"): 2}
    assert samples(metrics, "optillm_tokens_total") == {
        ("m", "bon", "prompt"): 30,
        ("m", "bon", "completion"): 15,
        ("m", "bon", "reasoning"): 5,
        ("m", "bon", "cached"): 20,
    }
    assert samples(metrics, "optillm_cost_dollars_total") == {("m", "bon"): 0.25}
    assert samples(metrics, "optillm_losses_total") == {("failed", "m", "bon"): 1}
    assert samples(metrics, "optillm_stops_total") == {("complete", "bon"): 1}
    assert samples(metrics, "optillm_client_requests_total") == {("ann",): 1}
    assert samples(metrics, "optillm_client_tokens_total") == {("ann",): 45}
    assert samples(metrics, "optillm_client_cost_dollars_total") == {("ann",): 0.25}


def test_a_request_that_is_passed_on_has_no_rounds_and_no_calls_of_its_own() -> None:
    metrics = Metrics(["bon"], "m")
    metrics(plain(usage=None))
    assert samples(metrics, "optillm_requests_total") == {("/chat/completions", "m", "200", "none"): 1}
    assert samples(metrics, "optillm_rounds_count") == {}
    assert samples(metrics, "optillm_calls_total") == {}


def test_the_calls_of_a_technique_are_timed_by_model_and_role() -> None:
    metrics, world = Metrics(["moa"], "m"), World(lambda sent: "The answer is 4.")
    world.complete("moa-m")
    metrics(world.records[0])
    assert samples(metrics, "optillm_upstream_call_seconds_sum") == {
        ("m", "generate"): 3.0,
        ("m", "judge"): 0.0,
    } or (sum(samples(metrics, "optillm_upstream_call_seconds_sum").values()) == len(world.sent))


def test_models_and_expressions_that_only_failed_share_a_label() -> None:
    metrics = Metrics(["bon"], "m")
    for number in range(1000):
        metrics(plain(model=f"invented-{number}", status=404))
        metrics(record(model=f"invented-{number}", technique=f"bon&bon{number}", status=404))
    requests = samples(metrics, "optillm_requests_total")
    assert requests == {
        ("/chat/completions", OTHER, "404", "none"): 1000,
        ("/chat/completions", OTHER, "404", OTHER): 1000,
    }


def test_an_upstream_that_takes_any_name_does_not_make_the_metrics_grow() -> None:
    metrics = Metrics(["bon"], "m")
    for number in range(MAX_PAIRS + 50):
        metrics(plain(model=f"invented-{number}"))
    metrics(record())
    requests = samples(metrics, "optillm_requests_total")
    assert len(requests) == MAX_PAIRS + 2
    assert requests["/chat/completions", OTHER, "200", "none"] == 50
    assert requests["/chat/completions", "m", "200", "bon"] == 1  # the operator's own are always there


def test_a_label_is_not_as_long_as_a_client_likes() -> None:
    metrics = Metrics(["bon"], "m")
    metrics(plain(model="x" * (MAX_LABEL_LENGTH + 1)))
    assert samples(metrics, "optillm_requests_total") == {("/chat/completions", OTHER, "200", "none"): 1}


def test_models_of_calls_are_bounded_too() -> None:
    metrics = Metrics(["bon"], "m")
    for number in range(MAX_MODELS + 5):
        world = World(lambda sent: "The answer is 4.")
        world.complete(f"bon-invented-{number}")
        metrics(world.records[0])
    models = {model for model, _ in samples(metrics, "optillm_upstream_call_seconds_count")}
    assert len(models) == MAX_MODELS + 1
    assert OTHER in models


def test_a_technique_that_fails_counts_its_losses() -> None:
    def script(sent: object) -> str:
        raise failing(500)

    metrics, world = Metrics(["bon"], "m"), World(script, retries=0)
    with pytest.raises(UpstreamError):
        world.complete("bon-m")
    metrics(world.records[0])
    assert samples(metrics, "optillm_losses_total") == {("failed", "m", "bon"): len(world.sent)}
    assert samples(metrics, "optillm_stops_total") == {}


@pytest.mark.parametrize(
    ("path", "endpoint"),
    [
        ("/chat/completions", "/chat/completions"),
        ("/embeddings", "/embeddings"),
        ("/responses/resp_123/cancel", "/responses"),
        ("/audio/speech", "/audio"),
    ],
)
def test_an_endpoint_is_told_without_what_clients_choose_of_it(path: str, endpoint: str) -> None:
    assert endpoint_of(path) == endpoint


def test_one_worker_needs_no_folder_and_does_not_take_anothers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(folder.VARIABLE, "/elsewhere")
    with folder.counting_folder(1):
        assert folder.folder_in_use() is None
        folder.forget(1)
    assert os.environ[folder.VARIABLE] == "/elsewhere"


def test_several_workers_get_a_fresh_folder_that_is_gone_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(folder.VARIABLE, raising=False)
    with folder.counting_folder(2):
        place = folder.folder_in_use()
        assert place is not None
        assert not list(Path(place).iterdir())
        assert Path(place).stat().st_mode & 0o077 == 0
        left = Path(place, "gauge_livesum_17.db")
        left.touch()
        Path(place, "counter_17.db").touch()
        folder.forget(17)
        assert [file.name for file in Path(place).iterdir()] == ["counter_17.db"]
    assert not Path(place).exists()
    assert folder.VARIABLE not in os.environ
