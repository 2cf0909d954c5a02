"""The calls that the doctor makes, one for each thing to test.

Each says what a reply shows, and what the proxy does about it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from optillm.chat import Reply, Usage
from optillm.engine.call.adaptation import LIMITS
from optillm.errors import UpstreamError
from optillm.toolkit.schema.checking import ResponseFormat

SHORT: Final = 16
"""Tokens of the calls that test the limits; they ask for about four times as many."""

COUNT: Final = "Count from one to thirty in English words, separated by spaces."
GREET: Final = "Say hello in one word."
PRODUCT: Final = "What is 6 * 7? Answer with a JSON object that has the one key product."
WEATHER: Final = "What is the weather in Paris now? Call the tool to find out."
SCHEMA: Final = {
    "type": "object",
    "properties": {"product": {"type": "integer"}},
    "required": ["product"],
    "additionalProperties": False,
}
TOOL: Final = {
    "name": "weather",
    "description": "The weather in a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one call: replies and their usage, or an error; and the seconds it took."""

    seconds: float
    replies: Sequence[Reply] = ()
    usage: Usage | None = None
    error: UpstreamError | None = None

    @property
    def cut(self) -> bool:
        """Whether the reply ended at its token limit."""
        return any(reply.finish_reason == "length" for reply in self.replies)


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing to test: `extra` is what the body holds beside a model, messages and a limit.

    `result` names what the replies show. `effects` says for each result what the proxy does about it; `streamed` says
    what it does instead if calls are made as streams.
    """

    about: str
    extra: Mapping[str, Any]
    result: Callable[[Outcome], str]
    effects: Mapping[str, str]
    question: str = GREET
    streamed: Mapping[str, str] = field(default_factory=dict)


# What the replies show.


def _limited(outcome: Outcome) -> str:
    if outcome.cut:
        return "honoured"
    written = outcome.usage.completion_tokens if outcome.usage else len(outcome.replies[0].text) // 4
    return "ignored" if written > SHORT else "accepted"


def _accepted(outcome: Outcome) -> str:  # noqa: ARG001 - that there is a reply is all it shows
    return "accepted"


def _several(outcome: Outcome) -> str:
    return "honoured" if len(outcome.replies) > 1 else "ignored"


def _called(outcome: Outcome) -> str:
    return _shown(outcome, bool(outcome.replies[0].tool_calls))


def _logged(outcome: Outcome) -> str:
    return _shown(outcome, bool(outcome.replies[0].logprobs))


def _formed(outcome: Outcome, response_format: Mapping[str, Any]) -> str:
    form = ResponseFormat.of(response_format)
    return _shown(outcome, form is not None and form.violation(outcome.replies[0].text) is None)


def _counted(outcome: Outcome) -> str:
    return "with usage" if outcome.usage else "without usage"


def _shown(outcome: Outcome, shown: bool) -> str:
    text = outcome.replies[0].text.lstrip()
    if shown:
        return "honoured"
    return "unclear" if outcome.cut and (not text or text.startswith("{")) else "ignored"


def _form_probe(response_format: Mapping[str, Any]) -> Probe:
    effects = {
        "honoured": "passes it on, and drops candidates without the form",
        "ignored": "drops candidates without the form, and has the answer mended once",
    }
    result = partial(_formed, response_format=response_format)
    return Probe(response_format["type"], {"response_format": response_format}, result, effects, PRODUCT)


LIMIT_PROBES: Final = tuple(
    Probe(
        name,
        {name: SHORT},
        _limited,
        {"refused": f"sends {other} in its place", "ignored": "cannot bound the length of replies by it"},
        COUNT,
    )
    for name, other in LIMITS.items()
)
PROBES: Final = (
    Probe(
        "n",
        {"n": 2},
        _several,
        {
            "honoured": "asks for the candidates of a round in one call",
            "ignored": "tops up with single calls, sent together",
            "refused": "leaves it out and sends single calls together",
        },
        streamed={"honoured": "sends single calls together: each can be ended as soon as it is not needed"},
    ),
    Probe(
        "tools",
        {"tools": [{"type": "function", "function": TOOL}]},
        _called,
        {
            "honoured": "passes calls of tools on, and improves the turns that answer",
            "ignored": "passes tools on, but this model called none when told to",
        },
        WEATHER,
    ),
    _form_probe(
        {"type": "json_schema", "json_schema": {"name": "product", "strict": True, "schema": SCHEMA}}
    ),
    _form_probe({"type": "json_object"}),
    Probe(
        "logprobs",
        {"logprobs": True},
        _logged,
        {
            "honoured": "returns those of the chosen reply",
            "ignored": "returns none",
            "refused": "leaves it out and returns none",
        },
    ),
    Probe(
        "temperature",
        {"temperature": 0.7},
        _accepted,
        {"accepted": "samples at each technique's temperature", "refused": "leaves it out"},
    ),
    Probe(
        "seed",
        {"seed": 7},
        _accepted,
        {"accepted": "counts up from the client's, one for each candidate", "refused": "leaves it out"},
    ),
)
STREAMING: Final = Probe(
    "streaming",
    {"stream_options": {"include_usage": True}},
    _counted,
    {
        "with usage": "passes on what comes, and the usage as reported",
        "without usage": "passes on what comes, and estimates the usage, marked as such",
        "refused": "streams without asking for the usage, and estimates it",
    },
)
