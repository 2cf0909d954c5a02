"""The engine: a chat request in, the upstream's own reply or a technique's better one out.

Without a technique the request and the reply pass through untouched. With one, it is decided here what is to run,
within which bounds.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import orjson

from optillm import sandbox
from optillm.chat import (
    Budget,
    ChatRequest,
    Completion,
    Merge,
    RawRequest,
    Relay,
    Stream,
    VerdictStyle,
    least,
)
from optillm.config.prices import Prices
from optillm.engine.call.cache import Cache, open_cache
from optillm.engine.coalescing import Coalescer
from optillm.engine.endpoints import without_technique
from optillm.engine.passthrough import Relays
from optillm.engine.plan.planner import Plan, Planner, check_grant
from optillm.engine.run.composition import Work
from optillm.engine.run.estimate import Estimator, forecast, options_of
from optillm.engine.run.merging import Merging
from optillm.engine.run.runner import Job, Runs
from optillm.engine.run.shrinking import fitted
from optillm.engine.run.structured import demanded_form
from optillm.engine.upstream.models import Catalogue, as_error
from optillm.engine.upstream.routes import Routes
from optillm.observe.record import Observer
from optillm.observe.traces.recording import Recorder, new_id
from optillm.techniques import Technique, selector

if TYPE_CHECKING:
    from optillm.config.settings import Settings

log = logging.getLogger(__name__)

UNKNOWN_MODEL: Final = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY)
"""Statuses that upstreams return for a model that they do not serve."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The server's side of every request: its ceilings, and what it advertises.

    `admitted` are the slugs of the techniques that may run the programs of candidates.
    """

    budget: Budget = field(default_factory=Budget)
    respect_temperature: bool = False
    advertised: Sequence[str] = ()
    merge: Merge = "select"
    background_bypass: bool = True
    background_model: str | None = None
    admitted: Collection[str] = ()
    verdicts: VerdictStyle = "auto"


class Engine:
    """Serves chat requests over the upstreams; one per process, on one event loop."""

    def __init__(
        self,
        routes: Routes,
        planner: Planner,
        limits: Limits | None = None,
        *,
        prices: Prices | None = None,
        observers: Sequence[Observer] = (),
        cache: Cache | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.routes = routes
        self.planner = planner
        self.limits = limits or Limits()
        self.prices = prices or Prices()
        self._cache = cache
        self._recorder = recorder
        self._relays = Relays(routes, self.prices, observers, cache, recorder)
        self._selector = selector(planner.techniques)
        self.runs = Runs(
            routes,
            prices=self.prices,
            observers=observers,
            cache=cache,
            respect_temperature=self.limits.respect_temperature,
            admitted=self.limits.admitted,
            verdicts=self.limits.verdicts,
            recorder=recorder,
        )
        self.catalogue = Catalogue(routes, self.limits.advertised)
        self._coalescer: Coalescer[Completion] = Coalescer()

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        techniques: Mapping[str, Technique],
        observers: Sequence[Observer] = (),
        recorder: Recorder | None = None,
    ) -> Engine:
        """The engine that the settings describe.

        `observers` are told of each request that has ended; `recorder` takes a recording of each that begins.
        """
        defaults = {slug: settings.technique_options(slug) for slug in techniques}
        slugs = techniques if settings.advertise is None else settings.advertise
        return cls(
            Routes.from_settings(settings),
            Planner(techniques, defaults, settings.approach),
            Limits(
                budget=Budget(
                    settings.max_calls,
                    settings.max_tokens_per_request,
                    settings.timeout,
                    settings.max_cost_per_request,
                ),
                respect_temperature=settings.respect_temperature,
                advertised=[f"{slug}-{settings.model}" for slug in slugs],
                merge=settings.merge,
                background_bypass=settings.background_bypass,
                background_model=settings.background_model,
                admitted=frozenset(filter(settings.admits, techniques)),
                verdicts=settings.verdicts,
            ),
            prices=settings.price_table,
            observers=observers,
            recorder=recorder,
            cache=open_cache(
                settings.cache,
                settings.cache_seconds,
                settings.cache_mb * 2**20,
                shared=settings.cache_shared,
            )
            if settings.cache
            else None,
        )

    async def complete(self, request: ChatRequest) -> Relay | Completion | Stream:
        """Serve one chat request; raises `OptillmError`."""
        plan = self._decided(request)
        if plan.work is None:
            relay = await self._plain(request, plan.model)
            if plan.bypassed is None:
                return relay
            return replace(relay, headers={**relay.headers, "x-optillm-bypassed": plan.bypassed})
        log.info("Using approach %s, with %s, request %s", plan.work, plan.model, request.request_id)
        job = self._job(request, plan.work, plan.model)
        if request.stream:
            choices = job.request.choices
            identity = (job.technique, plan.model, job.id, job.created)
            return Stream(self.runs.events(job), *identity, choices, job.trace_id)
        return await self._coalescer.run(
            request.sender, lambda attended: self.runs.answer(job, None, attended)
        )

    def plan(self, request: ChatRequest) -> dict[str, Any]:
        """What the request would take; nothing is sent. Raises `InvalidRequest` as `complete` would."""
        plan = self._decided(request)
        if plan.work is None:
            forecasted = forecast(None, None, self._estimator(request, plan.model), self._budget(request))
        else:
            job = self._job(request, plan.work, plan.model)
            estimator = self._estimator(job.request, plan.model)
            forecasted = forecast(job.requested, job.work, estimator, self._budget(request))
        return {**forecasted, "bypassed": plan.bypassed}

    async def relay(self, request: RawRequest) -> Relay:
        """Pass a request for another endpoint on, byte for byte."""
        request, model = self.without_technique(request)
        seconds = least(self.limits.budget.seconds, request.grant.ceiling.seconds)
        return await self._relays.other(request, model, seconds)

    def without_technique(self, request: RawRequest) -> tuple[RawRequest, str]:
        """Return a request for another endpoint and its model.

        Raises `InvalidRequest` if it asks for a technique.
        """
        request_and_model = without_technique(request, self.planner)
        check_grant(request.grant, None, "model")
        return request_and_model

    async def models(self, authorization: str | None) -> list[dict[str, Any]]:
        """The models that can be requested: the upstream's, and names that stand for techniques."""
        return await self.catalogue.models(authorization)

    def techniques(self) -> list[dict[str, Any]]:
        """All techniques, described."""
        return [technique.described() for technique in self.planner.techniques.values()]

    async def reachable(self) -> bool:
        """Whether any upstream answers at all, whatever it thinks of our key."""
        return await self.routes.reachable()

    def wind_down(self) -> bool:
        """Wind down: running techniques return their best answer so far.

        Return whether any were running.
        """
        return self.runs.wind_down()

    async def close(self) -> None:
        """Close connections and the child processes."""
        self.runs.offload.close()
        await asyncio.to_thread(sandbox.close)
        await self.routes.close()
        if self._cache is not None:
            await self._cache.close()
        if self._recorder is not None:
            await asyncio.to_thread(self._recorder.close)

    def _decided(self, request: ChatRequest) -> Plan:
        """Return the plan to execute; raises `InvalidRequest` or `PermissionDenied`.

        This is the only place where a chat request that names a technique becomes a plain call. If the key allows no
        plain calls, background requests run the technique, and requests for other output than text are refused.
        """
        plan = self.planner.plan(request)
        if plan.work is None:
            return plan
        if request.wants_more_than_text:  # speech, for example, which no technique can compare
            check_grant(request.grant, None, "modalities")
            return Plan(plan.model, bypassed="modalities")
        if request.sender.background and self.limits.background_bypass and request.grant.plain:
            return Plan(self.limits.background_model or plan.model, bypassed="background")
        return plan

    # Without a technique.

    async def _plain(self, request: ChatRequest, model: str) -> Relay:
        relay = await self._relays.chat(request, model, self._budget(request))
        return self._with_advice(relay, model) if relay.status in UNKNOWN_MODEL else relay

    def _with_advice(self, relay: Relay, model: str) -> Relay:
        advice = self.planner.advice(model)
        if advice is None:
            return relay
        error = as_error(relay).body()["error"]
        if relay.status != HTTPStatus.NOT_FOUND and "model" not in str(error["message"]).lower():
            return relay
        error["message"] = f"{error['message']} ({advice})"
        return replace(relay, body=orjson.dumps({"error": error}))

    # With one.

    def _job(self, request: ChatRequest, requested: Work, model: str) -> Job:
        """The work of a request, as small as its budget demands; raises `InvalidRequest`."""
        merging = self._merging(request)
        choices = requested.choices(request.choices, merging)
        if choices != request.choices:
            request = replace(request, body={**request.body, "n": choices})
        estimator, budget = self._estimator(request, model), self._budget(request)
        work = fitted(requested, lambda work: estimator.affordable(work, budget))
        if work != requested:
            log.debug(
                "Request %s: options reduced to fit the budget: %s", request.request_id, options_of(work)
            )
        form = demanded_form(request.body)
        number = f"chatcmpl-{secrets.token_hex(12)}"
        record_as = None if self._recorder is None or request.trace is False else new_id()
        identity = (number, int(time.time()), record_as)
        return Job(work, requested, model, request, form, merging, budget, *identity)

    def _estimator(self, request: ChatRequest, model: str) -> Estimator:
        price = partial(self.routes.price, prices=self.prices)
        return Estimator(request, model, self._merging(request), price)

    def _merging(self, request: ChatRequest) -> Merging:
        return Merging(request.merge or self.limits.merge, self._selector)

    def _budget(self, request: ChatRequest) -> Budget:
        return request.budget.within(request.grant.ceiling).within(self.limits.budget)
