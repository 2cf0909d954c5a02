"""Techniques at work: each request's ledger, trace, context and deadline, and its outcome.

This is the task boundary: whatever ends a technique early, the best answer so far is what comes back.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from http import HTTPStatus
from random import Random
from typing import Any, Final

import orjson
from anyio.streams.memory import MemoryObjectSendStream

from optillm.chat import (
    NONE,
    Budget,
    ChatRequest,
    Completion,
    Event,
    Reply,
    Report,
    VerdictStyle,
    least,
)
from optillm.config.prices import Prices
from optillm.engine.algebra import Offload, executed
from optillm.engine.call.cache import Cache
from optillm.engine.call.cached import Cached
from optillm.engine.call.calls import Calls
from optillm.engine.call.ledger import Ledger
from optillm.engine.run.candidates import Refused
from optillm.engine.run.composition import Work
from optillm.engine.run.context import RequestContext
from optillm.engine.run.drawing import described
from optillm.engine.run.estimate import options_of
from optillm.engine.run.events import EventQueue
from optillm.engine.run.merging import Merging
from optillm.engine.run.structured import AnswerForm, CallForm
from optillm.engine.upstream.routes import Routes
from optillm.errors import BudgetExhausted, DeadlineExceeded, OptillmError, ShuttingDown, UpstreamError
from optillm.observe.entry import Entry
from optillm.observe.record import Observer
from optillm.observe.traces.recording import Recorder
from optillm.technique import Answer, Candidate
from optillm.trace import Trace

log = logging.getLogger(__name__)

ENDED: Final = {
    "deadline": "the time was up: the best answer so far was returned",
    "budget": "the budget allowed no further call: the best answer so far was returned",
    "degraded": "a part of the work failed: the best answer so far was returned",
}
"""What is recorded of a technique that did not come to its end, by the reason."""
REFUSED: Final = "the upstream refused what the technique sends: one plain call gave the answer"
OUTLET: Final = 256
"""Events that may wait for a slow client before the technique waits too."""


@dataclass(frozen=True, slots=True)
class Job:
    """One request with techniques: `work` is what fits the budget of the `requested` work.

    `form` is what the client demands of an answer; `id` and `created` are those of the completion. `trace_id` is the
    one under which it is recorded, `None` if it is not.
    """

    work: Work
    requested: Work
    model: str
    request: ChatRequest
    form: AnswerForm | None
    merging: Merging
    budget: Budget
    id: str
    created: int
    trace_id: str | None = None

    @property
    def technique(self) -> str | None:
        """Return what runs, `none` for one plain call; `None` if that depends on the first reply."""
        if not self.request.offers_tools:
            return str(self.work)
        if not isinstance(self.form, CallForm):
            return None
        return NONE if all(stage.options.needs_text for stage in self.work.leaves()) else str(self.work)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The candidates to return, best first, and why the run stopped.

    It is `plain` if no technique took part.
    """

    candidates: Sequence[Candidate]
    stop: str
    plain: bool = False


class Runs:
    """Runs jobs.

    `admitted` are the slugs of the techniques that may run programs; `verdicts` is how judges are asked.
    """

    def __init__(
        self,
        routes: Routes,
        *,
        prices: Prices,
        observers: Sequence[Observer],
        cache: Cache | None,
        respect_temperature: bool,
        admitted: Collection[str],
        verdicts: VerdictStyle = "auto",
        recorder: Recorder | None = None,
    ) -> None:
        self.offload = Offload()
        self._routes = routes
        self._prices = prices
        self._observers = observers
        self._cache = cache
        self._respect_temperature = respect_temperature
        self._admitted = admitted
        self._verdicts = verdicts
        self._recorder = recorder
        self._shares_secret = cache is None
        self._secret = secrets.token_bytes(32)
        self._deadlines: set[asyncio.Timeout] = set()
        self._winding_down = False

    def wind_down(self) -> bool:
        """Wind down: running techniques return their best answer so far.

        Return whether any were running.
        """
        self._winding_down = True
        now = asyncio.get_running_loop().time()
        for deadline in self._deadlines:
            if not deadline.expired():
                deadline.reschedule(now)
        return bool(self._deadlines)

    def events(self, job: Job) -> EventQueue[Event]:
        """Return what a stream shows, the completion last."""
        return EventQueue(partial(self._stream, job), OUTLET)

    async def _stream(self, job: Job, outlet: MemoryObjectSendStream[Event]) -> None:
        await outlet.send(await self.answer(job, outlet))

    async def answer(
        self,
        job: Job,
        outlet: MemoryObjectSendStream[Event] | None,
        attended: asyncio.Event | None = None,
    ) -> Completion:
        """Return the completion.

        `outlet` takes what is to be shown before, and no call begins while `attended` is clear.
        """
        clock = asyncio.get_running_loop().time
        started, trace = clock(), Trace(clock, job.request.request_id)
        request = job.request
        budget = job.budget
        if outlet is None:  # in a stream there is always something to read
            budget = replace(budget, seconds=least(budget.seconds, request.sender.patience))
        ledger = Ledger(budget, clock, self._prices)
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
            execute=executed,
            admitted=self._admitted,
            outlet=outlet,
            respect_temperature=self._respect_temperature,
            verdicts=self._verdicts,
        )
        entry = self._entry(job, ledger, trace)
        try:
            with entry.failing(lambda: _spent(ledger, trace)):
                outcome = await self._run(job, ctx)
        finally:
            calls.close()
        if entry.recording is not None:
            entry.recording.returned = outcome.candidates
        replies = [candidate.reply for candidate in outcome.candidates[: request.choices]]
        spent = _spent(ledger, trace)
        ran = None if outcome.plain else job.work
        report = Report(
            technique=NONE if ran is None else str(ran),
            options={} if ran is None else options_of(ran),
            rounds=spent["rounds"],
            calls=dict(ledger.calls),
            seconds=clock() - started,
            stop_reason=outcome.stop,
            losses=dict(ledger.losses),
            turn="action" if replies[0].actions else "answer",
            cost=ledger.cost,
            requested_options=options_of(job.requested) if ran is not None and job.requested != ran else None,
            cached=None if calls.cached is None else calls.cached.hits,
            verdicts=dict(ledger.verdicts),
            trace=trace.wire() if request.trace else None,
            trace_id=job.trace_id,
        )
        entry.close(
            HTTPStatus.OK, technique=report.technique, stop=None if ran is None else outcome.stop, **spent
        )
        model = replies[0].model or job.model
        return Completion(replies, ledger.usage, report, model, job.id, job.created)

    def _entry(self, job: Job, ledger: Ledger, trace: Trace) -> Entry:
        """Open the entry of a request, and its recording if it has one."""
        observed = (job.model, self._observers, self._recorder, job.trace_id)
        entry = Entry.of_chat(job.request, str(job.work), *observed)
        if entry.recording is not None:
            entry.recording.trace = trace
            entry.recording.spent = lambda: _spent(ledger, trace)
            entry.recording.described = cache(partial(described, job.work, job.requested))
            entry.recording.choices = job.request.choices
        return entry

    async def _calls(self, job: Job, ledger: Ledger, trace: Trace, attended: asyncio.Event | None) -> Calls:
        """Return the request's way to the upstream, and its chance.

        Equal requests share their chance where replies are kept.
        """
        request = job.request
        chance, cache = request.request_id, None if request.sender.fresh else self._cache
        if cache is not None:
            chance = hashlib.sha256(orjson.dumps(request.body)).hexdigest()
        rng = Random(str(request.body.get("seed", chance)))  # noqa: S311 - chance, not secrecy
        cached = None
        if cache is not None:
            if not self._shares_secret:
                self._secret, self._shares_secret = await cache.secret(), True
            cached = Cached(cache, cache.owner(request), self._routes.address, trace)
        return Calls(self._routes, ledger, trace, rng, request.authorization, attended, cached)

    def _fence(self, request: ChatRequest) -> str:
        """A mark nobody outside can guess.

        The same request gets the same, so that it gets the same answer.
        """
        return hashlib.blake2b(orjson.dumps(request.body), key=self._secret, digest_size=4).hexdigest()

    @asynccontextmanager
    async def _deadline(self, ledger: Ledger) -> AsyncIterator[None]:
        """Raise `TimeoutError` when the time of a request is up, or that of this process."""
        now = asyncio.get_running_loop().time()
        deadline = asyncio.timeout_at(now if self._winding_down else ledger.deadline)
        self._deadlines.add(deadline)
        try:
            async with deadline:
                yield
        finally:
            self._deadlines.discard(deadline)

    async def _run(self, job: Job, ctx: RequestContext) -> Outcome:
        """Run the job and return its outcome; raises if there is nothing to return."""
        ledger = ctx.ledger
        try:
            async with self._deadline(ledger):
                if job.technique in (None, NONE):
                    first = await ctx.faithful()
                    if first[0].reply.actions or job.technique == NONE:
                        first = await ctx.in_form(first)
                        return Outcome(first, "degraded" if ledger.degraded else "complete", plain=True)
                    ctx = ctx.answering(first)
                answer = await self._performed(job, ctx)
                ledger.adopt(next(filter(ctx.has_form, answer.candidates), answer.candidates[0]))
                candidates = await ctx.in_form(await _filled_up(answer.candidates, ctx))
        except Refused as refusal:
            return Outcome(refusal.candidates, "complete")
        except TimeoutError:
            timeout: OptillmError = DeadlineExceeded("the deadline passed before anything usable arrived")
            if self._winding_down:
                timeout = ShuttingDown("The server is shutting down")
            return self._best(ctx, "deadline", timeout)
        except BudgetExhausted as error:
            return self._best(ctx, "budget", error)
        except UpstreamError as error:
            return self._best(ctx, "degraded", error)
        except OptillmError:
            raise
        except Exception as error:  # the task boundary: a fault in a technique must not lose a usable answer
            best = self._best(
                ctx, "degraded", error
            )  # when there is none, the error is logged where it is answered
            log.exception("Request %s: technique %s failed", job.request.request_id, job.work)
            return best
        if ledger.stopped_by_budget:
            return Outcome(candidates, "budget")
        if ledger.cut_for_time:
            return Outcome(candidates, "deadline")
        return Outcome(candidates, "degraded" if ledger.degraded or ledger.judges_lost else answer.stop)

    async def _performed(self, job: Job, ctx: RequestContext) -> Answer:
        """Return the techniques' answer, or a plain call's if the upstream refuses what they send."""
        try:
            return await job.work.run(ctx, job.merging)
        except UpstreamError as refusal:
            if not ctx.plain_may_do(refusal):
                raise
            ctx.ledger.degraded = True
            ctx.decide("degraded", REFUSED)
            try:
                return Answer.of(*await ctx.faithful())
            except BudgetExhausted:
                raise refusal from None

    @staticmethod
    def _best(ctx: RequestContext, stop: str, error: Exception) -> Outcome:
        shown = ctx.client.text
        ctx.decide(stop, ENDED[stop])
        if shown and stop == "deadline":  # the client has read this much: it is the answer, cut
            return Outcome([Candidate(Reply({"role": "assistant", "content": shown}, "length"))], stop)
        if shown.strip() or ctx.ledger.best is None:
            raise error
        return Outcome(ctx.ledger.choices, stop)


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
    """Return the candidates, and as many fresh samples as the client's choices still lack."""
    missing = ctx.choices - len(candidates)
    if missing <= 0:
        return candidates
    try:
        return [*candidates, *await ctx.sample(missing)]
    except (UpstreamError, BudgetExhausted):
        ctx.ledger.degraded = True
        return candidates
