"""The names of spans and attributes, in one table for live spans and exported traces.

They are those of OpenTelemetry's conventions for generative AI (repository semantic-conventions-genai, v0.1.0), and of
OpenInference, by which Phoenix tells a model's calls from the rest; what neither names begins with `optillm.`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

Value = str | bool | int | float | list[str]
Attributes = dict[str, Value]

OPERATIONS: Final = {
    "/chat/completions": "chat",
    "/completions": "text_completion",
    "/embeddings": "embeddings",
}
"""The conventions' names of endpoints' operations; other endpoints go by their own names."""
PROVIDERS: Final = {"azure": "azure.ai.openai"}
DEFAULT_PROVIDER: Final = "openai"
"""Whose API an upstream speaks if nothing else is on record; the conventions demand a provider."""
KINDS: Final = {"chat": "LLM", "text_completion": "LLM", "embeddings": "EMBEDDING"}
"""OpenInference's kinds of what goes to a model; everything else is a `CHAIN`."""

REQUEST: Final[Mapping[str, tuple[str, ...]]] = {
    "id": ("optillm.trace.id",),
    "request_id": ("optillm.request.id",),
    "client": ("optillm.client",),
    "technique": ("optillm.technique",),
    "model": ("gen_ai.request.model",),
    "http_status": ("http.response.status_code",),
    "stop": ("optillm.stop",),
    "rounds": ("optillm.rounds",),
    "cost": ("optillm.cost",),
}
"""The attributes that hold a field of a request's document."""
PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = {
    "temperature": ("gen_ai.request.temperature",),
    "top_p": ("gen_ai.request.top_p",),
    "seed": ("gen_ai.request.seed",),
    "max_tokens": ("gen_ai.request.max_tokens",),
    "max_completion_tokens": ("gen_ai.request.max_tokens",),
    "frequency_penalty": ("gen_ai.request.frequency_penalty",),
    "presence_penalty": ("gen_ai.request.presence_penalty",),
}
"""The attributes that hold a parameter of a request's body."""
CALL: Final[Mapping[str, tuple[str, ...]]] = {
    "role": ("optillm.role",),
    "status": ("optillm.status",),
    "round": ("optillm.round",),
    "model": ("gen_ai.request.model", "llm.model_name"),
    "input_tokens": ("gen_ai.usage.input_tokens", "llm.token_count.prompt"),
    "cached_tokens": ("gen_ai.usage.cache_read.input_tokens", "llm.token_count.prompt_details.cache_read"),
    "output_tokens": ("gen_ai.usage.output_tokens", "llm.token_count.completion"),
    "reasoning_tokens": (
        "gen_ai.usage.reasoning.output_tokens",
        "llm.token_count.completion_details.reasoning",
    ),
    "cost": ("optillm.cost", "llm.cost.total"),
    "queued": ("optillm.queued",),
    "cached": ("optillm.cached",),
    "retries": ("optillm.retries",),
    "repetitions": ("optillm.repetitions",),
    "critical": ("optillm.critical",),
}
"""The attributes that hold a field of one of a document's calls."""

EVALUATION: Final = "gen_ai.evaluation.result"
"""The event that says how a judge placed a candidate."""
SERVER_ERROR: Final = 500

_STATUS = re.compile(r"\d{3}\b")


def operation(endpoint: str) -> str:
    """Return the name of an endpoint's operation."""
    return OPERATIONS.get(endpoint, endpoint.strip("/"))


def span_name(operation: str, model: str | None) -> str:
    """Return what a span for a model is called."""
    return f"{operation} {model or ''}".rstrip()


def named(fields: Mapping[str, Any], names: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, Value]]:
    """Yield the attributes that hold those of the fields that have a value."""
    for field, attributes in names.items():
        value = fields.get(field)
        if isinstance(value, str | bool | int | float):
            for attribute in attributes:
                yield attribute, value


def request_attributes(document: Mapping[str, Any]) -> Attributes:
    """Return the attributes of a request's span, without any content."""
    name, tokens = operation(document["endpoint"]), _tokens(document["usage"] or {})
    attributes: Attributes = {"url.path": f"/v1{document['endpoint']}", "gen_ai.operation.name": name}
    attributes |= dict(named(document, REQUEST))
    if document["calls"]:  # a viewer that sums up the spans of a model would count every token twice
        attributes |= {key: value for key, value in named(tokens, CALL) if not key.startswith("llm.")}
        attributes["openinference.span.kind"] = "CHAIN"
    else:
        attributes |= dict(named({**tokens, "model": document["model"], "cost": document["cost"]}, CALL))
        attributes["openinference.span.kind"] = KINDS.get(name, "CHAIN")
        attributes["gen_ai.provider.name"] = DEFAULT_PROVIDER
    if document["stream"]:
        attributes["gen_ai.request.stream"] = True
    if (document["http_status"] or 0) >= SERVER_ERROR:
        attributes["error.type"] = str(document["http_status"])
    return attributes


def _tokens(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Return the counts of a reply's `usage` by the names that calls have for them."""
    return {
        "input_tokens": usage.get("prompt_tokens"),
        "cached_tokens": (usage.get("prompt_tokens_details") or {}).get("cached_tokens"),
        "output_tokens": usage.get("completion_tokens"),
        "reasoning_tokens": (usage.get("completion_tokens_details") or {}).get("reasoning_tokens"),
    }


def parameters(body: Mapping[str, Any]) -> Attributes:
    """Return the attributes of what a request's body says beside its messages."""
    attributes: Attributes = dict(named(body, PARAMETERS))
    stop, choices = body.get("stop"), body.get("n")
    words = [each for each in (stop if isinstance(stop, list) else [stop]) if isinstance(each, str)]
    if words:
        attributes["gen_ai.request.stop_sequences"] = words
    if isinstance(choices, int) and choices != 1:
        attributes["gen_ai.request.choice.count"] = choices
    return attributes


def call_attributes(call: Mapping[str, Any], step: str | None) -> Attributes:
    """Return the attributes of a call's span, without any content; `step` names its step."""
    upstream = call.get("upstream")
    attributes: Attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": PROVIDERS.get(upstream, upstream) if upstream else DEFAULT_PROVIDER,
        "openinference.span.kind": "LLM",
    }
    attributes |= dict(named(call, CALL))
    if step is not None:
        attributes["optillm.step"] = step
    if call.get("first_token") is not None:
        sent = call["start"] if call.get("sent") is None else call["sent"]
        attributes["gen_ai.response.time_to_first_chunk"] = round(call["first_token"] - sent, 4)
    if call["status"] == "failed":
        attributes["error.type"] = error_type(call.get("error"))
    return attributes


def error_type(error: str | None) -> str:
    """Return the status that an error begins with, else the conventions' word for other errors."""
    status = _STATUS.match(error or "")
    return status[0] if status else "_OTHER"


def evaluation_attributes(ballot: Mapping[str, Any], candidate: int) -> Attributes | None:
    """Return how a ballot placed a candidate; `None` if it did not.

    Without a score of the judge's own, the score is the share of the other candidates that it was placed above.
    """
    score = (ballot["scores"] or {}).get(str(candidate))
    attributes: Attributes = {"gen_ai.evaluation.name": ballot["kind"]}
    if ballot["order"]:
        rank, share = _standing(ballot["order"], candidate)
        if rank is not None:
            attributes["gen_ai.evaluation.score.label"] = f"rank {rank}"
            score = share if score is None else score
    if score is None:
        return None
    attributes["gen_ai.evaluation.score.value"] = float(score)
    if ballot["note"]:
        attributes["gen_ai.evaluation.explanation"] = ballot["note"]
    return attributes


def _standing(order: Iterable[Iterable[int]], candidate: int) -> tuple[int | None, float]:
    """Return a candidate's rank, if any, and the share of others that it beats; a tie is half."""
    groups = [list(group) for group in order]
    others = sum(map(len, groups)) - 1
    above = 0
    for group in groups:
        if candidate in group:
            below = others - above - (len(group) - 1)
            return above + 1, (below + (len(group) - 1) / 2) / others if others else 1.0
        above += len(group)
    return None, 0.0
