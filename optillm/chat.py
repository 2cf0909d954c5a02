"""The nouns of the wire: a chat request, an upstream's replies, a client's completion.

Messages stay the plain JSON objects that the client sent, unknown fields included: nothing here flattens, renames or
drops what it does not understand.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any, Final, Literal, Protocol, TypeVar

Message = Mapping[str, Any]
Progress = Literal["off", "comments", "reasoning"]
Merge = Literal["select", "choices", "first"]
VerdictStyle = Literal["auto", "reasoned", "direct"]
N = TypeVar("N", int, float)

CHAT: Final = "/chat/completions"
"""The path of chat completions, below an upstream's base URL."""
NONE: Final = "none"
"""The name of the technique that passes a request on unchanged."""
THOUGHTS: Final = ("reasoning_content", "reasoning", "thinking")
"""The fields of a message in which servers put a model's reasoning."""


def content_text(message: Message) -> str:
    """Return the text of a message's content, its text parts joined; empty if there is none."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        parts = (part.get("text") for part in content if isinstance(part, Mapping))
        return "".join(part for part in parts if isinstance(part, str))
    return ""


@dataclass(frozen=True, slots=True)
class Budget:
    """Bounds on one request; `None` is no bound.

    Seconds are wall-clock time, cost is in US dollars.
    """

    max_calls: int | None = None
    max_tokens: int | None = None
    seconds: float | None = None
    max_cost: float | None = None

    def within(self, ceiling: Budget) -> Budget:
        """Return this budget cut to a ceiling."""
        return Budget(
            least(self.max_calls, ceiling.max_calls),
            least(self.max_tokens, ceiling.max_tokens),
            least(self.seconds, ceiling.seconds),
            least(self.max_cost, ceiling.max_cost),
        )


def least(a: N | None, b: N | None) -> N | None:
    """Return the lower of two bounds; `None` is no bound."""
    return b if a is None else a if b is None else min(a, b)


@dataclass(frozen=True, slots=True)
class Grant:
    """What the sender of a request may do here.

    `client` is the name of its key, `None` if no key is needed; `ceiling` bounds each of its requests; `techniques`
    are those it may use, `None` is all; `plain`: it may do without one. `key_digest` tells its key from others
    without holding it: what is kept for one key, such as cached replies, is not for another.
    """

    client: str | None = None
    ceiling: Budget = field(default_factory=Budget)
    techniques: frozenset[str] | None = None
    plain: bool = True
    key_digest: str = field(default="", repr=False, compare=False)


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends a request, and what they say about it beside its body.

    `client` tells credentials apart without holding them; `content` is the body as received; `key` is an
    `Idempotency-Key`; `attempt` counts the retries of a client library that announces them, `None` if it does not;
    `patience` is how many seconds it waits for a whole reply. `background` marks what a frontend requests on its
    own behalf; `fresh`: no cached reply will do. `called_off` returns whether the request has been cancelled on
    purpose. `trace_context` holds the headers `traceparent` and `tracestate`, if present: a trace of the sender's
    that ours is a part of.
    """

    client: str = ""
    content: bytes = field(default=b"", repr=False)
    key: str | None = None
    attempt: int | None = None
    patience: float | None = None
    background: bool = False
    fresh: bool = False
    called_off: Callable[[], bool] = _never
    trace_context: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_retry(self) -> bool:
        """Return whether the same request may have come before."""
        return self.key is not None or bool(self.attempt)

    @property
    def may_return(self) -> bool:
        """Return whether a sender that leaves may send the same request again."""
        return (self.key is not None or self.attempt is not None) and not self.called_off()


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One chat completion request, validated.

    `body` is the client's JSON object without the proxy's own fields; `approach`, `options`, `budget`, `progress`,
    `merge` and `trace` are those fields; `grant` is what the sender may do. `authorization` is the header to send
    upstream if the client's key is passed through. `raw` is the client's body byte for byte, if `body` is all of
    it: what a verbatim relay sends. `approach_field` is the field or place that held `approach`. `trace` set to
    `True` adds the trace to the reply, and to `False` keeps the request out of the stored traces.
    """

    body: Mapping[str, Any]
    approach: str | None = None
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    progress: Progress = "comments"
    merge: Merge | None = None
    trace: bool | None = None
    request_id: str = ""
    authorization: str | None = None
    raw: bytes | None = None
    sender: Sender = field(default_factory=Sender)
    grant: Grant = field(default_factory=Grant)
    approach_field: str = "optillm_approach"

    @property
    def model(self) -> str:
        """Return the model name as the client wrote it, slug included."""
        return str(self.body["model"])

    @property
    def messages(self) -> Sequence[Message]:
        """Return the conversation, oldest message first."""
        messages: Sequence[Message] = self.body["messages"]
        return messages

    @property
    def stream(self) -> bool:
        """Return whether the client wants server-sent events."""
        return bool(self.body.get("stream"))

    @property
    def include_usage(self) -> bool:
        """Return whether a stream ends with a usage chunk."""
        return bool((self.body.get("stream_options") or {}).get("include_usage"))

    @property
    def offers_tools(self) -> bool:
        """Return whether the reply may be an action: tools are offered and not ruled out.

        `functions` and `function_call` are the deprecated forms of tools.
        """
        body = self.body
        tools = body.get("tools") and body.get("tool_choice") != "none"
        return bool(tools or (body.get("functions") and body.get("function_call") != "none"))

    @property
    def wants_more_than_text(self) -> bool:
        """Return whether the reply is to hold speech or the like, which nothing here can compare."""
        modalities = self.body.get("modalities")
        return isinstance(modalities, list) and any(kind != "text" for kind in modalities)

    @property
    def choices(self) -> int:
        """Return how many choices the client wants (`n`)."""
        return int(self.body.get("n") or 1)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call, or the sum over many; a detail is `None` if no call reported it."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    estimated: bool = False

    @classmethod
    def read(cls, wire: Mapping[str, Any] | None) -> Usage | None:
        """Return the usage object of a reply, or `None` if the upstream sent none that can be used."""
        if not isinstance(wire, Mapping) or not isinstance(wire.get("prompt_tokens"), int):
            return None
        completion = wire.get("completion_tokens")
        return cls(
            prompt_tokens=max(0, wire["prompt_tokens"]),  # a negative number would be refunded
            completion_tokens=max(0, completion) if isinstance(completion, int) else 0,
            reasoning_tokens=_detail(wire, "completion_tokens_details", "reasoning_tokens"),
            cached_tokens=_detail(wire, "prompt_tokens_details", "cached_tokens"),
        )

    @property
    def total_tokens(self) -> int:
        """Return prompt and completion tokens together."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            _add_known(self.reasoning_tokens, other.reasoning_tokens),
            _add_known(self.cached_tokens, other.cached_tokens),
            self.estimated or other.estimated,
        )

    def wire(self) -> dict[str, Any]:
        """Return the OpenAI usage object.

        `estimated` is there only if some call's tokens were guessed.
        """
        usage: dict[str, Any] = {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.total_tokens,
        }
        if self.reasoning_tokens is not None:
            usage["completion_tokens_details"] = {"reasoning_tokens": self.reasoning_tokens}
        if self.cached_tokens is not None:
            usage["prompt_tokens_details"] = {"cached_tokens": self.cached_tokens}
        if self.estimated:
            usage["estimated"] = True
        return usage


def _detail(wire: Mapping[str, Any], group: str, name: str) -> int | None:
    details = wire.get(group)
    value = details.get(name) if isinstance(details, Mapping) else None
    return max(0, value) if isinstance(value, int) else None


def _add_known(a: int | None, b: int | None) -> int | None:
    return None if a is None and b is None else (a or 0) + (b or 0)


class ReplyKind(Enum):
    """Whether a reply is of use."""

    OK = "ok"
    TRUNCATED = "truncated"
    REFUSAL = "refusal"
    EMPTY = "empty"


@dataclass(frozen=True)
class Reply:
    """One choice of one upstream completion.

    `message` is what the upstream sent, with its tool calls and reasoning in one uniform shape; `finish_reason` is
    one of OpenAI's words if these have one for it.
    """

    message: Message
    finish_reason: str | None = None
    logprobs: Any = None
    model: str | None = None
    system_fingerprint: str | None = None

    # Read again and again, by every layer that a reply goes through.

    @cached_property
    def text(self) -> str:
        """Return the content as text; empty if there is none."""
        return content_text(self.message)

    @property
    def tool_calls(self) -> Sequence[Mapping[str, Any]]:
        """Return the tools that this reply wants called; empty for an answer."""
        calls = self.message.get("tool_calls")
        return calls if isinstance(calls, list) else ()

    @property
    def actions(self) -> Sequence[Mapping[str, Any]]:
        """Return what this reply wants done: its tool calls, or its deprecated function call."""
        call = self.message.get("function_call")
        return self.tool_calls or ([{"function": call}] if isinstance(call, Mapping) else ())

    @property
    def thought(self) -> bool:
        """Return whether the model is known to have reasoned before its answer, or instead of one."""
        return any(self.message.get(name) for name in THOUGHTS)

    @property
    def cut(self) -> bool:
        """Return whether the reply was cut off at its length limit, even before its first word."""
        return self.finish_reason == "length" and self.kind in (ReplyKind.TRUNCATED, ReplyKind.EMPTY)

    @cached_property
    def kind(self) -> ReplyKind:
        """Return whether the reply is complete, cut off, a refusal or empty."""
        if self.finish_reason == "content_filter" or self.message.get("refusal"):
            return ReplyKind.REFUSAL
        if not self.text.strip() and not self.actions:
            return ReplyKind.EMPTY
        if self.finish_reason == "length":
            return ReplyKind.TRUNCATED
        return ReplyKind.OK


@dataclass(frozen=True, slots=True)
class Report:
    """What a technique did for one request.

    It becomes the reply's `optillm` block and the `x-optillm-*` headers. `cost` is in US dollars, `None` unless the
    prices of all calls are known. `requested_options` are the options before they were reduced to fit the budget,
    `None` if they were not; `cached` counts by role the replies that came from the cache and cost no call; `verdicts`
    counts those that could be read, by how judges gave them. `trace_id` is the id of the stored trace, if
    there is one, and `trace_url` where it can be looked at.
    """

    technique: str
    options: Mapping[str, Any]
    rounds: int
    calls: Mapping[str, int]
    seconds: float
    stop_reason: str
    losses: Mapping[str, int] = field(default_factory=dict)
    turn: Literal["action", "answer"] = "answer"
    cost: float | None = None
    requested_options: Mapping[str, Any] | None = None
    cached: Mapping[str, int] | None = None
    verdicts: Mapping[str, int] = field(default_factory=dict)
    trace: Mapping[str, Any] | None = None
    trace_id: str | None = None
    trace_url: str | None = None

    def wire(self) -> dict[str, Any]:
        """Return the JSON form of this report."""
        block: dict[str, Any] = {
            "technique": self.technique,
            "options": dict(self.options),
            "rounds": self.rounds,
            "calls": dict(self.calls),
            "seconds": round(self.seconds, 4),
            "stop_reason": self.stop_reason,
            "losses": dict(self.losses),
            "turn": self.turn,
        }
        if self.requested_options is not None:
            block["asked"] = dict(self.requested_options)
        if self.cached:
            block["cached"] = dict(self.cached)
        if self.verdicts:
            block["verdicts"] = dict(self.verdicts)
        if self.cost is not None:
            block["cost"] = round(self.cost, 8)
        if self.trace_url is not None:
            block["trace_url"] = self.trace_url
        if self.trace is not None:
            block["trace"] = self.trace
        return block


@dataclass(frozen=True, slots=True)
class Completion:
    """The answer of a technique in the wire's shape: one reply per choice, the best first."""

    replies: Sequence[Reply]
    usage: Usage | None
    report: Report
    model: str
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def system_fingerprint(self) -> str | None:
        """Return the fingerprint of the chosen reply's upstream."""
        return self.replies[0].system_fingerprint if self.replies else None


@dataclass(frozen=True, slots=True)
class RawRequest:
    """A request that is passed on unchanged; `path` is below the base URL and begins with `/`.

    `model` is the one that it names, empty if unknown; `stream`: the reply is to come as a stream.
    """

    method: str
    path: str
    content: bytes = b""
    content_type: str = "application/json"
    authorization: str | None = None
    request_id: str = ""
    grant: Grant = field(default_factory=Grant)
    model: str = ""
    stream: bool = False


@dataclass(frozen=True, slots=True)
class Relay:
    """An upstream's own reply on its way to the client, unchanged.

    `headers` are those the client may see. A whole reply has its bytes in `body`; for a stream `body` is `None`,
    and the bytes arrive in `chunks`. `model` is the upstream's own name for the model, if it may have one.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes | None = None
    chunks: AsyncIterator[bytes] | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer for choice `index`.

    Pieces come in the order in which they are shown.
    """

    content: str
    index: int = 0


@dataclass(frozen=True, slots=True)
class Note:
    """A line of progress while a technique works."""

    text: str


Event = Delta | Note | Completion


class Events(Protocol):
    """The events of a technique at work, one after the other."""

    def __aiter__(self) -> AsyncIterator[Event]:
        """Return this."""

    async def __anext__(self) -> Event:
        """Return the next event; raises `StopAsyncIteration` at the end."""

    async def aclose(self) -> None:
        """End the work."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A running technique: events that end with one `Completion` or raise an `OptillmError`.

    The completion's replies are whole: what no `Delta` has carried is still to be shown. `id`, `created`, `model`
    and the number of choices are those of the completion, known in advance; so are `trace_id`, if its trace is
    stored, and `technique`, unless only the first reply decides whether one runs.
    """

    events: Events
    technique: str | None
    model: str
    id: str
    created: int
    choices: int = 1
    trace_id: str | None = None
