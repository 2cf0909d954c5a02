"""The record of a served request, for accounting, metrics, logs and traces.

It holds no content, no key and no prompt.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Final

from optillm.chat import CHAT, ChatRequest, Relay, Usage
from optillm.config.prices import Prices
from optillm.errors import OptillmError, UpstreamError
from optillm.observe.usage import Meter, usage_in
from optillm.trace import Trace

CLIENT_CLOSED: Final = 499
"""The status for a client that left or cancelled its request."""

log = logging.getLogger(__name__)


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


class Entry:
    """A running request; its observers get one record when it has ended."""

    def __init__(
        self,
        observers: Sequence[Observer],
        request_id: str,
        endpoint: str,
        client: str | None,
        technique: str,
        model: str,
        **more: Any,
    ) -> None:
        self._fields: dict[str, Any] = {
            "request_id": request_id,
            "endpoint": endpoint,
            "client": client,
            "technique": technique,
            "model": model,
            "started": time.time(),
            **more,
        }
        self._observers = observers
        self._clock = asyncio.get_running_loop().time
        self._started = self._clock()
        self.closed = False

    @classmethod
    def of_chat(
        cls, request: ChatRequest, technique: str, model: str, observers: Sequence[Observer]
    ) -> Entry:
        """Open the entry of a chat request that starts now."""
        identity = (request.request_id, CHAT, request.grant.client, technique, model)
        return cls(observers, *identity, stream=request.stream, headers=request.sender.trace_context)

    def close(self, status: int, **more: Any) -> None:
        """Record the end; `more` are fields of the record. Only the first call counts."""
        if self.closed:
            return
        self.closed = True
        seconds = self._clock() - self._started
        record = Record(**{**self._fields, "status": status, "seconds": seconds, **more})
        for observer in self._observers:
            try:
                observer(record)
            except Exception:  # bookkeeping is no reason to lose an answer
                log.exception("An observer of finished requests failed")

    @contextmanager
    def failing(self, more: Callable[[], Mapping[str, Any]] = dict) -> Iterator[None]:
        """Record an error that leaves the block, or its cancellation, with `more` fields of the record."""
        try:
            yield
        except OptillmError as error:
            reason = None if isinstance(error, UpstreamError) else error.message
            self.close(error.status, reason=reason, **more())
            error.recorded = True
            raise
        except asyncio.CancelledError as cancelled:
            self.close(_status_of(cancelled), **more())
            raise
        except Exception:  # recorded here, handled by whoever called
            self.close(HTTPStatus.INTERNAL_SERVER_ERROR, **more())
            raise

    def of(self, relay: Relay, prices: Prices, prompt_tokens: int) -> Relay:
        """Return a reply that is passed on, which is recorded once all of it has passed."""

        def usage_and_cost(usage: Usage | None) -> Mapping[str, Any]:
            price = prices.of(relay.model or self._fields["model"], self._fields["model"])
            return {"usage": usage, "cost": price.of(usage) if price and usage else None}

        if relay.chunks is None:
            self.close(relay.status, **usage_and_cost(usage_in(relay.body or b"")))
            return relay
        return replace(
            relay, chunks=self._counted(relay.chunks, relay.status, Meter(prompt_tokens), usage_and_cost)
        )

    async def _counted(
        self,
        chunks: AsyncIterator[bytes],
        status: int,
        meter: Meter,
        usage_and_cost: Callable[[Usage | None], Mapping[str, Any]],
    ) -> AsyncGenerator[bytes, None]:
        end = CLIENT_CLOSED
        try:
            async for part in chunks:
                meter.take(part)
                yield part
            end = status
        except OptillmError as error:
            end = error.status
            raise
        except asyncio.CancelledError as cancelled:
            end = _status_of(cancelled)
            raise
        finally:
            self.close(end, **usage_and_cost(meter.usage))
            close = getattr(chunks, "aclose", None)
            if close is not None:
                await close()


def _status_of(cancelled: asyncio.CancelledError) -> int:
    """Return the status of a request that was cancelled: by the server for the error it names, else by its client."""
    reason = cancelled.args[0] if cancelled.args else None
    return reason.status if isinstance(reason, OptillmError) else CLIENT_CLOSED
