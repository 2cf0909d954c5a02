"""The upstream calls of one request: admitted by the ledger, paced by the limiter, adapted to what the model
takes, retried while that can help, and recorded in the trace.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Hashable, Mapping
from contextlib import aclosing, asynccontextmanager
from functools import partial
from random import Random
from typing import Any, Final, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from optillm.chat import Reply, Usage
from optillm.config.prices import Price
from optillm.engine.call.blanks import Blank, blank
from optillm.engine.call.hedging import Hedge, Hedges, Terms, departed, heard, repeated
from optillm.engine.call.ledger import JUDGE, NOTHING, Ledger, Reservation, Worst
from optillm.engine.call.negotiation import Attempts, BundleRefused, negotiated
from optillm.engine.call.retries import Limits, Retries
from optillm.engine.run.payloads import Payload, prompt_tokens
from optillm.engine.upstream.choice_usage import of_all_choices
from optillm.engine.upstream.limiter import Turn
from optillm.engine.upstream.replies import DONE, Assembly, read_replies
from optillm.engine.upstream.routes import Route, Routes
from optillm.errors import BudgetExhausted, UpstreamError
from optillm.trace import Call, Trace

ASSUMED_REPLY: Final = 1024
"""Tokens a reply is taken to need at worst when the request sets no limit."""

LIGHT: Final = 1000
"""Tokens of the longest prompt that a server reads in negligible time."""
NOTICEABLE: Final = 0.001
"""Seconds beyond which the trace reports a wait for a turn."""

OK: Final = 200
TOO_MUCH: Final = frozenset({400, 413, 422})
"""Statuses with which upstreams refuse the content of a call, or its length."""

T = TypeVar("T")
Emit = Callable[[str], Awaitable[None]]
Condition = Callable[[str], bool]
"""Takes the text of a reply so far, and says whether that is enough."""


def always() -> bool:
    """Return `True`: the condition that always holds."""
    return True


class Calls:
    """Makes the upstream calls of one request.

    `authorization` is passed through unless it is `None`. On the trace's clock, `last_sent` is when the latest call
    was sent, and `last_heard` when the latest piece of a streamed reply came. `queued` counts the calls that wait for
    their turn; `refused_models` are those that refused the conversation as the client sent it. `attended` is set
    while a client waits for the request; no call begins while it is clear.
    """

    def __init__(
        self,
        routes: Routes,
        ledger: Ledger,
        trace: Trace,
        rng: Random,
        authorization: str | None = None,
        attended: asyncio.Event | None = None,
    ) -> None:
        self.routes = routes
        self.ledger = ledger
        self.trace = trace
        self.last_sent = self.last_heard = 0.0
        self.queued = 0
        self.refused_models = set[str]()
        self.rng = rng
        self._authorization = authorization
        self._attended = attended
        self._hedges = Hedges(routes.silences, routes.durations)
        self._refused_in_vain = set[Hashable]()
        self._most_choices = dict[str, int | None]()
        self._memory = routes.memory.of_request()

    def close(self) -> None:
        """Release the memory that is accounted to the replies."""
        self._memory.release()

    def honours_n(self, model: str) -> bool | None:
        """Return whether one call for this model gives as many choices as it asks for; `None` if that is not known."""
        return self.routes.honours_n(model)

    def usual(self, role: str, model: str) -> float | None:
        """Return how many seconds a call of this role and model takes; `None` when nothing is known."""
        return self._hedges.duration.of((role, model)).seconds or None

    def most_choices(self, model: str) -> int | None:
        """Return how many choices one call for this model may ask for; `None` when no bound is known."""
        return self.routes.most_choices(model)

    def bound_n(self, model: str) -> None:
        """Remember that the model refused a call for several choices: request fewer of it at a time, or single ones."""
        self.routes.bound_n(model, self._most_choices.get(model))

    async def complete(self, role: str, payload: Payload, until: Condition | None = None) -> list[Reply]:
        """Return the choices of one completion; none if the upstream refuses to give several in one call.

        A reply that comes as a stream, and goes on after its text has met the condition `until`, is ended. Raises
        `UpstreamError` or `BudgetExhausted`.
        """
        attempts = Attempts(self._refused_in_vain)

        async def once(route: Route) -> tuple[list[Reply], Usage]:
            form = payload.repeated() if repeated() else payload
            call = partial(
                self._sent, route, form, attempts, span, partial(self._once, route, span, until=until)
            )
            result = await self._adapted(route, form, attempts, call)
            capabilities = self.routes.capabilities(route, payload.model)
            capabilities.counted(payload.choices, len(result[0]))
            capabilities.notice(*result, judging=role == JUDGE)
            return result

        try:
            with self.trace.call(role, **{"gen_ai.request.model": payload.model}) as span:
                hedge: Hedge[tuple[list[Reply], Usage]] = self._hedge(role, payload)
                waiting = list[Route]()
                replies, usage = await self._tried(
                    span,
                    lambda: hedge.first(lambda: self._routed(span, payload.model, once, waiting)),
                    attempts,
                )
                span.attributes |= _token_counts(usage)
                return replies
        except BundleRefused as refused:
            self._most_choices[payload.model] = refused.most
            return []

    async def stream(
        self, role: str, payload: Payload, show: Emit, gate: Callable[[Emit], Emit] = lambda emit: emit
    ) -> Reply:
        """Return one completion, and pass its text to `show` as it comes; retry only while nothing has been shown.

        For each attempt, `gate` wraps the function that shows its text, and decides what of it is shown.
        """
        attempts = Attempts(self._refused_in_vain)
        hedge: Hedge[tuple[list[Reply], Usage]] = self._hedge(role, payload)
        shown = False

        def nothing_shown() -> bool:
            return not shown

        async def forward(text: str) -> None:
            nonlocal shown
            await hedge.show()
            shown, begun = True, self.trace.clock()
            await show(text)
            hedge.held_up(self.trace.clock() - begun)

        async def once(route: Route) -> tuple[list[Reply], Usage]:
            form = payload.repeated() if repeated() else payload
            streamed = partial(self._once_streamed, route, span, emit=gate(forward))
            call = partial(self._sent, route, form, attempts, span, streamed)
            return await self._adapted(route, form, attempts, call, nothing_shown)

        with self.trace.call(role, **{"gen_ai.request.model": payload.model}) as span:
            waiting = list[Route]()
            replies, usage = await self._tried(
                span,
                lambda: hedge.first(lambda: self._routed(span, payload.model, once, waiting, nothing_shown)),
                attempts,
                nothing_shown,
            )
            span.attributes |= _token_counts(usage)
            return replies[0]

    def _hedge(self, role: str, payload: Payload) -> Hedge[Any]:
        model = payload.model

        def room() -> bool:
            free = not self.queued and self.routes.may_repeat(self._authorization, model)
            return free and self.ledger.spare(self.worst(payload))

        retries, left = self.routes.retries, self.ledger.seconds_left
        terms = Terms(retries, left, room, lambda: self.ledger.best is not None)
        return Hedge(self._hedges, (role, model), terms)

    async def _tried(
        self,
        call: Call,
        attempt: Callable[[], Awaitable[T]],
        attempts: Attempts,
        allowed: Callable[[], bool] = always,
    ) -> T:
        """Make a call, and retry it while that can help and is allowed; return its result.

        If no attempt succeeds, a reply that says nothing is the result, where one came.
        """
        try:
            return await attempt()
        except UpstreamError as error:
            failed: UpstreamError | None = error

        async def once_more() -> T:
            nonlocal failed
            if failed is not None:  # the first attempt, made before there was anything to retry
                first, failed = failed, None
                raise first
            return await attempt()

        try:
            return await self._retrying(call, attempts, allowed)(once_more)
        except (UpstreamError, BudgetExhausted):
            if attempts.blank is None or not allowed():
                raise
            result: T = attempts.blank
            return result

    def _retrying(self, call: Call, attempts: Attempts, allowed: Callable[[], bool]) -> AsyncRetrying:
        model = call.attributes["gen_ai.request.model"]
        limits = Limits(
            self.routes.retries,
            lambda: self.ledger.seconds_left,
            lambda: self.usual(call.name, model),
            lambda: self.ledger.best is not None,
        )
        retries = Retries(limits, self.routes.outages, self.rng)

        def again(error: BaseException) -> bool:
            return isinstance(error, UpstreamError) and allowed() and retries.admit(error, attempts.others)

        def note(state: RetryCallState) -> None:
            call.attributes["optillm.retries"] = state.attempt_number
            error = state.outcome.exception() if state.outcome else None
            status = getattr(error, "status", None)
            self.trace.note("call %d: status %s, retrying in %.2f s", call.id, status, state.upcoming_sleep)

        return AsyncRetrying(
            retry=retry_if_exception(again),
            wait=lambda _: retries.pause,
            sleep=asyncio.sleep,
            before_sleep=note,
            reraise=True,
        )

    async def _routed(
        self,
        call: Call,
        model: str,
        once: Callable[[Route], Coroutine[Any, Any, T]],
        waiting: list[Route],
        allowed: Callable[[], bool] = always,
    ) -> T:
        """Make the call at one upstream after the other until one answers.

        `waiting` lists the upstreams that the call and its repetitions wait for.
        """
        if self.routes.alone is not None:
            return await once(self.routes.alone)

        async def at(route: Route) -> T:
            call.attributes["gen_ai.provider.name"] = route.name
            waiting.append(route)
            try:
                result = await once(route)
            finally:
                waiting.remove(route)
            # The upstream that answered; a repetition may have named another one since.
            call.attributes["gen_ai.provider.name"] = route.name
            return result

        return await self.routes.ask(model, self.rng, at, allowed, waiting)

    async def _adapted(
        self,
        route: Route,
        payload: Payload,
        attempts: Attempts,
        once: Callable[[Mapping[str, Any]], Awaitable[T]],
        allowed: Callable[[], bool] = always,
    ) -> T:
        """Make the call in a form that the model accepts."""
        return await negotiated(
            route.placed(payload),
            lambda body: once(route.addressed(body)),
            lambda: self.routes.capabilities(route, payload.model),
            attempts,
            route.name,
            allowed,
        )

    async def _sent(
        self,
        route: Route,
        payload: Payload,
        attempts: Attempts,
        span: Call,
        once: Callable[[Mapping[str, Any]], Awaitable[T]],
        body: Mapping[str, Any],
    ) -> T:
        """Send a call once, and note what its outcome says about the model and the server.

        A call to a server that restarts has reached no model: the ledger does not count it.
        """
        try:
            result = await once(body)
        except UpstreamError as error:
            if isinstance(error, Blank):
                attempts.blank = error.result
            as_sent = list(payload.plainer or payload.messages)
            if error.status in TOO_MUCH and span.name != JUDGE and body["messages"] == as_sent:
                self.refused_models.add(payload.model)
            if error.restarting:
                self.ledger.withdraw(span.name)
                self.routes.outages.began(route.name, error)
            elif error.upstream_body is not None:
                self.routes.outages.ended(route.name)
            raise
        self.routes.outages.ended(route.name)
        return result

    async def _once(
        self, route: Route, span: Call, body: Mapping[str, Any], until: Condition | None = None
    ) -> tuple[list[Reply], Usage]:
        """Make one call for a whole reply; return its choices, at least one, and its usage."""
        if body.get("stream"):
            return await self._once_streamed(route, span, body, until=until)
        async with self._turn(route, body["model"], span) as turn:
            reservation = self._reserve(route, span.name, body)
            wire: Mapping[str, Any] | None = None
            try:
                wire = await route.upstream.chat(body, route.credential(self._authorization))
                replies = read_replies(wire)
                if not replies:
                    raise UpstreamError("the upstream's reply has no choices", retryable=True)
                if all(map(blank, replies)):
                    raise Blank((replies, _paid(wire, body) or Usage()))
                self._memory.keep(sum(len(reply.text) for reply in replies))
                turn.answered(OK)
            except UpstreamError as error:
                self.ledger.settle(reservation, _paid(wire, body), "failed")
                turn.answered(error.status)
                raise
            except asyncio.CancelledError:
                self.ledger.settle(reservation, estimate(body), "cancelled")
                raise
        texts = [reply.text for reply in replies]
        usage = of_all_choices(Usage.read(wire.get("usage")), texts) or estimate(body, "".join(texts))
        self.ledger.settle(reservation, usage)
        return replies, usage

    async def _once_streamed(
        self,
        route: Route,
        span: Call,
        body: Mapping[str, Any],
        emit: Emit | None = None,
        until: Condition | None = None,
    ) -> tuple[list[Reply], Usage]:
        """Make one call for a stream; return the reply put together from it, and its usage.

        `emit` gets the text as it comes; without it, a stream that goes on after its text has met `until` is ended.
        """
        if emit is not None and body.get("stream") is False:  # the model gives no streams: show all at once
            replies, usage = await self._once(route, span, body)
            await emit(replies[0].text)
            return replies, usage
        authorization = route.credential(self._authorization)
        async with self._turn(route, body["model"], span) as turn:
            reservation = self._reserve(route, span.name, body)
            assembly, enough = Assembly(), False
            loss: str | None = "cancelled"
            try:
                async with aclosing(route.upstream.stream(body, authorization)) as chunks:
                    async for chunk in chunks:
                        text = assembly.add(chunk)
                        if assembly.begun:
                            turn.heard()
                            await self._heard(emit is None)
                        if text and emit is not None:
                            await emit(text)
                        elif text and enough:  # it goes on; otherwise its end would have told the usage
                            assembly.add(DONE)
                            break
                        elif text and until is not None:
                            enough = until("".join(assembly.text))
                reply = assembly.reply()
                if blank(reply):
                    raise Blank(([reply], assembly.usage or estimate(body)))
                self._memory.keep(len(reply.text))
                loss = None
                turn.answered(OK)
            except UpstreamError as error:
                loss = "failed"
                turn.answered(error.status)
                raise
            finally:
                sent = assembly.chunks or loss == "cancelled"
                usage = assembly.usage or estimate(body, "".join(assembly.text), assembly.pieces)
                self.ledger.settle(reservation, usage if sent else None, loss)
        return [reply], usage

    async def _heard(self, unseen: bool) -> None:
        """Note that a piece of a reply has come; `unseen` says that the client is not shown it now."""
        self.last_heard = self.trace.clock()
        if unseen:
            await heard()

    @asynccontextmanager
    async def _turn(self, route: Route, model: str, span: Call) -> AsyncIterator[Turn]:
        """Wait for the turn of one call, and hold it while the block runs; the block reports the outcome to it."""
        route.look_at_slots(self._authorization)
        self.queued += 1
        waiting, since = True, self.trace.clock()
        try:
            async with route.limiters.slot(self, route.credential(self._authorization), model) as turn:
                if self._attended is not None:
                    await self._attended.wait()
                self.queued, waiting = self.queued - 1, False
                if self.trace.clock() > since + NOTICEABLE:
                    span.attributes["optillm.queued"] = round(self.trace.clock() - since, 3)
                yield turn
        finally:
            self.queued -= waiting

    def worst(self, payload: Payload) -> Worst:
        """Return the most a call may take, whichever upstream it goes to, of what the budget limits."""
        return self._worst(payload.body, self.routes.price(payload.model, self.ledger.prices))

    def _worst(self, body: Mapping[str, Any], price: Price | None) -> Worst:
        if not self.ledger.counting:  # spare the estimate
            return NOTHING if price is None else Worst(price=price)
        return worst_case(body, price)

    def _reserve(self, route: Route, role: str, body: Mapping[str, Any]) -> Reservation:
        price = self.ledger.prices.of(body["model"], route.clients_name(body["model"]))
        reservation = self.ledger.reserve(role, self._worst(body, price), spare=repeated())
        self.last_sent = self.trace.clock()
        departed(_weight(route, body))
        return reservation


def _weight(route: Route, body: Mapping[str, Any]) -> float:
    """Return how many times as long as a light call this one may be silent.

    A long prompt takes longer to read, and a local server that runs other calls is slower.
    """
    weight = max(1.0, prompt_tokens(body["messages"]) / LIGHT)
    return weight * route.limiters.total.running if route.local else weight


def _paid(wire: Mapping[str, Any] | None, body: Mapping[str, Any]) -> Usage | None:
    """Return the usage of a reply that cannot be used; `None` for an error that reports none."""
    if wire is None:
        return None
    return Usage.read(wire.get("usage")) or (estimate(body) if wire.get("choices") else None)


def _token_counts(usage: Usage) -> dict[str, int]:
    """Return the attributes that record a call's usage in the trace."""
    return {
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage.completion_tokens,
    }


def worst_case(body: Mapping[str, Any], price: Price | None) -> Worst:
    """Return the most a call may take: its prompt, estimated, and each of its choices at full length."""
    limit = reply_limit(body) or ASSUMED_REPLY
    return Worst(estimate(body).prompt_tokens, limit * (body.get("n") or 1), price)


def reply_limit(body: Mapping[str, Any]) -> int | None:
    """Return how many tokens one choice may have; `None` if the request does not say."""
    limit: int | None = body.get("max_completion_tokens") or body.get("max_tokens")
    return limit


def estimate(body: Mapping[str, Any], written: str = "", pieces: int = 0) -> Usage:
    """Return the usage of a call that reported none, marked as estimated.

    A token has about four characters, and each piece of a stream at least one token.
    """
    return Usage(prompt_tokens(body["messages"]), max(-(-len(written) // 4), pieces), estimated=True)
