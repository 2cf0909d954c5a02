"""Questions put to targets, through an engine in this process; an error is an outcome, too."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import count
from random import Random
from typing import Any, Final

import orjson

from optillm.chat import NONE, ChatRequest, Completion, Relay, Usage, content_text
from optillm.engine.engine import Engine
from optillm.engine.upstream.models import as_error
from optillm.errors import OptillmError, UpstreamError
from optillm.evals.questions import Question
from optillm.evals.scorers.contract import Asked, ScoringError
from optillm.evals.targets import Target
from optillm.observe.record import Record
from optillm.observe.traces.document import document
from optillm.observe.traces.recording import Recording

SEPARATE: Final = 1_000
"""What is added to the seed of a row that repeats another one, so that it is a sample of its own."""
BACKOFF: Final = 0.5
"""Seconds before a plain request is repeated; doubled each time, with full jitter, as client libraries do it."""
PASSING: Final = frozenset([408, 409, 425, 429, 500, 502, 503, 504])
"""Statuses of failures that may pass."""
LONGEST_PAUSE: Final = 60.0
LONGEST_ERROR: Final = 300


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one request.

    `error` is one line, `None` for an answer; `stop` is why a technique stopped; `usage` and `cost` are `None` if not
    known, and so is `trace`, the trace document of a technique that ran here.
    """

    text: str = ""
    error: str | None = None
    status: int = HTTPStatus.OK
    stop: str | None = None
    calls: int = 0
    rounds: int | None = None
    usage: Usage | None = None
    cost: float | None = None
    seconds: float = 0.0
    trace: Mapping[str, Any] | None = None


class Records:
    """Keep what running requests took and how they went, by id.

    It is an observer and a recorder of the engine.
    """

    def __init__(self) -> None:
        self._records: dict[str, list[Record]] = {}
        self._recordings: dict[str, Recording] = {}

    def note(self, record: Record) -> None:
        """Keep the record of a request, or of an attempt at it, until it is taken."""
        self._records.setdefault(record.request_id, []).append(record)

    def begin(self, recording: Recording) -> None:
        """Keep the recording of a request that begins."""
        self._recordings[recording.request_id] = recording

    def end(self, recording: Recording) -> None:
        """Do nothing: a recording is complete by itself."""

    def close(self) -> None:
        """Do nothing: nothing is written down."""

    def take(self, request_id: str) -> tuple[list[Record], Mapping[str, Any] | None]:
        """Return the records of a request and the trace of its technique, and forget both."""
        recording = self._recordings.pop(request_id, None)
        trace = None
        if recording is not None and recording.trace is not None:
            trace = document(recording, content=True)
        return self._records.pop(request_id, []), trace


class Answerer:
    """Puts questions to targets.

    `engine` runs nothing unless it is told to (its approach is `none`); `records` is its observer and its recorder;
    `fields` go into the body of each request.
    """

    def __init__(
        self, engine: Engine, records: Records, fields: Mapping[str, Any] | None = None, retries: int = 3
    ) -> None:
        self.engine = engine
        self._records = records
        self._fields = dict(fields or {})
        self._retries = retries
        self._numbers = count()

    def request(self, target: Target, question: Question) -> ChatRequest:
        """Return the request that puts a question to a target."""
        body = {**self._fields, "model": target.model, "messages": list(question.messages)}
        if target.repetition and isinstance(body.get("seed"), int):
            body["seed"] += SEPARATE * target.repetition
        return ChatRequest(body, approach=target.approach, request_id=f"{question.id} {target.name}")

    async def answer(self, target: Target, question: Question) -> Outcome:
        """Return what a target answers; an error is an outcome, too."""
        return await self._outcome(self.request(target, question))

    async def ask(self, model: str, prompt: str) -> Asked:
        """Return what a model replies to a scorer's prompt; raises `ScoringError` if it does not."""
        body = {"model": model, "messages": [{"role": "user", "content": prompt}]}
        request = ChatRequest(body, approach=NONE, request_id=f"judge {next(self._numbers)}")
        outcome = await self._outcome(request)
        if outcome.error is not None:
            raise ScoringError(f"{model} could not be asked: {outcome.error}")
        return Asked(outcome.text, outcome.usage.total_tokens if outcome.usage else 0, outcome.cost)

    async def _outcome(self, request: ChatRequest) -> Outcome:
        clock = asyncio.get_running_loop().time
        started = clock()
        try:
            outcome = await self._answered(request)
        except OptillmError as error:
            outcome = Outcome(error=_line(error.message), status=error.status)
        except Exception as error:  # noqa: BLE001 - a fault of ours is the loss of one answer, not of the run
            outcome = Outcome(error=_line(f"{type(error).__name__}: {error}"), status=500)
        records, trace = self._records.take(request.request_id)
        return replace(_with_records(outcome, records, clock() - started), trace=trace)

    async def _answered(self, request: ChatRequest) -> Outcome:
        plain = request.approach == NONE  # the calls of techniques are repeated by the engine
        reply = await (self._repeated(request) if plain else self._reply(request))
        if isinstance(reply, Completion):
            return Outcome(reply.replies[0].text, stop=reply.report.stop_reason)
        return _relayed(reply)

    async def _repeated(self, request: ChatRequest) -> Completion | Relay:
        """Return the reply to a request, which is made again if it fails for a passing reason."""
        chance = Random(request.request_id)  # noqa: S311 - jitter, not secrecy
        for repetition in range(self._retries):
            try:
                reply = await self._reply(request)
            except UpstreamError as error:
                if not error.retryable:
                    raise
                retry_after = error.retry_after
            else:
                if isinstance(reply, Completion) or reply.status not in PASSING:
                    return reply
                retry_after = _seconds(reply.headers.get("retry-after"))
            pause = retry_after or chance.uniform(0, BACKOFF * 2**repetition)
            await asyncio.sleep(min(pause, LONGEST_PAUSE))
        return await self._reply(request)

    async def _reply(self, request: ChatRequest) -> Completion | Relay:
        reply = await self.engine.complete(request)
        if not isinstance(reply, Completion | Relay):
            raise TypeError("evaluations do not stream")
        return reply


def _with_records(outcome: Outcome, records: Sequence[Record], seconds: float) -> Outcome:
    """Return an outcome with what its request took, failed attempts included.

    What a server says of its own calls and cost counts more than what is known of it here.
    """
    usages = [record.usage for record in records if record.usage is not None]
    calls = sum(sum(record.calls.values()) or 1 for record in records)
    rounds = max((record.rounds for record in records), default=0) or 1
    return replace(
        outcome,
        calls=outcome.calls or calls,
        rounds=outcome.rounds or rounds,
        usage=sum(usages[1:], usages[0]) if usages else None,
        cost=_cost(records) if outcome.cost is None else outcome.cost,
        seconds=seconds,
    )


def _cost(records: Sequence[Record]) -> float | None:
    """Return what requests cost; `None` if that is not known of one that used tokens."""
    costs = [record.cost for record in records if record.usage is not None]
    known_costs = [cost for cost in costs if cost is not None]
    return sum(known_costs) if known_costs and len(known_costs) == len(costs) else None


def _relayed(relay: Relay) -> Outcome:
    """Return the outcome of a reply that was passed through.

    A reply of an optillm server says what that did.
    """
    if relay.status >= HTTPStatus.BAD_REQUEST:
        message = str(as_error(relay).body()["error"]["message"])
        return Outcome(error=_line(message), status=relay.status)
    try:
        body = orjson.loads(relay.body or b"")
        text = content_text(body["choices"][0]["message"])
    except (ValueError, LookupError, TypeError, AttributeError):
        return Outcome(error="the reply is no chat completion", status=HTTPStatus.BAD_GATEWAY)
    block = body.get("optillm")
    if not isinstance(block, Mapping):
        return Outcome(text)
    calls = block.get("calls")
    return Outcome(
        text,
        stop=block.get("stop_reason"),
        calls=sum(calls.values()) if isinstance(calls, Mapping) else 0,
        rounds=block.get("rounds"),
        cost=block.get("cost"),
    )


def _seconds(header: str | None) -> float | None:
    """Return the seconds of a `Retry-After`, `None` for a date and for nothing."""
    return float(header) if header and re.fullmatch(r"\d+(\.\d+)?", header) else None


def _line(message: str) -> str:
    return " ".join(message.split())[:LONGEST_ERROR] or "no reason given"
