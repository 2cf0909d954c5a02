"""The context a technique runs in, the same for every technique.

It decides what truncated, empty and refused replies mean, when a round is repeated, what is judged and what is shown.
Each kind of work has its own module.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Coroutine, Sequence
from contextlib import AbstractContextManager, aclosing
from copy import copy
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any, TypeVar

from anyio.streams.memory import MemoryObjectSendStream
from pydantic import BaseModel

from optillm.chat import ChatRequest, Event, Message, Reply, VerdictStyle, content_text
from optillm.engine.call.calls import Calls
from optillm.engine.call.negotiation import TOO_MUCH
from optillm.engine.call.remedies import Refusal
from optillm.engine.run.candidates import ReplyScreen
from optillm.engine.run.concurrency import beside, quorum, race, together
from optillm.engine.run.judges import Ballot, Judges
from optillm.engine.run.output import ClientStream
from optillm.engine.run.payloads import Bodies
from optillm.engine.run.quote_tags import Tags
from optillm.engine.run.sampling import Sampler, Sampling
from optillm.engine.run.scope import Schedule, Scope
from optillm.engine.run.single_flight import SingleFlight
from optillm.engine.run.structured import AnswerForm, CallForm
from optillm.engine.run.writing import Writer
from optillm.errors import BudgetExhausted, UpstreamError
from optillm.technique import Answer, Candidate, Context
from optillm.toolkit.judging.ballots import LABELS
from optillm.trace import Span

T = TypeVar("T")
H = TypeVar("H")
V = TypeVar("V", bound=BaseModel)


class RequestContext(Context):
    """The one implementation of `Context`, over the calls of one request.

    `fence` marks quoted text and is not to be guessed; `outlet` takes events for a client that streams and is
    `None` otherwise; `canonical` resolves a mathematical expression to its canonical form; `form` is what the
    client demands of an answer; `execute` runs a program in the sandbox, for the techniques whose slugs are `admitted`;
    `verdicts` is how verdicts are requested.
    """

    def __init__(
        self,
        request: ChatRequest,
        model: str,
        calls: Calls,
        *,
        rng: Random,
        fence: str,
        canonical: Callable[[str], Awaitable[str | None]],
        execute: Callable[[str], Awaitable[str | None]],
        admitted: Collection[str] = (),
        form: AnswerForm | None = None,
        outlet: MemoryObjectSendStream[Event] | None = None,
        respect_temperature: bool = False,
        verdicts: VerdictStyle = "auto",
    ) -> None:
        self.rng = rng
        self.model = model
        self.ledger = calls.ledger
        self.client = ClientStream(outlet)
        self.answers_in_text = not isinstance(form, CallForm)
        self._calls = calls
        self._execute = execute
        self._admitted = admitted
        self._tags = Tags(fence)
        self._screen = ReplyScreen(calls.ledger, calls.trace, form, canonical, self._tags)
        self._judges = Judges(calls, self._screen, fence, verdicts)
        self._opinions = 0
        bodies = Bodies.of(request, respect_temperature=respect_temperature)
        self._converse(bodies.messages)
        self._enter(Scope(bodies, request.choices, self.client.live))

    def _converse(self, messages: Sequence[Message]) -> None:
        self.messages = messages
        self.question = next((content_text(m) for m in reversed(messages) if m["role"] == "user"), "")
        self.transcript = self._tags.transcript(messages)

    def _enter(self, scope: Scope, seeds: Sequence[Reply] = (), requested: int = 0) -> None:
        """Make this the context of a scope.

        It has replies at hand, and so many samples were already requested.
        """
        calls, screen, bodies = self._calls, self._screen, scope.bodies
        self._scope = scope
        self.choices, self.executes = scope.choices, scope.executes
        self._schedule = Schedule(calls, self.model, scope.keeps_time)
        last_call = self._schedule.last_call
        self._sampler = Sampler(
            calls, screen, bodies, self.question, last_call, scope.draws, seeds=seeds, requested=requested
        )
        self._writer = Writer(calls, screen, self.client, self._tags, bodies, self.question, scope.choices)

    # Contexts of parts of a composition: they share calls, ledger and trace.

    def _scoped(self, *, seeds: Sequence[Reply] | None = None, **changes: Any) -> RequestContext:
        """Return a copy whose scope has changed, and which uses up its own seeds."""
        ctx = copy(self)
        scope = replace(self._scope, **changes)
        if scope.bodies.messages is not self.messages:
            ctx._converse(scope.bodies.messages)
        ctx._enter(scope, self._sampler.seeds if seeds is None else seeds, self._sampler.requested)
        return ctx

    def at(self, slug: str, *, ends_by_writing: bool) -> RequestContext:
        """Return this context for a technique, which may end by a call that time is kept for."""
        scope, executes = self._scope, slug in self._admitted
        if (scope.keeps_time, scope.executes) == (ends_by_writing, executes):
            return self
        return self._scoped(keeps_time=ends_by_writing, executes=executes)

    def before(self, following: Callable[[RequestContext], Awaitable[Answer]]) -> RequestContext:
        """Return this context for a stage that others follow.

        It does not stream, and `proceed` goes on with the others.
        """
        return self._scoped(streaming=False, following=following)

    def resumed(self, origin: RequestContext) -> RequestContext:
        """Return this context for the stages after a transformation that began in `origin`."""
        return self._scoped(streaming=origin._scope.streaming, following=origin._scope.following)

    def seeded(self, candidates: Sequence[Candidate]) -> RequestContext:
        """Return this context with candidates at hand, which are used before new ones are sampled."""
        return self._scoped(seeds=[candidate.reply for candidate in candidates])

    def apart(self, branches: int) -> list[RequestContext]:
        """Return contexts for parallel branches.

        They do not stream, give one choice each and share their samples.
        """
        draws = SingleFlight[list[Candidate]]()
        return [
            self._scoped(streaming=False, following=None, choices=1, draws=draws) for _ in range(branches)
        ]

    def answering(self, first: Sequence[Candidate]) -> RequestContext:
        """Return this context for a turn that answers though tools are offered.

        It has `first` at hand, and no tools.
        """
        seeds = [candidate.reply for candidate in first if not candidate.reply.actions]
        return self._scoped(seeds=seeds, bodies=self._scope.bodies.without_actions())

    async def proceed(self, messages: Sequence[Message]) -> Answer:
        """See `Context.proceed`."""
        ctx = self._scoped(bodies=self._scope.bodies.about(messages))
        if self._scope.following is not None:
            return await self._scope.following(ctx)
        return Answer.of(*await ctx.write())

    # The client's request, and what it demands.

    @property
    def streams(self) -> bool:
        """See `Context.streams`."""
        return self._scope.streaming and self.choices == 1 and self._screen.form is None

    @property
    def marker(self) -> str:
        """See `Context.marker`."""
        return self._tags.marker

    @property
    def short_of_time(self) -> bool:
        """See `Context.short_of_time`."""
        return self._schedule.late

    async def faithful(self) -> list[Candidate]:
        """Return replies to the client's request exactly as sent, tools included, one per choice."""
        return await self.sample(self.choices)

    def plain_may_do(self, refusal: UpstreamError) -> bool:
        """Return whether the client's own request may succeed though a technique's call did not.

        It may if the refusal is about what the call says, and there is no answer yet.
        """
        if self.ledger.best is not None or self.client.text or self.model in self._calls.refused_models:
            return False
        return refusal.status in TOO_MUCH and not Refusal.read(refusal).elsewhere

    def has_form(self, candidate: Candidate) -> bool:
        """Return whether a candidate has the form that the client demands; a refusal need not."""
        return self._screen.has_form(candidate)

    async def in_form(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Return the client's choices, each in the demanded form if possible."""
        return await self._writer.in_form(candidates, self.model)

    # Sampling, judging, writing.

    async def sample(
        self,
        n: int,
        *,
        temperature: float | None = None,
        models: Sequence[str] = (),
        instructions: Sequence[str] = (),
        until: Callable[[Sequence[Candidate]], bool] | None = None,
    ) -> list[Candidate]:
        """See `Context.sample`."""
        sampling = Sampling(self.model, temperature, models, instructions, singly=until is not None)
        candidates: list[Candidate] = []
        async with aclosing(self._sampler.arrivals(n, sampling)) as arrivals:
            async for candidate in arrivals:
                candidates.append(candidate)
                if until is not None and until(candidates):
                    break
        if until is not None:
            return candidates
        return sorted(candidates, key=lambda candidate: candidate.index)[:n]

    async def ask(
        self,
        prompt: str,
        *,
        verdict: type[V] | None = None,
        candidates: Sequence[Candidate] = (),
        labels: str = "",
        model: str | None = None,
        temperature: float | None = 0.0,
    ) -> Any:
        """See `Context.ask`."""
        offset = 0
        if temperature != 0:  # a second opinion with the same seed would be the first one again
            offset, self._opinions = self._opinions, self._opinions + 1
        judge = model or self.model
        compose = partial(self._scope.bodies.judge, judge, temperature=temperature, seed=offset)
        if verdict is None:
            return await self._judges.text(compose(prompt))
        ballot = Ballot(verdict, labels or LABELS[: len(candidates)], candidates)
        return await self._judges.verdict(ballot, prompt, judge, compose, self.question)

    async def write(
        self,
        instruction: str | None = None,
        *,
        models: Sequence[str] = (),
        after: str | None = None,
        held: bool = False,
    ) -> list[Candidate]:
        """See `Context.write`."""
        streaming = self.streams and not held
        return await self._writer.write(instruction, models or [self.model], after=after, streaming=streaming)

    # Concurrency.

    async def gather(self, *calls: Coroutine[Any, Any, T]) -> list[T]:
        """See `Context.gather`."""
        return await together(calls)

    async def collect(
        self,
        *calls: Coroutine[Any, Any, T | None],
        enough: int | None = None,
        until: Callable[[Sequence[T]], bool] | None = None,
    ) -> list[T]:
        """See `Context.collect`."""
        made_before, read_before = self.ledger.judge_calls, self.ledger.judge_replies
        results: list[T] = []
        last_call = self._schedule.last_call
        helping = race(calls, enough or quorum(len(calls)), self._calls, last_call, self._answerable)
        async with aclosing(helping) as outcomes:
            async for outcome in outcomes:
                if not outcome or isinstance(outcome, Exception):
                    continue
                results.append(outcome)
                if until is not None and until(results):
                    break
        judged = self.ledger.judge_replies > read_before
        self.ledger.judge_round_lost |= self.ledger.judge_calls > made_before and not (results or judged)
        return results

    def _answerable(self) -> bool:
        return self.ledger.best is not None

    async def beside(
        self, essential: Coroutine[Any, Any, T], *helpers: Coroutine[Any, Any, H | None]
    ) -> tuple[T, list[H | None]]:
        """See `Context.beside`."""
        return await beside(essential, helpers, self._calls)

    def race(
        self, work: Sequence[Coroutine[Any, Any, T]], enough: int
    ) -> AsyncGenerator[T | UpstreamError | BudgetExhausted, None]:
        """Yield results and losses in order of arrival, see `optillm.engine.run.concurrency.race`."""
        return race(work, enough, self._calls)

    # Execution, progress, evidence.

    async def execute(self, program: str) -> str | None:
        """See `Context.execute`."""
        return await self._execute(program) if self.executes else None

    def offer(self, candidate: Candidate, score: float = 0.0) -> None:
        """See `Context.offer`."""
        self.ledger.offer(candidate, score)

    def span(self, name: str, **attributes: Any) -> AbstractContextManager[Span]:
        """See `Context.span`."""
        return self._calls.trace.span(name, **attributes)

    def say(self, text: str) -> None:
        """See `Context.say`."""
        self._calls.trace.note("%s", text)
        self.decide("note", text)
        self.client.note(text)

    def decide(self, kind: str, text: str, **data: Any) -> None:
        """Record a decision in the trace, see `optillm.trace.Decision`."""
        self._calls.trace.decide(kind, text, **data)

    def quote(self, label: str, text: str) -> str:
        """See `Context.quote`."""
        return self._tags.quote(label, text)
