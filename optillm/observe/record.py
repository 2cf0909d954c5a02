"""The record of a served request, for accounting, metrics, logs and traces.

It holds no content, no key and no prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from optillm.chat import Usage
from optillm.trace import Trace

CLIENT_CLOSED: Final = 499
"""The status for a client that left or cancelled its request."""


@dataclass(frozen=True, slots=True)
class Record:
    """One request that went upstream, recorded once when it has ended, however it ended.

    `endpoint` is the path below `/v1`; `client` is the name of the client's key, `None` without one; `technique` is
    the expression that ran, `none` for a request passed on; `status` is the HTTP status of its end, 499 if the
    client left; `stop` is why a technique stopped, else `None`. `usage` is the sum over all calls, `None` if
    nothing is known of it; `cost` is in US dollars, `None` unless the prices of all calls are known. `started` is
    Unix time, `seconds` the time until the end.
    """

    request_id: str
    endpoint: str
    client: str | None
    technique: str
    model: str
    status: int
    started: float
    seconds: float
    stream: bool = False
    stop: str | None = None
    rounds: int = 0
    calls: Mapping[str, int] = field(default_factory=dict)
    losses: Mapping[str, int] = field(default_factory=dict)
    usage: Usage | None = None
    cost: float | None = None
    trace: Trace | None = None
    reason: str | None = None
    """Why it failed, if that message is ours; upstreams' messages may quote a prompt."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """The request headers that continue a trace: `traceparent` and `tracestate`."""

    def line(self) -> dict[str, Any]:
        """Return the record as plain values, without the trace."""
        return {
            "request_id": self.request_id,
            "endpoint": self.endpoint,
            "client": self.client,
            "technique": self.technique,
            "model": self.model,
            "status": self.status,
            "seconds": round(self.seconds, 4),
            "stream": self.stream,
            "stop": self.stop,
            "rounds": self.rounds,
            "calls": dict(self.calls),
            "losses": dict(self.losses),
            "usage": None if self.usage is None else self.usage.wire(),
            "cost": self.cost,
        }


Observer = Callable[[Record], None]
"""Called with each record on the event loop, where it must not block."""
