"""Pass on requests without a technique, and those for other endpoints, untouched.

Here is done as little as can be: a deadline, a look at the budget, a note of what passed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Final

import orjson

from optillm.chat import CHAT, NONE, Budget, ChatRequest, RawRequest, Relay, Usage
from optillm.config.prices import Prices
from optillm.engine.call.cache import Cache, key_of
from optillm.engine.call.cached import recalled, remembered
from optillm.engine.call.ledger import Ledger, estimate, worst_case
from optillm.engine.upstream.client import EVENTS, JSON
from optillm.engine.upstream.http import LARGEST
from optillm.engine.upstream.routes import Routes
from optillm.errors import DeadlineExceeded, PermissionDenied, UpstreamError
from optillm.observe.entry import Entry
from optillm.observe.record import Observer
from optillm.observe.traces.recording import Recorder, new_id

SIGNED: Final = {"x-optillm-technique": NONE}
"""The header of a reply in which no technique took part."""


class Relays:
    """Passes requests on to `routes`; whole replies are kept in `cache` if there is one."""

    def __init__(
        self,
        routes: Routes,
        prices: Prices,
        observers: Sequence[Observer],
        cache: Cache | None,
        recorder: Recorder | None = None,
    ) -> None:
        self._routes = routes
        self._prices = prices
        self._observers = observers
        self._cache = cache
        self._recorder = recorder

    async def chat(self, request: ChatRequest, model: str, budget: Budget) -> Relay:
        """Pass a chat request on, under this name of its model."""
        record_as = None if self._recorder is None or request.trace is False else new_id()
        entry = Entry.of_chat(request, NONE, model, self._observers, self._recorder, record_as)
        cache = None if request.stream or request.sender.fresh else self._cache
        if cache is None:
            return await self._chat(request, model, budget, entry)
        key = key_of(self._routes.address, cache.owner(request), {**request.body, "model": model})
        relay = await recalled(cache, key)
        if relay is not None:
            relay = entry.passing(relay, SIGNED)
            entry.close(relay.status, usage=Usage(), cost=0.0)
            return relay
        relay = await self._chat(request, model, budget, entry)
        await remembered(cache, key, relay)
        return relay

    async def _chat(self, request: ChatRequest, model: str, budget: Budget, entry: Entry) -> Relay:
        content = request.raw
        if content is None or model != request.model:
            content = orjson.dumps({**request.body, "model": model})
        with entry.failing():
            self._check_room(request, model, budget)
            passed_on = RawRequest(
                *("POST", CHAT, content),
                authorization=request.authorization,
                model=model,
                stream=request.stream,
            )
            relay = await _in_time(self._routes.relay(passed_on), budget.seconds)
        prompt = estimate(request.body).prompt_tokens if relay.chunks else 0
        return entry.of(relay, self._prices, prompt, SIGNED)

    def _check_room(self, request: ChatRequest, model: str, budget: Budget) -> None:
        """Refuse a call whose worst case is beyond the budget; raises `BudgetExhausted`."""
        if budget.max_tokens is not None or budget.max_cost is not None:
            ledger = Ledger(budget, time.monotonic)
            ledger.reserve("generate", worst_case(request.body, self._routes.price(model, self._prices)))

    async def other(self, request: RawRequest, model: str, seconds: float | None) -> Relay:
        """Pass a request for another endpoint on, byte for byte.

        `model` is the one it names, empty for none.
        """
        content, grant = request.content, request.grant
        if grant.ceiling.max_cost is not None and content and self._routes.price(model, self._prices) is None:
            raise PermissionDenied(
                f"This key has a budget, and no price is known for {model!r}", param="model"
            )
        endpoint = request.path.partition("?")[0]
        recorded = self._recorder is not None and request.method == "POST"
        entry = Entry(
            *(self._observers, request.request_id, endpoint, grant.client, NONE, model),
            recorder=self._recorder,
            record_as=new_id() if recorded else None,
            body=content if request.content_type.startswith(JSON) else None,
        )
        with entry.failing():
            relay = await _in_time(self._routes.relay(request), seconds)
        return entry.of(relay, self._prices, len(content) // 4)


async def _in_time(passing_on: Coroutine[Any, Any, Relay], seconds: float | None) -> Relay:
    """Return a relay that ends within so many seconds.

    If it is a stream of events, none of its pauses is longer.
    """
    deadline = _from_now(seconds)
    try:
        async with asyncio.timeout_at(deadline):
            relay = await passing_on
    except TimeoutError:
        raise DeadlineExceeded("the upstream did not answer within the deadline") from None
    if relay.chunks is None:
        return relay
    if relay.headers.get("content-type", "").startswith(EVENTS):
        return replace(relay, chunks=_timed(relay.chunks, lambda: _from_now(seconds)))
    return replace(relay, chunks=_small_enough(_timed(relay.chunks, lambda: deadline)))


def _from_now(seconds: float | None) -> float | None:
    return None if seconds is None else asyncio.get_running_loop().time() + seconds


async def _timed(
    chunks: AsyncIterator[bytes], limit: Callable[[], float | None]
) -> AsyncGenerator[bytes, None]:
    """Pass chunks on, each of which has to come before `limit()`, a time of the loop's clock."""
    try:
        while True:
            async with asyncio.timeout_at(limit()):
                part = await anext(chunks, None)
            if part is None:
                return
            yield part
    except TimeoutError:
        raise DeadlineExceeded("the upstream's reply did not end within the deadline") from None
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()


async def _small_enough(chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Pass chunks on as long as they are a reply and no flood.

    Raises `UpstreamError` after `LARGEST` bytes.
    """
    length = 0
    async with aclosing(chunks):
        async for part in chunks:
            length += len(part)
            if length > LARGEST:
                raise UpstreamError(f"the upstream's reply is larger than {LARGEST // 2**20} MB")
            yield part
