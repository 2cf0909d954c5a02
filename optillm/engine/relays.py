"""Requests without a technique, and those for other endpoints: what the upstream says, untouched.

Here is done as little as can be: a deadline, a look at the budget, a note of what passed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from dataclasses import replace
from typing import Any

import orjson

from optillm.chat import Budget, ChatRequest, RawRequest, Relay, Usage
from optillm.engine.cache import Cache, key_of
from optillm.engine.calls import estimate, worst_case
from optillm.engine.exchange import CHAT
from optillm.engine.ledger import Ledger
from optillm.engine.plan import NONE
from optillm.engine.recall import recalled, remembered
from optillm.engine.record import Entry, Observer
from optillm.engine.routes import Routes
from optillm.errors import DeadlineExceeded, PermissionDenied
from optillm.prices import Prices

TECHNIQUE = "x-optillm-technique"


class Relays:
    """Passes requests on to `routes`; whole replies are kept in `cache` if there is one."""

    def __init__(
        self, routes: Routes, prices: Prices, observers: Sequence[Observer], cache: Cache | None
    ) -> None:
        self._routes = routes
        self._prices = prices
        self._observers = observers
        self._cache = cache

    async def chat(self, request: ChatRequest, model: str, budget: Budget) -> Relay:
        """Pass a chat request on, under this name of its model."""
        entry = Entry.of_chat(request, NONE, model, self._observers)
        cache = None if request.stream or request.sender.fresh else self._cache
        if cache is None:
            return await self._chat(request, model, budget, entry)
        key = key_of(self._routes.address, cache.owner(request), {**request.body, "model": model})
        relay = await recalled(cache, key)
        if relay is not None:
            entry.close(relay.status, usage=Usage(), cost=0.0)
            return _signed(relay)
        relay = await self._chat(request, model, budget, entry)
        await remembered(cache, key, relay)
        return relay

    async def _chat(self, request: ChatRequest, model: str, budget: Budget, entry: Entry) -> Relay:
        content = request.raw
        if content is None or model != request.model:
            content = orjson.dumps({**request.body, "model": model})
        with entry.failing():
            self._check_room(request, model, budget)
            passing_on = self._routes.relay(
                *("POST", CHAT, content),
                model=model,
                authorization=request.authorization,
                stream=request.stream,
            )
            relay = await _in_time(passing_on, budget.seconds)
        prompt = estimate(request.body).prompt_tokens if relay.chunks else 0
        return _signed(entry.of(relay, self._prices, prompt))

    def _check_room(self, request: ChatRequest, model: str, budget: Budget) -> None:
        """Refuse a call whose worst case is beyond the budget; raises `BudgetExhausted`."""
        if budget.max_tokens is not None or budget.max_cost is not None:
            ledger = Ledger(budget, time.monotonic)
            ledger.reserve("generate", worst_case(request.body, self._routes.price(model, self._prices)))

    async def other(self, request: RawRequest, model: str, seconds: float | None) -> Relay:
        """Pass a request for another endpoint on, byte for byte; `model` is the one it names, empty for none."""
        content, grant = request.content, request.grant
        if grant.ceiling.max_cost is not None and content and self._routes.price(model, self._prices) is None:
            raise PermissionDenied(
                f"This key has a budget, and no price is known for {model!r}", param="model"
            )
        endpoint = request.path.partition("?")[0]
        entry = Entry(self._observers, request.request_id, endpoint, grant.client, NONE, model)
        passing_on = self._routes.relay(
            request.method,
            request.path,
            content,
            content_type=request.content_type,
            authorization=request.authorization,
        )
        with entry.failing():
            relay = await _in_time(passing_on, seconds)
        return entry.of(relay, self._prices, len(content) // 4)


def _signed(relay: Relay) -> Relay:
    return replace(relay, headers={**relay.headers, TECHNIQUE: NONE})


async def _in_time(passing_on: Coroutine[Any, Any, Relay], seconds: float | None) -> Relay:
    """A relay that begins in so many seconds, and then is never silent for longer."""
    try:
        async with asyncio.timeout(seconds):
            relay = await passing_on
    except TimeoutError:
        raise DeadlineExceeded("the upstream did not answer within the deadline") from None
    return relay if relay.chunks is None else replace(relay, chunks=_audible(relay.chunks, seconds))


async def _audible(chunks: AsyncIterator[bytes], seconds: float | None) -> AsyncGenerator[bytes, None]:
    try:
        while True:
            async with asyncio.timeout(seconds):
                part = await anext(chunks, None)
            if part is None:
                return
            yield part
    except TimeoutError:
        raise DeadlineExceeded("the upstream fell silent until the deadline") from None
    finally:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()
