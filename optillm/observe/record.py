"""What is noted of a served request, for accounts, metrics, logs and traces: no content, no key, no prompt."""

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

LEFT: Final = 499
"""The status that stands for a client that left, or called its request off."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Record:
    """One request that went upstream, made once when it has ended, however it ended.

    `endpoint` is the path below `/v1`; `client` the name of the client's key, `None` without one; `technique` the
    expression that ran, `none` for a request passed on; `status` the HTTP status that stands for its end, 499
    when the client left; `stop` why a technique stopped, `None` otherwise. `usage` is the sum over all calls and
    `None` where nothing is known of it; `cost` is in US dollars, `None` unless the prices of all calls are known.
    `started` is Unix time, `seconds` the time until the end.
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
    """Why it failed, where that is ours to say; what upstreams say may quote a prompt."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Those of the request that a trace continues: `traceparent` and `tracestate`."""

    def line(self) -> dict[str, Any]:
        """The record as plain values, without the trace."""
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
"""Is told of each request on the event loop, and must not wait for anything there."""


class Entry:
    """A request at work; whoever is to know is told of it once, when it has ended."""

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
        self._began = self._clock()
        self.closed = False

    @classmethod
    def of_chat(
        cls, request: ChatRequest, technique: str, model: str, observers: Sequence[Observer]
    ) -> Entry:
        """The entry of a chat request that begins now."""
        identity = (request.request_id, CHAT, request.grant.client, technique, model)
        return cls(observers, *identity, stream=request.stream, headers=request.sender.continues)

    def close(self, status: int, **more: Any) -> None:
        """Note the end; `more` are fields of the record. Only the first call counts."""
        if self.closed:
            return
        self.closed = True
        seconds = self._clock() - self._began
        record = Record(**{**self._fields, "status": status, "seconds": seconds, **more})
        for observer in self._observers:
            try:
                observer(record)
            except Exception:  # the books are no reason to lose an answer
                log.exception("An observer of finished requests failed")

    @contextmanager
    def failing(self, more: Callable[[], Mapping[str, Any]] = dict) -> Iterator[None]:
        """Note an error that leaves the block, or its cancellation, and `more` of the record's fields."""
        try:
            yield
        except OptillmError as error:
            reason = None if isinstance(error, UpstreamError) else error.message
            self.close(error.status, reason=reason, **more())
            error.recorded = True
            raise
        except asyncio.CancelledError:
            self.close(LEFT, **more())
            raise
        except Exception:
            self.close(HTTPStatus.INTERNAL_SERVER_ERROR, **more())
            raise

    def of(self, relay: Relay, prices: Prices, prompt_tokens: int) -> Relay:
        """A reply that is passed on, noted when all of it has passed."""

        def spent(usage: Usage | None) -> Mapping[str, Any]:
            price = prices.of(relay.model or self._fields["model"], self._fields["model"])
            return {"usage": usage, "cost": price.of(usage) if price and usage else None}

        if relay.chunks is None:
            self.close(relay.status, **spent(usage_in(relay.body or b"")))
            return relay
        return replace(relay, chunks=self._counted(relay.chunks, relay.status, Meter(prompt_tokens), spent))

    async def _counted(
        self,
        chunks: AsyncIterator[bytes],
        status: int,
        meter: Meter,
        spent: Callable[[Usage | None], Mapping[str, Any]],
    ) -> AsyncGenerator[bytes, None]:
        end = LEFT
        try:
            async for part in chunks:
                meter.take(part)
                yield part
            end = status
        except OptillmError as error:
            end = error.status
            raise
        finally:
            self.close(end, **spent(meter.usage))
            close = getattr(chunks, "aclose", None)
            if close is not None:
                await close()
