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
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    Grant,
    Merge,
    RawRequest,
    Relay,
    Reply,
    Report,
    Sender,
    Stream,
    least,
)
from optillm.engine.calls import Calls, Route, estimate, worst_case
from optillm.engine.catalogue import Catalogue, as_error
from optillm.engine.composition import perform
from optillm.engine.context import Refused, RequestContext
from optillm.engine.dialect import Dialects
from optillm.engine.forecast import forecast, options_of
from optillm.engine.joining import Joins
from optillm.engine.ledger import Ledger
from optillm.engine.limiter import Limiters
from optillm.engine.offload import Offload, executed
from optillm.engine.plan import NONE
from optillm.engine.planner import Fork, Planner, Work
from optillm.engine.record import Entry, Observer, Record
from optillm.engine.upstream import CHAT, Upstream, connect
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
LONGEST_NAME: Final = 256
"""Characters of a model's name in a request that is passed on unread."""
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
    model: str
    request: ChatRequest
    form: Form | None
    id: str
    created: int


class Engine:
    """Serves chat requests over one upstream; one per process, on one event loop."""

    def __init__(
        self,
        upstream: Upstream,
        planner: Planner,
        limits: Limits | None = None,
        *,
        cap: int = 256,
        retries: int = 3,
        prices: Prices | None = None,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.upstream = upstream
        self.planner = planner
        self.limits = limits or Limits()
        self.offload = Offload()
        self.route = Route(upstream, Dialects(time.monotonic), Limiters(cap), retries, prices or Prices())
        self._observers = observers
        self._secret = secrets.token_bytes(32)
        self.catalogue = Catalogue(upstream, self.limits.advertised)
        self._joins: Joins[Completion] = Joins()

    @classmethod
    def from_settings(
        cls, settings: Settings, techniques: Mapping[str, Technique], observers: Sequence[Observer] = ()
    ) -> Engine:
        """The engine that the settings describe; `observers` are told of each request that has ended."""
        defaults = {slug: settings.technique_options(slug) for slug in techniques}
        slugs = techniques if settings.advertise is None else settings.advertise
        return cls(
            connect(settings),
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
            cap=settings.upstream_concurrency,
            retries=settings.upstream_retries,
            prices=load_prices(settings.prices),
            observers=observers,
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
        request = self._with_choices(request, plan.work)
        form = Form.of(request.body.get("response_format"))
        job = _Job(
            plan.work, plan.model, request, form, f"chatcmpl-{secrets.token_hex(12)}", int(time.time())
        )
        if request.stream:
            return Stream(self._events(job), str(plan.work), plan.model, job.id, job.created, request.choices)
        return await self._joins.run(request.sender, lambda attended: self._answer(job, None, attended))

    def plan(self, request: ChatRequest) -> dict[str, Any]:
        """What the request would take; nothing is sent. Raises `InvalidRequest` as `complete` would."""
        plan = self.planner.plan(request)
        work, model, bypassed = plan.work, plan.model, self._bypassed(request)
        if work is not None and bypassed:
            work, model = None, self._bypass_model(bypassed, model)
        if work is not None:
            request = self._with_choices(request, work)
            Form.of(request.body.get("response_format"))
        judge = self.planner.techniques[SELECTOR]
        forecasted = forecast(work, model, request, self._budget(request), self._merge(request), judge)
        return {**forecasted, "bypassed": bypassed if plan.work is not None else None}

    async def relay(self, request: RawRequest) -> Relay:
        """Pass a request for another endpoint on, byte for byte."""
        grant, content = request.grant, request.content
        model = model_in(content, request.content_type)
        entry = self._entry(request.request_id, request.path, grant, Sender(), NONE, model)
        passing_on = self.upstream.relay(
            request.method,
            request.path,
            content,
            content_type=request.content_type,
            authorization=request.authorization,
        )
        with entry.failing():
            relay = await _in_time(passing_on, least(self.limits.budget.seconds, grant.ceiling.seconds))
        return entry.of(relay, self.route.prices, len(content) // 4)

    async def models(self, authorization: str | None) -> list[dict[str, Any]]:
        """The models that can be asked for: the upstream's, and those names that stand for techniques."""
        return await self.catalogue.models(authorization)

    def techniques(self) -> list[dict[str, Any]]:
        """All techniques, described."""
        return [technique.described() for technique in self.planner.techniques.values()]

    async def reachable(self) -> bool:
        """Whether the upstream answers at all, whatever it thinks of our key."""
        try:
            return (await self.upstream.relay("GET", "/models", b"", authorization=None)).status < 500
        except UpstreamError:
            return False

    async def close(self) -> None:
        """Close connections and the child processes."""
        self.offload.close()
        solver.close()
        await self.upstream.close()

    # Without a technique.

    async def _plain(self, request: ChatRequest, model: str) -> Relay:
        content = request.raw
        if content is None or model != request.model:
            content = orjson.dumps({**request.body, "model": model})
        entry = self._noted(request, NONE, model)
        with entry.failing():
            budget = self._budget(request)
            self._check_room(request, model, budget)
            passing_on = self.upstream.relay(
                "POST", CHAT, content, authorization=request.authorization, stream=request.stream
            )
            relay = await _in_time(passing_on, budget.seconds)
        relay = replace(relay, headers={**relay.headers, "x-optillm-technique": NONE})
        relay = self._with_suggestion(relay, model) if relay.status == 404 else relay
        return entry.of(relay, self.route.prices, estimate(request.body).prompt_tokens if relay.chunks else 0)

    def _check_room(self, request: ChatRequest, model: str, budget: Budget) -> None:
        """Refuse a plain call whose worst case is beyond the budget; raises `BudgetExhausted`."""
        ledger = Ledger(budget, time.monotonic)
        if ledger.counting:
            ledger.reserve("generate", worst_case(request.body, self.route.prices.of(model)))

    def _with_suggestion(self, relay: Relay, model: str) -> Relay:
        suggestion = self.planner.suggestion(model)
        if suggestion is None:
            return relay
        error = as_error(relay).body()["error"]
        error["message"] = f"{error['message']} (did you mean {suggestion!r}?)"
        return replace(relay, body=orjson.dumps({"error": error}))

    def _noted(self, request: ChatRequest, technique: str, model: str) -> Entry:
        return self._entry(
            request.request_id, CHAT, request.grant, request.sender, technique, model, stream=request.stream
        )

    def _entry(
        self,
        request_id: str,
        endpoint: str,
        grant: Grant,
        sender: Sender,
        technique: str,
        model: str,
        *,
        stream: bool = False,
    ) -> Entry:
        known = Record(
            request_id,
            endpoint.partition("?")[0],
            grant.client,
            technique,
            model,
            status=0,
            started=time.time(),
            seconds=0.0,
            stream=stream,
            headers=sender.continues,
        )
        return Entry(known, self._observers)

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
        ledger = Ledger(budget, clock)
        rng = Random(str(request.body.get("seed", request.request_id)))  # noqa: S311 - chance, not secrecy
        ctx = RequestContext(
            request,
            job.model,
            Calls(self.route, ledger, trace, rng, request.authorization, attended),
            rng=rng,
            fence=self._fence(request),
            canonical=self.offload.share(),
            form=job.form,
            execute=executed if self.limits.execution else None,
            outlet=outlet,
            respect_temperature=self.limits.respect_temperature,
        )
        entry = self._noted(request, str(job.work), job.model)
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
            trace=trace.wire() if request.trace else None,
        )
        entry.close(OK, stop=stop, **_spent(ledger, trace))
        model = replies[0].model or job.model
        return Completion(replies, ledger.usage, report, model, job.id, job.created)

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


def model_in(content: bytes, content_type: str) -> str:
    """The model that a JSON body for another endpoint names; empty without one worth the name."""
    if not content_type.startswith("application/json") or b'"model"' not in content:
        return ""
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        return ""
    model = body.get("model") if isinstance(body, dict) else None
    return model if isinstance(model, str) and len(model) <= LONGEST_NAME else ""
