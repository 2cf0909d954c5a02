"""The engine: a chat request in, the upstream's own reply or a technique's better one out.

Without a technique the request and the reply pass through untouched. With one, this is the task boundary:
the deadline is set here, and whatever ends a technique early, the best answer so far is what comes back.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final

import anyio
import orjson
from anyio.streams.memory import MemoryObjectSendStream

from optillm import solver
from optillm.chat import (
    Budget,
    ChatRequest,
    Completion,
    Event,
    Merge,
    RawRequest,
    Relay,
    Reply,
    Report,
    Stream,
    least,
)
from optillm.engine.cache import Cache, open_cache
from optillm.engine.calls import Calls
from optillm.engine.catalogue import Catalogue, as_error
from optillm.engine.composition import perform
from optillm.engine.context import Refused, RequestContext
from optillm.engine.fitting import fitted
from optillm.engine.forecast import Terms, forecast, options_of
from optillm.engine.joining import Joins
from optillm.engine.ledger import Ledger
from optillm.engine.offload import Offload, executed
from optillm.engine.planner import Fork, Planner, Work, check_grant
from optillm.engine.recall import CachedCalls
from optillm.engine.record import Entry, Observer
from optillm.engine.relays import Relays
from optillm.engine.routes import Routes
from optillm.errors import BudgetExhausted, DeadlineExceeded, OptillmError, UpstreamError
from optillm.prices import Prices, load_prices
from optillm.technique import Candidate
from optillm.techniques import Technique
from optillm.toolkit.schema import Form
from optillm.trace import Trace

if TYPE_CHECKING:
    from optillm.config import Settings

log = logging.getLogger(__name__)

OK: Final = 200
OUTLET: Final = 256
"""Events that may wait for a slow client before the technique waits too."""
SELECTOR: Final = "bon"
"""The technique that selects among the answers of parallel branches, given them as its candidates."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The server's side of every request: its ceilings, and what it advertises."""

    budget: Budget = field(default_factory=Budget)
    respect_temperature: bool = False
    advertised: Sequence[str] = ()
    merge: Merge = "select"
    background_bypass: bool = True
    background_model: str | None = None
    execution: bool = False


@dataclass(slots=True)
class _Job:
    """One request with techniques, while it is being served."""

    work: Work
    asked: Work
    model: str
    request: ChatRequest
    form: Form | None
    id: str
    created: int


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
    ) -> None:
        self.routes = routes
        self.planner = planner
        self.limits = limits or Limits()
        self.offload = Offload()
        self.prices = prices or Prices()
        self._observers = observers
        self._cache = cache
        self._relays = Relays(routes, self.prices, observers, cache)
        self._shares_secret = cache is None
        self._secret = secrets.token_bytes(32)
        self.catalogue = Catalogue(routes, self.limits.advertised)
        self._joins: Joins[Completion] = Joins()

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        techniques: Mapping[str, Technique],
        observers: Sequence[Observer] = (),
        prices: Prices | None = None,
    ) -> Engine:
        """The engine that the settings describe; `observers` are told of each request that has ended.

        `prices` are those of the file that the settings name, when that has been read already.
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
                execution=settings.rto_execution,
            ),
            prices=prices or load_prices(settings.prices),
            observers=observers,
            cache=open_cache(settings.cache, settings.cache_seconds, settings.cache_mb * 2**20)
            if settings.cache
            else None,
        )

    async def complete(self, request: ChatRequest) -> Relay | Completion | Stream:
        """Serve one chat request; raises `OptillmError`."""
        plan = self.planner.plan(request)
        if plan.work is None:
            return await self._plain(request, plan.model)
        bypassed = self._bypassed(request)
        if bypassed:
            relay = await self._plain(request, self._bypass_model(bypassed, plan.model))
            return replace(relay, headers={**relay.headers, "x-optillm-bypassed": bypassed})
        log.info("Using approach %s, with %s", plan.work, plan.model)
        job = self._job(request, plan.work, plan.model)
        if request.stream:
            choices = job.request.choices
            return Stream(self._events(job), str(plan.work), plan.model, job.id, job.created, choices)
        return await self._joins.run(request.sender, lambda attended: self._answer(job, None, attended))

    def plan(self, request: ChatRequest) -> dict[str, Any]:
        """What the request would take; nothing is sent. Raises `InvalidRequest` as `complete` would."""
        plan = self.planner.plan(request)
        work, model, bypassed = plan.work, plan.model, self._bypassed(request)
        if work is not None and bypassed:
            work, model = None, self._bypass_model(bypassed, model)
        if work is None:
            forecasted = forecast(None, None, self._terms(request, model), self._budget(request))
        else:
            job = self._job(request, work, model)
            terms = self._terms(job.request, model)
            forecasted = forecast(job.asked, job.work, terms, self._budget(request))
        return {**forecasted, "bypassed": bypassed if plan.work is not None else None}

    async def relay(self, request: RawRequest) -> Relay:
        """Pass a request for another endpoint on, byte for byte."""
        check_grant(request.grant, None, "model")
        return await self._relays.other(
            request, least(self.limits.budget.seconds, request.grant.ceiling.seconds)
        )

    async def models(self, authorization: str | None) -> list[dict[str, Any]]:
        """The models that can be asked for: the upstream's, and those names that stand for techniques."""
        return await self.catalogue.models(authorization)

    def techniques(self) -> list[dict[str, Any]]:
        """All techniques, described."""
        return [technique.described() for technique in self.planner.techniques.values()]

    async def reachable(self) -> bool:
        """Whether any upstream answers at all, whatever it thinks of our key."""
        return await self.routes.reachable()

    async def close(self) -> None:
        """Close connections and the child processes."""
        self.offload.close()
        solver.close()
        await self.routes.close()
        if self._cache is not None:
            await self._cache.close()

    # Without a technique.

    async def _plain(self, request: ChatRequest, model: str) -> Relay:
        relay = await self._relays.chat(request, model, self._budget(request))
        return self._with_suggestion(relay, model) if relay.status == 404 else relay

    def _with_suggestion(self, relay: Relay, model: str) -> Relay:
        suggestion = self.planner.suggestion(model)
        if suggestion is None:
            return relay
        error = as_error(relay).body()["error"]
        error["message"] = f"{error['message']} (did you mean {suggestion!r}?)"
        return replace(relay, body=orjson.dumps({"error": error}))

    # With one.

    async def _events(self, job: _Job) -> AsyncGenerator[Event, None]:
        outlet, events = anyio.create_memory_object_stream[Event](OUTLET)
        task = asyncio.create_task(self._answer(job, outlet))
        try:
            async with events:
                async for event in events:
                    yield event
            yield await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _answer(
        self,
        job: _Job,
        outlet: MemoryObjectSendStream[Event] | None,
        attended: asyncio.Event | None = None,
    ) -> Completion:
        clock = asyncio.get_running_loop().time
        started, trace = clock(), Trace(clock)
        request = job.request
        budget = self._budget(request)
        if outlet is None:  # in a stream there is always something to read
            budget = replace(budget, seconds=least(budget.seconds, request.sender.patience))
        ledger = Ledger(budget, clock, self.prices)
        calls = await self._calls(job, ledger, trace, attended)
        rng = calls.rng
        ctx = RequestContext(
            request,
            job.model,
            calls,
            rng=rng,
            fence=self._fence(request),
            canonical=self.offload.share(),
            form=job.form,
            execute=executed if self.limits.execution else None,
            outlet=outlet,
            respect_temperature=self.limits.respect_temperature,
        )
        entry = Entry.of_chat(request, str(job.work), job.model, self._observers)
        try:
            with entry.failing(lambda: _spent(ledger, trace)):
                candidates, stop = await self._run(job, ctx)
        finally:
            if outlet is not None:
                outlet.close()
        replies = [candidate.reply for candidate in candidates[: request.choices]]
        report = Report(
            technique=str(job.work),
            options=options_of(job.work),
            rounds=trace.rounds(),
            calls=dict(ledger.calls),
            seconds=clock() - started,
            stop_reason=stop,
            losses=dict(ledger.losses),
            turn="action" if replies[0].actions else "answer",
            cost=ledger.cost,
            asked=options_of(job.asked) if job.asked != job.work else None,
            cached=calls.hits if isinstance(calls, CachedCalls) else None,
            trace=trace.wire() if request.trace else None,
        )
        entry.close(OK, stop=stop, **_spent(ledger, trace))
        model = replies[0].model or job.model
        return Completion(replies, ledger.usage, report, model, job.id, job.created)

    async def _calls(self, job: _Job, ledger: Ledger, trace: Trace, attended: asyncio.Event | None) -> Calls:
        """The request's door to the upstream, and its chance: equal requests share it where replies are kept."""
        request = job.request
        chance, cache = request.request_id, None if request.sender.fresh else self._cache
        if cache is not None:
            chance = hashlib.sha256(orjson.dumps(request.body)).hexdigest()
        rng = Random(str(request.body.get("seed", chance)))  # noqa: S311 - chance, not secrecy
        shared = (self.routes, ledger, trace, rng, request.authorization, attended)
        if cache is None:
            return Calls(*shared)
        if not self._shares_secret:
            self._secret, self._shares_secret = await cache.secret(), True
        return CachedCalls(cache, *shared)

    def _fence(self, request: ChatRequest) -> str:
        """A mark nobody outside can guess; the same request gets the same, so that it gets the same answer."""
        return hashlib.blake2b(orjson.dumps(request.body), key=self._secret, digest_size=4).hexdigest()

    async def _run(self, job: _Job, ctx: RequestContext) -> tuple[Sequence[Candidate], str]:
        """The candidates to return, best first, and why it stopped; raises when there is none."""
        ledger = ctx.ledger
        try:
            async with asyncio.timeout_at(ledger.deadline):
                if job.request.offers_tools:
                    first = await ctx.faithful()
                    if first[0].reply.actions:
                        return first, "complete"
                    ctx = ctx.answering(first)
                merge, judge = self._merge(job.request), self.planner.techniques[SELECTOR]
                answer = await perform(job.work, ctx, merge, judge)
                ctx.ledger.settle_on(answer.candidates[0])
                candidates = await _filled_up(answer.candidates, ctx)
        except Refused as refusal:
            return refusal.candidates, "complete"
        except TimeoutError:
            timeout = DeadlineExceeded("the deadline passed before anything usable arrived")
            return self._best(ctx, "deadline", timeout)
        except BudgetExhausted as error:
            return self._best(ctx, "budget", error)
        except UpstreamError as error:
            return self._best(ctx, "degraded", error)
        except OptillmError:
            raise
        except Exception as error:  # the task boundary: a fault in a technique must not lose a usable answer
            log.exception("technique %s failed", job.work)
            return self._best(ctx, "degraded", error)
        if ledger.stopped_by_budget:
            return candidates, "budget"
        return candidates, "degraded" if ledger.degraded or ledger.unheard else answer.stop

    @staticmethod
    def _best(ctx: RequestContext, stop: str, error: Exception) -> tuple[Sequence[Candidate], str]:
        shown = ctx.shown.text
        if shown and stop == "deadline":  # the client has read this much: it is the answer, cut
            return [Candidate(Reply({"role": "assistant", "content": shown}, "length"))], stop
        if shown or ctx.ledger.best is None:
            raise error
        return ctx.ledger.choices, stop

    def _bypassed(self, request: ChatRequest) -> str | None:
        """Why a request gets one plain call although it names a technique, if it does."""
        if request.speaks:
            return "modalities"
        return "background" if request.sender.background and self.limits.background_bypass else None

    def _bypass_model(self, bypassed: str, model: str) -> str:
        """The model of that call: titles and the like do not need the one that the client talks to."""
        return (bypassed == "background" and self.limits.background_model) or model

    def _job(self, request: ChatRequest, asked: Work, model: str) -> _Job:
        """The work of a request, as small as its budget demands; raises `InvalidRequest`."""
        request = self._with_choices(request, asked)
        terms, budget = self._terms(request, model), self._budget(request)
        work = fitted(asked, lambda work: terms.affordable(work, budget))
        form = Form.of(request.body.get("response_format"))
        return _Job(work, asked, model, request, form, f"chatcmpl-{secrets.token_hex(12)}", int(time.time()))

    def _terms(self, request: ChatRequest, model: str) -> Terms:
        judge = self.planner.techniques[SELECTOR]
        price = partial(self.routes.price, prices=self.prices)
        return Terms(request, model, self._merge(request), judge, price)

    def _with_choices(self, request: ChatRequest, work: Work) -> ChatRequest:
        """The request, with a choice for each branch where that is how branches are merged."""
        if not (isinstance(work, Fork) and self._merge(request) == "choices"):
            return request
        return replace(request, body={**request.body, "n": max(request.choices, len(work.parts))})

    def _merge(self, request: ChatRequest) -> Merge:
        return request.merge or self.limits.merge

    def _budget(self, request: ChatRequest) -> Budget:
        return request.budget.within(request.grant.ceiling).within(self.limits.budget)


def _spent(ledger: Ledger, trace: Trace) -> dict[str, Any]:
    """What a record says of the calls of a request."""
    return {
        "rounds": trace.rounds(),
        "calls": dict(ledger.calls),
        "losses": dict(ledger.losses),
        "usage": ledger.usage,
        "cost": ledger.cost,
        "trace": trace,
    }


async def _filled_up(candidates: Sequence[Candidate], ctx: RequestContext) -> Sequence[Candidate]:
    """The candidates, and as many fresh samples as are missing from the choices that the client wants."""
    missing = ctx.choices - len(candidates)
    if missing <= 0:
        return candidates
    try:
        return [*candidates, *await ctx.sample(missing)]
    except (UpstreamError, BudgetExhausted):
        ctx.ledger.degraded = True
        return candidates
