"""The entry of a running request: what is known of it at its start, and what becomes of it.

When the request has ended, however it ended, its observers get one record, and its recording goes to the traces.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final, TypeVar

from optillm.chat import CHAT, ChatRequest, Relay, Usage
from optillm.config.prices import Prices
from optillm.errors import OptillmError, UpstreamError
from optillm.observe.record import CLIENT_CLOSED, Observer, Record
from optillm.observe.traces.recording import Passed, Recorder, Recording
from optillm.observe.usage import Meter, usage_in

TRACE: Final = "x-optillm-trace"
"""The header that names the stored trace of a request."""
NO_HEADERS: Final[Mapping[str, str]] = {}
CACHE: Final = "x-optillm-cache"
"""The header of a reply that came from the cache."""

T = TypeVar("T")

log = logging.getLogger(__name__)


class Entry:
    """A running request; its observers get one record when it has ended.

    With `record_as`, the id of a trace, all that happens is also recorded: in `recording`, which goes to `recorder`.
    """

    def __init__(
        self,
        observers: Sequence[Observer],
        request_id: str,
        endpoint: str,
        client: str | None,
        technique: str,
        model: str,
        *,
        recorder: Recorder | None = None,
        record_as: str | None = None,
        body: bytes | Mapping[str, Any] | None = None,
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
        self.recording: Recording | None = None
        if recorder is not None and record_as is not None:
            identity = (record_as, request_id, endpoint, client, technique, model, more.get("stream", False))
            self.recording = Recording(*identity, body, self._fields["started"], self._clock, self._started)
            self._recorder = recorder
            _report(recorder.begin, self.recording)

    @classmethod
    def of_chat(
        cls,
        request: ChatRequest,
        technique: str,
        model: str,
        observers: Sequence[Observer],
        recorder: Recorder | None = None,
        record_as: str | None = None,
    ) -> Entry:
        """Open the entry of a chat request that starts now."""
        identity = (request.request_id, CHAT, request.grant.client, technique, model)
        return cls(
            observers,
            *identity,
            recorder=recorder,
            record_as=record_as,
            body=request.sender.content or request.body,
            stream=request.stream,
            headers=request.sender.trace_context,
        )

    def close(self, status: int, **more: Any) -> None:
        """Record the end; `more` are fields of the record. Only the first call counts."""
        if self.closed:
            return
        self.closed = True
        seconds = self._clock() - self._started
        record = Record(**{**self._fields, "status": status, "seconds": seconds, **more})
        if self.recording is not None:
            self.recording.record = record
            _report(self._recorder.end, self.recording)
        for observer in self._observers:
            _report(observer, record)

    @contextmanager
    def failing(self, more: Callable[[], Mapping[str, Any]] = dict) -> Iterator[None]:
        """Record an error that leaves the block, or its cancellation, with `more` fields."""
        try:
            yield
        except OptillmError as error:
            reason = None if isinstance(error, UpstreamError) else error.message
            if self.recording is not None:
                self.recording.error = error.message
                error.headers[TRACE] = self.recording.id
            self.close(error.status, reason=reason, **more())
            error.recorded = True
            raise
        except asyncio.CancelledError as cancelled:
            self.close(_status_of(cancelled), **more())
            raise
        except Exception:  # recorded here, handled by whoever called
            self.close(HTTPStatus.INTERNAL_SERVER_ERROR, **more())
            raise

    def of(
        self, relay: Relay, prices: Prices, prompt_tokens: int, headers: Mapping[str, str] = NO_HEADERS
    ) -> Relay:
        """Return a reply with these headers, which is recorded once all of it has passed."""

        def usage_and_cost(usage: Usage | None) -> Mapping[str, Any]:
            price = prices.of(relay.model or self._fields["model"], self._fields["model"])
            return {"usage": usage, "cost": price.of(usage) if price and usage else None}

        relay = self.passing(relay, headers)
        if relay.chunks is None:
            self.close(relay.status, **usage_and_cost(usage_in(relay.body or b"")))
            return relay
        return replace(
            relay, chunks=self._counted(relay.chunks, relay.status, Meter(prompt_tokens), usage_and_cost)
        )

    def passing(self, relay: Relay, headers: Mapping[str, str]) -> Relay:
        """Return a reply with these headers and the name of its trace.

        What there is of it now is recorded.
        """
        if self.recording is None:
            return replace(relay, headers={**relay.headers, **headers}) if headers else relay
        self.recording.passed = Passed(cached=CACHE in relay.headers)
        if relay.body is not None:
            self.recording.passed.take(relay.body, self._clock())
        return replace(relay, headers={**relay.headers, **headers, TRACE: self.recording.id})

    async def _counted(
        self,
        chunks: AsyncIterator[bytes],
        status: int,
        meter: Meter,
        usage_and_cost: Callable[[Usage | None], Mapping[str, Any]],
    ) -> AsyncGenerator[bytes, None]:
        end, passed = CLIENT_CLOSED, self.recording and self.recording.passed
        try:
            async for part in chunks:
                meter.take(part)
                if passed:
                    passed.take(part, self._clock())
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
    """Return the status of a cancelled request: that of the server's error, else the client's."""
    reason = cancelled.args[0] if cancelled.args else None
    return reason.status if isinstance(reason, OptillmError) else CLIENT_CLOSED


def _report(observer: Callable[[T], None], value: T) -> None:
    """Report something to an observer; bookkeeping is no reason to lose an answer."""
    try:
        observer(value)
    except Exception:  # whatever an observer does wrong
        log.exception("An observer of finished requests failed")
