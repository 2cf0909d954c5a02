"""The context a technique runs in: which of the client's parameters reach which call, how a round of calls
loses its stragglers, and what a truncated, empty or refused reply means. Decided here once, for every technique.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager, aclosing, suppress
from contextvars import copy_context
from copy import copy
from dataclasses import dataclass, field
from itertools import count
from math import ceil
from random import Random
from statistics import median
from typing import Any, Final, Literal, TypeVar

import orjson
from anyio import WouldBlock
from anyio.streams.memory import MemoryObjectSendStream
from pydantic import BaseModel

from optillm.chat import ChatRequest, Delta, Event, Message, Note, Reply, ReplyKind, content_text
from optillm.engine.calls import Calls, worst_case
from optillm.engine.draws import Draws
from optillm.errors import BudgetExhausted, UpstreamError
from optillm.technique import Answer, Candidate, Context
from optillm.toolkit import answers, verdicts
from optillm.toolkit.answers import FinalAnswer
from optillm.trace import Span, Trace

T = TypeVar("T")
V = TypeVar("V", bound=BaseModel)

QUORUM: Final = 0.5
"""The share of a round that must be usable before the round goes on without the rest."""
STRAGGLER: Final = 1.5
"""With a quorum in, a call may take this many times the median of the finished ones."""
PATIENCE: Final = 0.25
"""Seconds a straggler is given beyond the median at least: short calls vary more than they last."""
DIVERSITY_FLOOR: Final = 0.3
"""Below this temperature samples hardly differ, so a technique's own temperature takes over."""
JUDGE_LIMIT: Final = 4096
"""Tokens a judging call may write, reasoning included."""

OURS: Final = frozenset({"stream", "stream_options", "n", "model", "messages"})
CARRIED: Final = ("user", "metadata", "service_tier", "store", "prompt_cache_key", "safety_identifier")
CARRIED_TO_JUDGES: Final = (*CARRIED, "seed", "reasoning_effort")


class Refused(Exception):
    """At least half of the usable replies decline the request; searching around that is not our business."""

    def __init__(self, candidate: Candidate) -> None:
        super().__init__("the upstream declined the request")
        self.candidate = candidate


@dataclass(slots=True)
class Writing:
    """What a streamed last call has shown the client so far."""

    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Everything shown."""
        return "".join(self.pieces)


class Gate:
    """Lets through what follows the first line that is `marker`."""

    def __init__(self, marker: str, show: Callable[[str], Awaitable[None]]) -> None:
        self._marker = marker
        self._show = show
        self._line = ""
        self._state: Literal["closed", "opening", "open"] = "closed"

    async def show(self, text: str) -> None:
        """Take in the next piece of the reply."""
        while self._state == "closed" and "\n" in text:
            line, _, text = text.partition("\n")
            if (self._line + line).strip() == self._marker:
                self._state = "opening"
            self._line = ""
        if self._state == "closed":
            self._line += text
            return
        if self._state == "opening":
            text = text.lstrip("\n")
        if text:
            self._state = "open"
            await self._show(text)


class RequestContext(Context):
    """The one implementation of `Context`, over the calls of one request.

    `fence` marks quoted text and is not to be guessed; `outlet` takes events for a client that streams and is
    `None` otherwise; `canonical` resolves a mathematical expression to its canonical form; `seeds` are replies
    already at hand, taken before any is asked for.
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
        outlet: MemoryObjectSendStream[Event] | None = None,
        seeds: Sequence[Reply] = (),
        respect_temperature: bool = False,
    ) -> None:
        self.choices = request.choices
        self.rng = rng
        self.model = model
        self.ledger = calls.ledger
        self.writing = Writing()
        self._converse(request.messages, fence)
        self._calls = calls
        self._trace: Trace = calls.trace
        self._canonical = canonical
        self._outlet = outlet
        self._seeds = list(seeds)
        self._respect_temperature = respect_temperature
        self._fence = fence
        self._streaming = outlet is not None
        self._following: Callable[[RequestContext], Awaitable[Answer]] | None = None
        self._draws: Draws[list[Candidate]] | None = None
        self._numbers = count()
        self._base = {k: v for k, v in request.body.items() if k not in OURS and v is not None}

    def _converse(self, messages: Sequence[Message], fence: str) -> None:
        self.messages = messages
        self.question = next((content_text(m) for m in reversed(messages) if m["role"] == "user"), "")
        self.transcript = transcript(messages, fence)

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

    def apart(self) -> RequestContext:
        """This context for branches side by side: they do not stream, give one choice and share their draws."""
        ctx = self._copied()
        ctx._streaming, ctx._following, ctx.choices, ctx._draws = False, None, 1, Draws()
        return ctx

    def _copied(self) -> RequestContext:
        ctx = copy(self)
        ctx._seeds = [*self._seeds]  # a stage uses up its own
        return ctx

    async def proceed(self, messages: Sequence[Message]) -> Answer:
        """See `Context.proceed`."""
        ctx = self._copied()
        ctx._converse(messages, self._fence)
        if self._following is not None:
            return await self._following(ctx)
        return Answer.of(*await ctx.write())

    @property
    def marker(self) -> str:
        """See `Context.marker`."""
        return f"=== {self._fence} ==="

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
        quorum, usable = ceil(n * QUORUM), 0
        withheld, errors = list[Candidate](), list[Exception]()
        for first in (True, False):
            if usable >= quorum or (errors and not usable and not withheld):
                break  # enough came, or the upstream is down; else a second wave replaces what was lost
            wave = self._wave(n - usable, temperature, models, instructions, together=together and first)
            if not wave:
                errors.append(BudgetExhausted("the budget of this request ends before its first reply"))
            async with aclosing(self.race(wave, quorum)) as race:
                async for got in race:
                    if isinstance(got, Exception):
                        errors.append(got)
                        continue
                    for candidate in self._complete(got, withheld):
                        usable += 1
                        yield candidate
        self._check_refusals(withheld, usable)
        self.ledger.degraded |= usable < quorum
        if not usable:
            for candidate in self._last_resort(withheld, errors):
                yield candidate

    def _complete(self, candidates: Sequence[Candidate], withheld: list[Candidate]) -> list[Candidate]:
        """The complete ones, each a possible answer from now on; the others are kept for the last resort."""
        for candidate in candidates:
            if candidate.complete:
                self.ledger.offer(candidate, 0.0)
            else:
                self.ledger.lose(candidate.reply.kind.value)
                withheld.append(candidate)
        return [candidate for candidate in candidates if candidate.complete]

    def _check_refusals(self, withheld: Sequence[Candidate], usable: int) -> None:
        refusals = [c for c in withheld if c.reply.kind is ReplyKind.REFUSAL]
        if refusals and 2 * len(refusals) >= usable + len(refusals):
            raise Refused(refusals[0])

    def _last_resort(self, withheld: Sequence[Candidate], errors: Sequence[Exception]) -> list[Candidate]:
        cut = [candidate for candidate in withheld if candidate.reply.kind is ReplyKind.TRUNCATED]
        for candidate in cut:
            self.ledger.offer(candidate, 0.0)
        if not cut:
            raise most_telling(errors)
        return cut

    def _wave(
        self,
        n: int,
        temperature: float | None,
        models: Sequence[str],
        instructions: Sequence[str],
        *,
        together: bool,
    ) -> list[Coroutine[Any, Any, list[Candidate]]]:
        """The calls that ask for n candidates: as few as the model allows, as many as the budget does."""
        seeded = [self._seeded(self._seeds.pop(0)) for _ in range(min(n, len(self._seeds)))]
        n -= len(seeded)
        bodies = [
            self._body(
                models[i % len(models)] if models else self.model,
                instructions[i % len(instructions)] if instructions else None,
                temperature=self._diverse(temperature),
                seed=i,
            )
            for i in range(n)
        ]
        if together and n > 1 and not models and not instructions:
            bodies = self._bundled(bodies)
        room = self.ledger.room([worst_case(body) for body in bodies])
        return seeded + [self._drawn(body, place) for place, body in enumerate(bodies[:room])]

    def _bundled(self, bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """One call with `n` where the model honours it; else single calls, the first of which finds out.

        The finding out costs one surplus reply once per model and hour, and never a round.
        """
        honours = self._calls.dialect(self.model).honours_n
        if honours:
            return [{**bodies[0], "n": len(bodies)}]
        if honours is None:
            bodies[0] = {**bodies[0], "n": 2}
        return bodies

    async def _seeded(self, reply: Reply) -> list[Candidate]:
        return [await self._candidate(reply)]

    async def _drawn(self, body: Mapping[str, Any], place: int) -> list[Candidate]:
        """The candidates of one call, the same for every branch that draws from the same body."""
        if self._draws is None:
            return await self._generate(body)
        return await self._draws.draw(orjson.dumps(body), place, lambda: self._generate(body))

    async def _generate(self, body: Mapping[str, Any]) -> list[Candidate]:
        return [await self._candidate(reply) for reply in await self._calls.complete("generate", body)]

    async def _candidate(self, reply: Reply) -> Candidate:
        answer = self._answer(reply)
        if answer is not None and answer.kind == "expression":
            answer = answers.resolved(answer, await self._canonical(answer.value))
        return Candidate(reply, next(self._numbers), answer)

    def _answer(self, reply: Reply) -> FinalAnswer | None:
        if reply.tool_calls:
            return answers.of_tool_calls(reply.tool_calls)
        return answers.extract(reply.text, self.question)

    # Judging and writing.

    async def ask(
        self,
        prompt: str,
        *,
        verdict: type[V] | None = None,
        model: str | None = None,
        temperature: float | None = 0.0,
    ) -> Any:
        """See `Context.ask`."""
        limit = "max_completion_tokens" if "max_completion_tokens" in self._base else "max_tokens"
        body: dict[str, Any] = {key: self._base[key] for key in CARRIED_TO_JUDGES if key in self._base}
        body |= {"model": model or self.model, "messages": [{"role": "user", "content": prompt}]}
        body |= {limit: JUDGE_LIMIT} | ({} if temperature is None else {"temperature": temperature})
        try:
            replies = await self._calls.complete("judge", body)
        except (UpstreamError, BudgetExhausted):
            self.ledger.lose("abstained")
            return None
        text = replies[0].text
        read = text or None if verdict is None else verdicts.read(text, verdict)
        if read is None:
            self.ledger.lose("abstained")
        return read

    async def write(
        self, instruction: str | None = None, *, models: Sequence[str] = (), after: str | None = None
    ) -> list[Candidate]:
        """See `Context.write`."""
        errors = list[Exception]()
        for model in dict.fromkeys(models or (self.model,)):
            try:
                written = await self._write(self._body(model, instruction), after)
            except UpstreamError as error:
                if self.writing.pieces:
                    raise
                errors.append(error)
                continue
            usable = [c for c in written if c.reply.kind is not ReplyKind.EMPTY]
            if usable:
                return usable
            errors.append(UpstreamError("the upstream wrote nothing"))
        raise most_telling(errors)

    async def _write(self, body: Mapping[str, Any], after: str | None) -> list[Candidate]:
        if self._streaming and self.choices == 1:
            options = {"stream_options": {"include_usage": True}}
            show = self._show if after is None else Gate(after, self._show).show
            written = [[await self._calls.stream("write", {**body, **options}, show)]]
        else:
            bodies = [{**body, **self._seed(i)} for i in range(self.choices)]
            written = await self.gather(*(self._calls.complete("write", body) for body in bodies))
        candidates = [await self._candidate(replies[0]) for replies in written]
        return candidates if after is None else [candidate.after(after) for candidate in candidates]

    async def _show(self, text: str) -> None:
        self.writing.pieces.append(text)
        if self._outlet is not None:
            await self._outlet.send(Delta(text))

    def _body(
        self, model: str, instruction: str | None, *, temperature: float | None = None, seed: int = 0
    ) -> dict[str, Any]:
        messages: list[Message] = list(self.messages)
        if instruction is not None:
            messages.append({"role": "user", "content": instruction})
        body = {"model": model, "messages": messages, **self._base, **self._seed(seed)}
        return body if temperature is None else body | {"temperature": temperature}

    def _seed(self, offset: int) -> dict[str, int]:
        seed = self._base.get("seed")
        return {"seed": seed + offset} if isinstance(seed, int) else {}

    def _diverse(self, wanted: float | None) -> float | None:
        sent = self._base.get("temperature")
        if isinstance(sent, int | float) and (self._respect_temperature or sent >= DIVERSITY_FLOOR):
            return None  # the client's own stands in the body
        return wanted

    # Concurrency, progress, evidence.

    async def gather(self, *calls: Coroutine[Any, Any, T]) -> list[T]:
        """See `Context.gather`."""
        variables = [copy_context() for _ in calls]
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(c, context=v) for c, v in zip(calls, variables, strict=True)]
        try:
            results = await asyncio.gather(*tasks)
        except BaseException:
            await _cancelled(tasks)
            raise
        for branch in variables:
            Trace.see(branch)
        return results

    async def arriving(self, *calls: Coroutine[Any, Any, T]) -> AsyncGenerator[T, None]:
        """See `Context.arriving`."""
        async with aclosing(self.race(calls, ceil(len(calls) * QUORUM))) as race:
            async for result in race:
                if not isinstance(result, Exception):
                    yield result

    async def race(
        self, calls: Sequence[Coroutine[Any, Any, T]], quorum: int
    ) -> AsyncGenerator[T | UpstreamError | BudgetExhausted, None]:
        """Results and losses in order of arrival; with a quorum in, stragglers are cut."""
        loop = asyncio.get_running_loop()
        branches = {}
        for call in calls:
            variables = copy_context()
            branches[loop.create_task(call, context=variables)] = variables
        started, elapsed, pending = loop.time(), list[float](), set(branches)
        try:
            while pending:
                patience = None
                if len(elapsed) >= quorum and not self._calls.queued:
                    # Counted from the last call sent: one that queued was slow through no fault of its own.
                    sent = max(started, self._calls.last_sent)
                    typical = median(elapsed)
                    patience = sent + max(STRAGGLER * typical, typical + PATIENCE) - loop.time()
                done, pending = await asyncio.wait(
                    pending,
                    timeout=patience if patience is None else max(0.0, patience),
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if not done and not self._calls.queued:
                    return
                for task in [task for task in branches if task in done]:
                    Trace.see(branches[task])
                    error = task.exception()
                    if error is None:
                        elapsed.append(loop.time() - started)
                        yield task.result()
                    elif isinstance(error, UpstreamError | BudgetExhausted):
                        yield error
                    else:
                        raise error
        finally:
            await _cancelled(branches)

    def offer(self, candidate: Candidate, score: float = 0.0) -> None:
        """See `Context.offer`."""
        self.ledger.offer(candidate, score)

    def span(self, name: str, **attributes: Any) -> AbstractContextManager[Span]:
        """See `Context.span`."""
        return self._trace.span(name, **attributes)

    def say(self, text: str) -> None:
        """See `Context.say`."""
        if self._outlet is not None:
            with suppress(WouldBlock):  # a slow reader misses a line of progress, nothing else
                self._outlet.send_nowait(Note(text))

    def quote(self, label: str, text: str) -> str:
        """See `Context.quote`."""
        return f'<candidate-{self._fence} label="{label}">\n{text}\n</candidate-{self._fence}>'


async def _cancelled(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel what still runs, and wait until all have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def most_telling(errors: Sequence[Exception]) -> Exception:
    """The error that says most about a round nobody survived.

    One the client can act on first, then one all agree on; where the upstream's failures differ, a 502.
    """
    upstream = [error for error in errors if isinstance(error, UpstreamError)]
    if not upstream:
        return errors[0] if errors else UpstreamError("no usable reply from the upstream")
    actionable = [error for error in upstream if 400 <= error.status < 500]
    if actionable:
        return actionable[0]
    if len({error.status for error in upstream}) == 1:
        return upstream[0]
    return UpstreamError("the upstream failed every call of this request, in different ways")


def transcript(messages: Sequence[Message], fence: str) -> str:
    """The conversation as text for a judge: each turn between its role's tags, which no turn can forge."""
    turns = (f"<{m['role']}-{fence}>\n{content_text(m)}\n</{m['role']}-{fence}>" for m in messages)
    return "\n".join(turns)
