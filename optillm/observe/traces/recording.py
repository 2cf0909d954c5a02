"""The recording of one request: everything its trace document is made of, by reference.

While a request runs, nothing is copied or formatted for its trace. A recording refers to what the request has at hand
anyway, and `optillm.observe.traces.document` makes a document of it when somebody asks for one.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from optillm.chat import Message, Reply, content_text
from optillm.observe.record import Record
from optillm.observe.traces.shapes import list_of
from optillm.trace import Shown, Trace

LONGEST_REPLY: Final = 2**18
"""Bytes up to which a reply that was only passed on is kept."""
CALL_SIZE: Final = 3072
"""Bytes that a call takes beside its texts, with its step, its candidates and its judgement."""
TOKEN_SIZE: Final = 500
"""Bytes that the log probability of a token takes, and that of each alternative."""
RECORDING_SIZE: Final = 8192
"""Bytes that a recording takes beside its calls and its texts."""


def new_id() -> str:
    """Return an id for a trace: ours, whatever id the client gave its request."""
    return f"trace_{secrets.token_hex(12)}"


class Recorder(Protocol):
    """Where recordings go; `begin` and `end` neither block nor raise."""

    def begin(self, recording: Recording) -> None:
        """Take in the recording of a request that begins."""

    def end(self, recording: Recording) -> None:
        """Note that the request has ended: its recording has its `record`."""

    def close(self) -> None:
        """Write down what has ended; may block for a while."""


@dataclass(slots=True)
class Passed:
    """A reply that is passed on: its bytes, if they are few, and when the first came."""

    cached: bool = False
    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    first_at: float | None = None

    def take(self, part: bytes, at: float) -> None:
        """Keep a part, unless the reply is too long."""
        if self.first_at is None:
            self.first_at = at
        self.size += len(part)
        if self.size <= LONGEST_REPLY:
            self.parts.append(part)

    def forget(self) -> None:
        """Let go of the bytes."""
        self.parts, self.size = [], 0

    @property
    def whole(self) -> bytes | None:
        """Return all that came, `None` if that was too much to keep."""
        return b"".join(self.parts) if self.size <= LONGEST_REPLY else None


@dataclass(slots=True, eq=False)
class Recording:
    """A running or ended request.

    `technique` is the expression that runs; `described` returns more about it: the `technique` with its options, the
    `options`, the `requested_options` where these are others, and the `composition` as a graph. `body` is what
    the client sent: JSON, parsed or not. `started` is a time of `clock`, `created` the same moment as Unix time.

    `spent` returns what is known of calls, tokens and cost while the request runs; once it has ended, `record` says
    that. `returned` are the candidates of the answer, best first, of which the client gets `choices`. A request that is
    passed on has `passed` in place of a `trace`. `error` is the message of a request that failed.

    A store notes the `kept_size` that it accounts for, and the `summary` once that is final.
    """

    id: str
    request_id: str
    endpoint: str
    client: str | None
    technique: str
    model: str
    stream: bool
    body: bytes | Mapping[str, Any] | None
    created: float
    clock: Callable[[], float]
    started: float
    trace: Trace | None = None
    spent: Callable[[], Mapping[str, Any]] | None = None
    record: Record | None = None
    described: Callable[[], Mapping[str, Any]] | None = None
    returned: Sequence[Shown] = ()
    choices: int = 1
    passed: Passed | None = None
    error: str | None = None
    kept_size: int = 0
    summary: dict[str, Any] | None = None

    def forget(self) -> None:
        """Let go of what the client sent, and of a reply that was passed on."""
        self.body = self.error = None
        if self.passed is not None:
            self.passed.forget()

    @property
    def size(self) -> int:
        """Return roughly how many bytes it keeps from being freed."""
        content = len(self.body) if isinstance(self.body, bytes) else 0
        total = RECORDING_SIZE + content
        if self.passed is not None:
            total += min(self.passed.size, LONGEST_REPLY)
        if self.trace is None:
            return total
        total += content  # the body as objects, images included
        conversations: dict[int, Sequence[Message]] = {}  # most calls share the client's own
        for call in self.trace.calls:
            total += CALL_SIZE + sum(map(_size, call.replies))
            if call.payload is not None:
                total += len(call.payload.instruction or "")
                conversations[id(call.payload.messages)] = call.payload.messages
        return total + sum(
            len(content_text(message)) for messages in conversations.values() for message in messages
        )

    @property
    def changes(self) -> int:
        """Return a number that grows with all that happens to the request."""
        if self.trace is None:
            return len(self.passed.parts if self.passed else ()) + (self.record is not None)
        calls = self.trace.calls
        events = sum(
            1 + (call.status != "running") + (call.sent is not None) + (call.first_piece is not None)
            for call in calls
        )
        return (events + len(self.trace.candidates) + len(self.trace.decisions) + len(self.trace.spans)) + (
            self.record is not None
        )


def _size(reply: Reply) -> int:
    """Return roughly how many bytes a reply takes: texts, thoughts and log probabilities."""
    texts = sum(len(value) for value in reply.message.values() if isinstance(value, str))
    actions = sum(len(str(action)) for action in reply.actions) if reply.actions else 0
    if not isinstance(reply.logprobs, Mapping):
        return texts + actions
    tokens = [token for part in reply.logprobs.values() if isinstance(part, list) for token in part]
    alternatives = (list_of(token.get("top_logprobs")) for token in tokens if isinstance(token, Mapping))
    return texts + actions + TOKEN_SIZE * (len(tokens) + sum(map(len, alternatives)))
