"""Prometheus metrics: requests, calls, tokens, cost, losses, latencies.

They are counted by technique and model. Several workers each count into files of a folder they share, and whoever is
scraped adds them up, those of dead workers included. A client can send any model and any expression, so both become
label values only after a request with them has succeeded, and only up to a number.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Final, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.values import ValueClass

from optillm.chat import CHAT, NONE, Usage
from optillm.observe.folder import folder_in_use
from optillm.observe.record import Record

OTHER: Final = "other"
MAX_PAIRS: Final = 200
"""Pairs of technique and model that get series of their own, per worker."""
MAX_MODELS: Final = 100
MAX_LABEL_LENGTH: Final = 256
"""Characters of a label value that a client has chosen."""

SECONDS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320, 640)
ROUNDS: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)

_BY: Final = ("technique", "model")

T = TypeVar("T", bound=Hashable)


class LabelValues(Generic[T]):
    """Label values that clients choose.

    They are `admitted` ones, and the first `most` that have proved to be real.
    """

    def __init__(self, admitted: Iterable[T], most: int) -> None:
        self._admitted = set(admitted)
        self._left = most

    def admits(self, value: T, *, proven: bool) -> bool:
        """Return whether the value may be a label; once it may, it always may."""
        if value in self._admitted:
            return True
        if not (proven and self._left):
            return False
        self._left -= 1
        self._admitted.add(value)
        return True


class Metrics:
    """The metrics of this process, an observer; `techniques` and `model` are the operator's own."""

    def __init__(self, techniques: Iterable[str] = (), model: str = "") -> None:
        self._techniques = {NONE, *techniques}
        self._pairs = LabelValues([(technique, model) for technique in self._techniques], MAX_PAIRS)
        self._models = LabelValues([model], MAX_MODELS)
        self._registry = CollectorRegistry()
        folder = folder_in_use()
        if (folder is not None) is not ValueClass._multiprocess:
            raise RuntimeError("prometheus_client was imported before the folder for its counts was set")
        if folder is not None:
            MultiProcessCollector(self._registry, folder)  # type: ignore[no-untyped-call]
        # These would double the number of series, and several processes cannot have them anyway.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        own = None if folder else self._registry
        counter, histogram = partial(Counter, registry=own), partial(Histogram, registry=own)
        self.in_flight = Gauge(
            "optillm_requests_in_flight", "Requests being served", registry=own, multiprocess_mode="livesum"
        )
        self.responses = counter(
            "optillm_http_responses_total", "Responses of the API, refusals included", ("status",)
        )
        self._requests = counter(
            "optillm_requests_total", "Requests that went upstream and ended", ("endpoint", *_BY, "status")
        )
        self._seconds = histogram("optillm_request_seconds", "Until a request ended", _BY, buckets=SECONDS)
        self._rounds = histogram(
            "optillm_rounds", "Upstream calls one after the other", ("technique",), buckets=ROUNDS
        )
        self._calls = counter("optillm_calls_total", "Upstream calls of techniques", (*_BY, "role"))
        self._call_seconds = histogram(
            "optillm_upstream_call_seconds",
            "An upstream call of a technique, including its wait for a slot and its retries",
            ("model", "role"),
            buckets=SECONDS,
        )
        self._tokens = counter(
            "optillm_tokens_total",
            "Tokens; reasoning and cached tokens are part of the others",
            (*_BY, "type"),
        )
        self._cost = counter("optillm_cost_dollars_total", "Cost where prices are known", _BY)
        self._losses = counter("optillm_losses_total", "Calls and replies of no use", (*_BY, "kind"))
        self._stops = counter("optillm_stops_total", "Why techniques stopped", ("technique", "reason"))
        self._ended = lru_cache(1024)(self._series)
        self._client_requests = counter("optillm_client_requests_total", "Requests by key", ("client",))
        self._client_tokens = counter("optillm_client_tokens_total", "Tokens by key", ("client",))
        self._client_cost = counter("optillm_client_cost_dollars_total", "Cost by key", ("client",))

    def __call__(self, record: Record) -> None:
        """Count a request that has ended."""
        by = self._by(record)
        requests, seconds = self._ended(endpoint_of(record.endpoint), *by, record.status)
        requests.inc()
        seconds.observe(record.seconds)
        if record.technique != NONE:
            self._rounds.labels(by[0]).observe(record.rounds)
        for role, calls in record.calls.items():
            self._calls.labels(*by, role).inc(calls)
        for kind, losses in record.losses.items():
            self._losses.labels(*by, kind).inc(losses)
        if record.usage is not None:
            for kind, tokens in _tokens_of(record.usage):
                self._tokens.labels(*by, kind).inc(tokens)
        if record.cost:
            self._cost.labels(*by).inc(record.cost)
        if record.stop is not None:
            self._stops.labels(by[0], record.stop).inc()
        self._count_calls(record)
        self._count_client(record)

    def _series(self, endpoint: str, technique: str, model: str, status: int) -> tuple[Counter, Histogram]:
        """Return the series for requests that end like this.

        Cached, since looking up labels is slow.
        """
        requests = self._requests.labels(endpoint, technique, model, str(status))
        return requests, self._seconds.labels(technique, model)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics in the format that a scraper's `Accept` demands, and its media type."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def _count_calls(self, record: Record) -> None:
        for call in record.trace.calls if record.trace is not None else ():
            if call.status not in ("ok", "failed"):  # a cancelled call says nothing about latency
                continue
            model = str(call.attributes.get("gen_ai.request.model", ""))
            proven = call.status == "ok" and len(model) <= MAX_LABEL_LENGTH
            admitted = self._models.admits(model, proven=proven)
            self._call_seconds.labels(model if admitted else OTHER, call.name).observe(call.seconds)

    def _count_client(self, record: Record) -> None:
        if record.client is None:
            return
        self._client_requests.labels(record.client).inc()
        if record.usage is not None:
            self._client_tokens.labels(record.client).inc(record.usage.total_tokens)
        if record.cost:
            self._client_cost.labels(record.client).inc(record.cost)

    def _by(self, record: Record) -> tuple[str, str]:
        technique, model = record.technique, record.model
        proven = (
            record.status == HTTPStatus.OK
            and len(technique) <= MAX_LABEL_LENGTH
            and len(model) <= MAX_LABEL_LENGTH
        )
        if self._pairs.admits((technique, model), proven=proven):
            return technique, model
        return technique if technique in self._techniques else OTHER, OTHER


def endpoint_of(path: str) -> str:
    """Return the endpoint of a path below `/v1`, without ids and other parts of clients'."""
    return path if path == CHAT else "/" + path.lstrip("/").partition("/")[0]


def _tokens_of(usage: Usage) -> Iterable[tuple[str, int]]:
    yield "prompt", usage.prompt_tokens
    yield "completion", usage.completion_tokens
    if usage.reasoning_tokens:
        yield "reasoning", usage.reasoning_tokens
    if usage.cached_tokens:
        yield "cached", usage.cached_tokens
