"""The upstream calls of one request, and the layers that each of them goes through."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from random import Random

from optillm.chat import Reply
from optillm.engine.call.adapted import Adapted
from optillm.engine.call.cached import Cached
from optillm.engine.call.call import Call, Condition, Emit, Layer, Next, Traffic, unscreened
from optillm.engine.call.client import Client
from optillm.engine.call.hedged import Hedged
from optillm.engine.call.hedging import Hedging
from optillm.engine.call.ledger import Ledger, WorstCase
from optillm.engine.call.limited import Limited
from optillm.engine.call.metered import Metered
from optillm.engine.call.negotiation import BundleRefused
from optillm.engine.call.payload import Payload
from optillm.engine.call.retried import Retried
from optillm.engine.call.retries import Retries
from optillm.engine.call.routed import Routed
from optillm.engine.call.traced import Traced
from optillm.engine.upstream.routes import Routes
from optillm.trace import Judgement, Trace


def composed(layers: Sequence[Layer], last: Next) -> Next:
    """Return one function that takes a call through these layers, and through `last`.

    The first layer is the outermost.
    """
    for layer in reversed(layers):
        last = partial(layer.__call__, next=last)
    return last


class Calls:
    """Makes the upstream calls of one request.

    `authorization` is passed through unless it is `None`. `attended` is set while a client waits for the request; no
    call begins while it is clear. `cached` holds the replies kept from earlier requests, where there is a cache.
    `traffic` is what the calls are doing.
    """

    def __init__(
        self,
        routes: Routes,
        ledger: Ledger,
        trace: Trace,
        rng: Random,
        authorization: str | None = None,
        attended: asyncio.Event | None = None,
        cached: Cached | None = None,
    ) -> None:
        self.routes = routes
        self.ledger = ledger
        self.trace = trace
        self.rng = rng
        self.cached = cached
        self.traffic = Traffic()
        self._authorization = authorization
        self._most_choices = dict[str, int | None]()
        self._memory = routes.memory.of_request()
        self._hedging = Hedging(routes.silences, routes.durations, routes.retries, ledger, self._has_room)
        retries = Retries(routes.retries, routes.outages, rng)
        self._adapted = Adapted(routes.capabilities)
        self.layers: Sequence[Layer] = [
            *([cached] if cached is not None else []),
            Traced(trace),
            Retried(retries, ledger, trace, self._hedging.typical_duration),
            Hedged(self._hedging),
            Routed(routes, rng),
            self._adapted,
            Limited(authorization, attended),
            Metered(ledger),
        ]
        self._make = composed(self.layers, Client(authorization, self._memory))

    def close(self) -> None:
        """Release the memory that is accounted to the replies."""
        self._memory.release()

    async def complete(
        self,
        role: str,
        payload: Payload,
        until: Condition | None = None,
        judgement: Judgement | None = None,
    ) -> list[Reply]:
        """Return the choices of one completion.

        There are none if the upstream refuses to give several in one call. A reply that comes as a stream, and goes on
        after its text has met the condition `until`, is ended. With `judgement`, the call is recorded as made for that.
        Raises `UpstreamError` or `BudgetExhausted`.
        """
        call = Call(role, payload, until=until, traffic=self.traffic, judgement=judgement)
        try:
            return (await self._make(call)).replies
        except BundleRefused as refused:
            self._most_choices[payload.model] = refused.most
            return []
        finally:
            call.race = None  # which refers to the call

    async def stream(
        self, role: str, payload: Payload, on_text: Emit, screen: Callable[[Emit], Emit] = unscreened
    ) -> Reply:
        """Return one completion, and pass its text to `on_text` as it comes.

        It is retried only while nothing has been shown. For each attempt, `screen` wraps the function that shows its
        text, and decides what of it is shown.
        """
        call = Call(role, payload, on_text=on_text, screen=screen, traffic=self.traffic)
        try:
            return (await self._make(call)).replies[0]
        finally:
            call.race = None  # which refers to the call

    # What is known of calls.

    @property
    def refused_models(self) -> set[str]:
        """The models that refused the conversation as the client sent it."""
        return self._adapted.refused_models

    def typical(self, role: str, model: str) -> float | None:
        """Return how many seconds a call of this role and model takes; `None` when nothing is known."""
        return self._hedging.typical_duration((role, model))

    def honours_n(self, model: str) -> bool | None:
        """Return whether one call for this model gives as many choices as it asks for.

        Returns `None` if that is not known.
        """
        return self.routes.honours_n(model)

    def most_choices(self, model: str) -> int | None:
        """Return how many choices one call for this model may ask for.

        Returns `None` when no bound is known.
        """
        return self.routes.most_choices(model)

    def bound_n(self, model: str) -> None:
        """Remember that the model refused a call for several choices.

        From now on fewer are requested at a time, or single ones.
        """
        self.routes.bound_n(model, self._most_choices.get(model))

    def worst(self, payload: Payload) -> WorstCase:
        """Return the most a call may take, whichever upstream it goes to, of what the budget limits."""
        price = self.routes.price(payload.model, self.ledger.prices)
        return self.ledger.worst_case(payload.body if self.ledger.needs_worst_cases else {}, price)

    def _has_room(self, call: Call) -> bool:
        """Return whether the request and the upstream have room for one more attempt at a call now."""
        if self.traffic.queued or not self.routes.may_repeat(self._authorization, call.payload.model):
            return False
        return self.ledger.affords_optional(self.worst(call.payload))
