"""Recordings of requests that ran over the scripted upstream, and the documents made of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import orjson

from optillm.chat import ChatRequest, Completion, RawRequest, Relay, Stream
from optillm.errors import OptillmError
from optillm.observe.record import Record
from optillm.observe.traces.document import document
from optillm.observe.traces.recording import Recording, new_id
from optillm.trace import Trace
from tests.fakes import Say, Script, Sent, World
from tests.observe.fakes import record

QUESTION = "Tom has 60 marbles, gives away 17 and doubles the rest. How many marbles does he have?"


class Recorded(list[Recording]):
    """Takes recordings, as a store of traces does."""

    def begin(self, recording: Recording) -> None:
        self.append(recording)

    def end(self, recording: Recording) -> None:
        assert recording.record is not None

    def close(self) -> None:
        """Nothing to close."""


def recorded(
    script: Script, model: str, question: Any = QUESTION, *, world: Any = None, **fields: Any
) -> Recording:
    """Return the recording of one request, whatever becomes of it."""
    recordings = Recorded()
    options = dict(world or {})
    scene = options.pop("kind", World)(script, recorder=recordings, **options)

    async def served() -> None:
        with suppress(OptillmError):
            outcome = await scene.serve(model, question, **fields)
            if isinstance(outcome, Stream):
                async for _ in outcome.events:
                    pass
            elif isinstance(outcome, Relay) and outcome.chunks is not None:
                async for _ in outcome.chunks:
                    pass

    scene.run(served())
    (recording,) = recordings
    return recording


def told(
    script: Script, model: str, question: Any = QUESTION, *, content: bool = True, **more: Any
) -> dict[str, Any]:
    """Return the document of one request."""
    whole = document(recorded(script, model, question, **more), content=content)
    orjson.dumps(whole)  # it is JSON
    return whole


def in_turn(*texts: str, judges: str | Callable[[Sent], str] = "", writes: str = "") -> Script:
    """Return a script of samples in this order, over and over; judges and the last call say something else."""
    numbers: dict[str, int] = {}

    def script(sent: Sent) -> str:
        if sent.role == "judge":
            return judges if isinstance(judges, str) else judges(sent)
        if sent.role == "write" and writes:
            return writes
        number = numbers["samples"] = numbers.get("samples", -1) + 1
        return texts[number % len(texts)]

    return script


def answer(value: Any, *, after: str = "Let me see.") -> str:
    """Return a reply that states a final answer."""
    return f"{after} The answer is {value}."


def made(created: float = 1_700_000_000.0, *, client: str | None = None, **changes: Any) -> Recording:
    """Return the recording of an ended request without calls."""
    ended: Mapping[str, Any] = {"client": client, "started": created, **changes.pop("record", {})}
    fields: dict[str, Any] = {
        "id": new_id(),
        "request_id": "r1",
        "endpoint": "/chat/completions",
        "client": client,
        "technique": "bon",
        "model": "m",
        "stream": False,
        "body": {"model": "bon-m", "messages": [{"role": "user", "content": QUESTION}]},
        "created": created,
        "clock": lambda: 1.5,
        "started": 0.0,
        "trace": Trace(lambda: 0.0),
        "record": record(**ended),
    }
    return Recording(**{**fields, **changes})


def running(**changes: Any) -> Recording:
    """Return the recording of a request that runs."""
    recording = made(**changes)
    recording.record = None
    return recording


def finish(recording: Recording, **changes: Any) -> Record:
    """End a request that runs."""
    recording.record = record(client=recording.client, started=recording.created, **changes)
    return recording.record


def texts_in(value: Any) -> Iterator[str]:
    """Yield all texts in some JSON, the keys of objects included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield str(name)
            yield from texts_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from texts_in(each)


class Passing(World):
    """A world whose relays give one reply, whole or in chunks."""

    reply: bytes = b"{}"
    chunks: tuple[bytes, ...] = ()
    status = 200

    async def relay(self, request: RawRequest) -> Relay:
        await asyncio.sleep(self.latency)
        if self.chunks:
            return Relay(self.status, {"content-type": "text/event-stream"}, chunks=self._passing())
        return Relay(self.status, {"content-type": "application/json"}, self.reply)

    async def _passing(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk
            await asyncio.sleep(self.latency)


__all__ = [
    "ChatRequest",
    "Completion",
    "Passing",
    "Recorded",
    "Say",
    "answer",
    "finish",
    "in_turn",
    "made",
    "recorded",
    "running",
    "texts_in",
    "told",
]
