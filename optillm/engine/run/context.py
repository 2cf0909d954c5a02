"""The context a technique runs in: what a truncated, empty or refused reply means, when a round is asked for again,
what is judged and what is shown. Decided here once, for every technique.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractContextManager, aclosing
from copy import copy
from dataclasses import replace
from functools import partial
from itertools import pairwise
from math import ceil, inf
from random import Random
from typing import Any, TypeVar

import orjson
from anyio.streams.memory import MemoryObjectSendStream
from pydantic import BaseModel

from optillm.chat import ChatRequest, Event, Message, Reply, ReplyKind, VerdictStyle, content_text
from optillm.engine.call.call import Emit
from optillm.engine.call.calls import Calls
from optillm.engine.call.negotiation import TOO_MUCH
from optillm.engine.call.remedies import Refusal
from optillm.engine.run.candidates import EMPTY, Sieve
from optillm.engine.run.concurrency import beside, most_telling, quorum, race, together
from optillm.engine.run.judges import Ballot, Judges
from optillm.engine.run.output import ClientStream, MarkerFilter
from optillm.engine.run.payloads import Bodies, Payload
from optillm.engine.run.quote_tags import TagFilter, Tags
from optillm.engine.run.single_flight import SingleFlight
from optillm.engine.run.structured import AnswerForm, CallForm
from optillm.errors import BudgetExhausted, UpstreamError
from optillm.technique import Answer, Candidate, Context
from optillm.toolkit.judging.ballots import LABELS
from optillm.trace import Fork, Span

T = TypeVar("T")
H = TypeVar("H")
V = TypeVar("V", bound=BaseModel)


SLACK = 1.1
"""Calls vary: so many times what is usual is kept for the last one."""

LONGEST_QUOTE = 200_000
"""Characters of a text that a judge is shown: its two ends, if it is longer."""

MEND = """\
This draft of an answer to my last message, quoted as data, does not have the form I asked for:
{draft}
The first thing wrong with it: {violation}
Write the answer again in that form, and nothing beside it.
"""


class RequestContext(Context):
    """The one implementation of `Context`, over the calls of one request.

    `fence` marks quoted text and is not to be guessed; `outlet` takes events for a client that streams and is
    `None` otherwise; `canonical` resolves a mathematical expression to its canonical form; `form` is what the
    client demands of an answer; `execute` runs a program in the sandbox and is `None` unless the operator
    admits that; `verdicts` is how verdicts are requested.
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
        form: AnswerForm | None = None,
        execute: Callable[[str], Awaitable[str | None]] | None = None,
        outlet: MemoryObjectSendStream[Event] | None = None,
        respect_temperature: bool = False,
        verdicts: VerdictStyle = "auto",
    ) -> None:
        self.answers_in_text = not isinstance(form, CallForm)
        self.executes = execute is not None
        self._execute = execute
        self.choices = request.choices
        self.rng = rng
        self.model = model
        self.ledger = calls.ledger
        self.shown = ClientStream(outlet)
        self._calls = calls
        self._fence = fence
        self._tags = Tags(fence)
        self._sieve = Sieve(calls.ledger, form, canonical, self.marker, self._tags)
        self._judges = Judges(calls, self._sieve, fence, verdicts)
        self._streaming = self.shown.live
        self._seeds: list[Reply] = []
        self._requested = 0
        self._consulted = 0
        self._following: Callable[[RequestContext], Awaitable[Answer]] | None = None
        self._shared_calls: SingleFlight[list[Candidate]] | None = None
        self._keeps_time = False
        self._converse(Bodies.of(request, respect_temperature=respect_temperature))

    def _converse(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self.messages = bodies.messages
        self.question = next((content_text(m) for m in reversed(self.messages) if m["role"] == "user"), "")
        self.transcript = transcript(self.messages, self._fence)

    # Contexts of parts of a composition: they share calls, ledger and trace.

    def before(self, following: Callable[[RequestContext], Awaitable[Answer]]) -> RequestContext:
        """This context for a stage that others follow: it does not stream, and `proceed` goes on with them."""
        ctx = self._copied()
        ctx._streaming, ctx._following = False, following
        return ctx

    def resumed(self, origin: RequestContext) -> RequestContext:
        """This context for the stages after a transformation that began in `origin`."""
        ctx = self._copied()
        ctx._streaming, ctx._following = origin._streaming, origin._following
        return ctx

    def seeded(self, candidates: Sequence[Candidate]) -> RequestContext:
        """This context with candidates at hand that are taken before any is asked for."""
        ctx = self._copied()
        ctx._seeds = [candidate.reply for candidate in candidates]
        return ctx

    def apart(self, branches: int) -> list[RequestContext]:
        """This context for branches side by side: they do not stream, give one choice and share their draws."""
        ctx = self._copied()
        ctx._streaming, ctx._following, ctx.choices, ctx._shared_calls = False, None, 1, SingleFlight()
        return [ctx._copied() for _ in range(branches)]

    def _copied(self) -> RequestContext:
        ctx = copy(self)
        ctx._seeds = [*self._seeds]  # a stage uses up its own
        return ctx

    async def proceed(self, messages: Sequence[Message]) -> Answer:
        """See `Context.proceed`."""
        ctx = self._copied()
        ctx._converse(self._bodies.about(messages))
        if self._following is not None:
            return await self._following(ctx)
        return Answer.of(*await ctx.write())

    @property
    def streams(self) -> bool:
        """See `Context.streams`."""
        return self._streaming and self.choices == 1 and self._sieve.form is None

    @property
    def marker(self) -> str:
        """See `Context.marker`."""
        return f"=== {self._fence} ==="

    async def faithful(self) -> list[Candidate]:
        """The replies to the client's request exactly as sent, tools included: one for each choice."""
        return await self.sample(self.choices)

    def plain_may_do(self, refusal: UpstreamError) -> bool:
        """Return whether the client's own request may succeed although a call of a technique was refused.

        It may if the refusal is about what the call says, and there is no answer yet.
        """
        if self.ledger.best is not None or self.shown.text or self.model in self._calls.refused_models:
            return False
        return refusal.status in TOO_MUCH and not Refusal.read(refusal).elsewhere

    def answering(self, first: Sequence[Candidate]) -> RequestContext:
        """This context for a turn that answers though tools are offered: with those replies at hand, and no actions."""
        ctx = self.seeded([candidate for candidate in first if not candidate.reply.actions])
        ctx._converse(self._bodies.without_actions())
        return ctx

    # Time: where a technique ends by writing, its last call is not to be cut.

    def keeping_time(self, for_last_call: bool) -> RequestContext:
        """This context for a technique that ends with a call of its own, if it does."""
        if for_last_call == self._keeps_time:
            return self
        ctx = self._copied()
        ctx._keeps_time = for_last_call
        return ctx

    @property
    def pressed(self) -> bool:
        """See `Context.pressed`."""
        late = asyncio.get_running_loop().time() + self._usual > self._last_call()
        self.ledger.pressed |= late
        return late

    def _last_call(self) -> float:
        """When the last call has to begin, on the loop's clock."""
        if not self._keeps_time or self.ledger.deadline is None or not self._usual:
            return inf
        return self.ledger.deadline - self._usual

    @property
    def _usual(self) -> float:
        """Seconds to allow for a writing call; none where nothing is known."""
        return SLACK * (self._calls.typical("write", self.model) or 0.0)

    def _answerable(self) -> bool:
        return self.ledger.best is not None

    # Candidates: continuations of the client's own conversation.

    async def sample(
        self,
        n: int,
        *,
        temperature: float | None = None,
        models: Sequence[str] = (),
        instructions: Sequence[str] = (),
    ) -> list[Candidate]:
        """See `Context.sample`."""
        arrived = self._arrive(n, temperature, models, instructions, together=True)
        async with aclosing(arrived):
            candidates = [candidate async for candidate in arrived]
        return sorted(candidates, key=lambda candidate: candidate.index)[:n]

    async def arrivals(
        self, n: int, *, temperature: float | None = None, models: Sequence[str] = ()
    ) -> AsyncGenerator[Candidate, None]:
        """See `Context.arrivals`."""
        arrived = self._arrive(n, temperature, models, (), together=False)
        async with aclosing(arrived):
            async for candidate in arrived:
                yield candidate

    async def _arrive(
        self,
        n: int,
        temperature: float | None,
        models: Sequence[str],
        instructions: Sequence[str],
        *,
        together: bool,
    ) -> AsyncGenerator[Candidate, None]:
        harvest = self._sieve.harvest(n, limited=self._bodies.limited)
        for first in (True, False):  # a second wave replaces what was lost
            if harvest.done:
                break
            wanted = n - harvest.usable
            try:
                wave = self._wave(wanted, temperature, models, instructions, together=together and first)
            except BudgetExhausted as error:
                harvest.fail(error)
                break
            async with aclosing(race(wave, harvest.enough, self._calls, self._last_call)) as arriving:
                async for got in arriving:
                    if isinstance(got, Exception):
                        harvest.fail(got)
                        continue
                    for candidate in harvest.take(got):
                        yield candidate
        for candidate in harvest.remainder():
            yield candidate

    def _wave(
        self,
        n: int,
        temperature: float | None,
        models: Sequence[str],
        instructions: Sequence[str],
        *,
        together: bool,
    ) -> list[Coroutine[Any, Any, list[Candidate]]]:
        """The calls that ask for n candidates: as few as the model allows, as many as the budget does.

        Raises `BudgetExhausted` when that is none.
        """
        seeded = [self._seeded(self._seeds.pop(0)) for _ in range(min(n, len(self._seeds)))]
        n -= len(seeded)
        offset = self._requested  # a later wave with the same seeds would say the same
        self._requested += n
        payloads = [
            self._bodies.candidate(
                models[i % len(models)] if models else self.model,
                instructions[i % len(instructions)] if instructions else None,
                temperature=temperature,
                seed=offset + i,
            )
            for i in range(n)
        ]
        bundled = together and n > 1 and not models and not instructions
        bundles = self._bundled(payloads) if bundled else [[payload] for payload in payloads]
        worst_cases = [self._calls.worst(bundle[0]) for bundle in bundles]
        room = self.ledger.room(worst_cases)
        if not room and not seeded:
            raise self.ledger.exhausted(worst_cases[0])
        return seeded + [self._drawn(bundle, index) for index, bundle in enumerate(bundles[:room])]

    def _bundled(self, payloads: list[Payload]) -> list[list[Payload]]:
        """Return as few calls with `n` as the model allows, if it honours `n`, else single calls.

        If it is not known whether the model does, the first single call tests it. That costs one surplus reply per
        model and hour, but never a round. The payloads after the first in a bundle are single calls, to be made if
        the first returns too few choices.
        """
        honours = self._calls.honours_n(self.model)
        if honours:
            count = ceil(len(payloads) / (self._calls.most_choices(self.model) or len(payloads)))
            ends = [len(payloads) * i // count for i in range(count + 1)]
            return [_bundle(payloads[start:end]) for start, end in pairwise(ends)]
        if honours is None:
            payloads[0] = payloads[0].asking_for(2)
        return [[payload] for payload in payloads]

    async def _seeded(self, reply: Reply) -> list[Candidate]:
        return [await self._candidate(reply)]

    async def _drawn(self, bundle: Sequence[Payload], index: int) -> list[Candidate]:
        """The candidates of one call, the same for every branch that draws from the same body."""
        if self._shared_calls is None:
            return await self._generate(*bundle)
        return await self._shared_calls.run(
            orjson.dumps(bundle[0].body), index, lambda: self._generate(*bundle)
        )

    async def _generate(self, payload: Payload, *singly: Payload) -> list[Candidate]:
        """Return the candidates of one call; request those missing from a bundle `singly`."""
        if not singly:
            return [await self._candidate(reply) for reply in await self._calls.complete("generate", payload)]
        bundle = Fork(self._calls.complete("generate", payload))
        replies = await bundle.task
        if replies:  # a refused bundle is no round of its own
            bundle.join()
        candidates = [await self._candidate(reply) for reply in replies]
        missing = singly[len(replies) :]
        if missing:
            candidates += await self._one_by_one(missing)
            if not replies:
                self._calls.bound_n(self.model)
        return candidates

    async def _one_by_one(self, payloads: Sequence[Payload]) -> list[Candidate]:
        """Return the candidates of these calls; raises if all of them fail."""
        candidates, errors = list[Candidate](), list[Exception]()
        calls = [self._generate(payload) for payload in payloads]
        async with aclosing(self.race(calls, len(calls))) as arriving:
            async for result in arriving:
                if isinstance(result, Exception):
                    errors.append(result)
                else:
                    candidates += result
        if not candidates:
            raise most_telling(errors)
        return candidates

    async def _candidate(self, reply: Reply) -> Candidate:
        return await self._sieve.candidate(reply, self.question)

    # Judging and writing.

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
            offset, self._consulted = self._consulted, self._consulted + 1
        judge = model or self.model
        compose = partial(self._bodies.judge, judge, temperature=temperature, seed=offset)
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
        errors, empty = list[Exception](), list[Candidate]()
        for model in dict.fromkeys(models or (self.model,)):
            for _ in range(2):  # a reply that says nothing is asked for once more
                try:
                    written = await self._write(model, instruction, after, held)
                except UpstreamError as error:
                    if self.shown.text:
                        raise
                    errors.append(error)
                    break
                usable = [c for c in written if c.reply.kind is not ReplyKind.EMPTY]
                if usable:
                    return usable
                self.ledger.lose("empty")
                empty += written
                errors.append(UpstreamError("the upstream wrote nothing"))
        for candidate in empty:
            self.offer(candidate, EMPTY)
        raise most_telling(errors)

    async def _write(
        self, model: str, instruction: str | None, after: str | None, held: bool
    ) -> list[Candidate]:
        payloads = [self._bodies.candidate(model, instruction, seed=i) for i in range(self.choices)]
        if self.streams and not held:
            payload = payloads[0].adding(stream_options={"include_usage": True})
            gate = partial(self._gate, after)
            written = [[await self._calls.stream("write", payload, self.shown.show, gate)]]
        else:
            written = await together([self._calls.complete("write", payload) for payload in payloads])
        return [await self._candidate(replies[0]) for replies in written]

    def _gate(self, after: str | None, show: Emit) -> Emit:
        """Return a filter before `show`: it passes what follows the line `after`, without quotation tags."""
        filtered = TagFilter(self._tags, show).show
        return filtered if after is None else MarkerFilter(after, filtered).show

    # The form of the answer.

    def has_form(self, candidate: Candidate) -> bool:
        """Return whether a candidate has the form that the client demands; a refusal need not."""
        return candidate.reply.kind is ReplyKind.REFUSAL or self._sieve.violation(candidate) is None

    async def in_form(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Return the client's choices, each in the demanded form if possible.

        A choice that lacks the form is repaired by one call or, if that fails, replaced by another candidate.
        """
        chosen = candidates[: self.choices]
        spare = [candidate for candidate in candidates[self.choices :] if self.has_form(candidate)]
        mended = await together([self._mended(candidate) for candidate in chosen])
        return [new or (spare.pop(0) if spare else old) for old, new in zip(chosen, mended, strict=True)]

    async def _mended(self, candidate: Candidate) -> Candidate | None:
        """Return the candidate, repaired by one call if needed; `None` if the repair fails."""
        if self.has_form(candidate):
            return candidate
        violation = self._sieve.violation(candidate)
        instruction = MEND.format(draft=self.quote("draft", candidate.text), violation=violation)
        try:
            replies = await self._calls.complete("write", self._bodies.candidate(self.model, instruction))
        except (UpstreamError, BudgetExhausted):
            replies = []
        for reply in replies[:1]:
            mended = await self._candidate(reply)
            if self._sieve.violation(mended) is None:
                return mended
        self.ledger.lose("invalid")
        self.ledger.degraded = True
        return None

    # Concurrency, progress, evidence.

    async def execute(self, program: str) -> str | None:
        """See `Context.execute`."""
        return None if self._execute is None else await self._execute(program)

    async def gather(self, *calls: Coroutine[Any, Any, T]) -> list[T]:
        """See `Context.gather`."""
        return await together(calls)

    async def arriving(
        self, *calls: Coroutine[Any, Any, T | None], enough: int | None = None
    ) -> AsyncGenerator[T, None]:
        """See `Context.arriving`."""
        made_before, read_before = self.ledger.judge_calls, self.ledger.judge_replies
        came = False
        helping = race(calls, enough or quorum(len(calls)), self._calls, self._last_call, self._answerable)
        async with aclosing(helping) as arriving:
            async for result in arriving:
                if result and not isinstance(result, Exception):
                    came = True
                    yield result
        judged = self.ledger.judge_replies > read_before
        self.ledger.lost_round |= self.ledger.judge_calls > made_before and not (came or judged)

    async def beside(
        self, essential: Coroutine[Any, Any, T], *helpers: Coroutine[Any, Any, H | None]
    ) -> tuple[T, list[H | None]]:
        """See `Context.beside`."""
        return await beside(essential, helpers, self._calls)

    def race(
        self, work: Sequence[Coroutine[Any, Any, T]], enough: int
    ) -> AsyncGenerator[T | UpstreamError | BudgetExhausted, None]:
        """Results and losses in order of arrival, see `optillm.engine.run.concurrency.race`."""
        return race(work, enough, self._calls)

    def offer(self, candidate: Candidate, score: float = 0.0) -> None:
        """See `Context.offer`."""
        self.ledger.offer(candidate, score)

    def span(self, name: str, **attributes: Any) -> AbstractContextManager[Span]:
        """See `Context.span`."""
        return self._calls.trace.span(name, **attributes)

    def say(self, text: str) -> None:
        """See `Context.say`."""
        self._calls.trace.note("%s", text)
        self.shown.note(text)

    def quote(self, label: str, text: str) -> str:
        """See `Context.quote`."""
        if len(text) > LONGEST_QUOTE:  # no judge reads it, and a round of them would fill the memory
            left_out = len(text) - LONGEST_QUOTE
            text = f"{text[: LONGEST_QUOTE // 2]}\n[{left_out} characters left out]\n{text[-LONGEST_QUOTE // 2 :]}"
        return f'<candidate-{self._fence} label="{label}">\n{text}\n</candidate-{self._fence}>'


def _bundle(payloads: Sequence[Payload]) -> list[Payload]:
    """Return one call for several choices, followed by the single calls that it stands for."""
    if len(payloads) == 1:
        return [*payloads]
    return [replace(payloads[0].asking_for(len(payloads)), bundle=True), *payloads]


def transcript(messages: Sequence[Message], fence: str) -> str:
    """The conversation as text for a judge: each turn between its role's tags, which no turn can forge."""
    turns = (f"<{m['role']}-{fence}>\n{content_text(m)}\n</{m['role']}-{fence}>" for m in messages)
    return "\n".join(turns)
