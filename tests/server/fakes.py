"""An engine that does as it is told, and what tests need around it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import orjson
from flask import Flask
from flask.testing import FlaskClient
from greenlet import getcurrent

from optillm.chat import ChatRequest, Completion, Event, RawRequest, Relay, Reply, Report, Stream, Usage
from optillm.config.settings import Settings
from optillm.observe.traces.filters import Filters, Page
from optillm.server.app import create_app
from optillm.server.bridge import GreenletTask
from tests.blocking import loop_is_running

Outcome = Relay | Completion | Stream
CHAT = "/v1/chat/completions"
HELLO: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def settings(**changes: Any) -> Settings:
    """Settings that no environment of a test run can change."""
    return Settings(**{"base_url": "http://upstream.test/v1", "openai_api_key": None} | changes)


def report(**changes: Any) -> Report:
    known: dict[str, Any] = {
        "technique": "bon",
        "options": {"n": 2},
        "rounds": 2,
        "calls": {"sample": 2, "ask": 1},
        "seconds": 0.5,
        "stop_reason": "complete",
    }
    return Report(**known | changes)


def completion(*replies: Reply, **changes: Any) -> Completion:
    known: dict[str, Any] = {
        "replies": replies or (Reply({"role": "assistant", "content": "four"}, "stop"),),
        "usage": Usage(10, 5),
        "report": report(),
        "model": "gpt-test",
        "id": "chatcmpl-1",
        "created": 1700000000,
    }
    return Completion(**known | changes)


def stream(*events: Event | Exception, choices: int = 1) -> Stream:
    async def play() -> AsyncGenerator[Event, None]:
        for event in events:
            if isinstance(event, Exception):
                raise event
            yield event

    return Stream(play(), "bon", "gpt-test", "chatcmpl-1", 1700000000, choices)


class FakeEngine:
    """Gives `outcome`, or raises it, and remembers what it was asked."""

    def __init__(self, outcome: Outcome | Exception | None = None) -> None:
        self.outcome = outcome or completion()
        self.asked: list[ChatRequest] = []
        self.relays: list[tuple[str, str, bytes, str, str | None]] = []
        self.listed: list[str | None] = []
        self.up = True
        self.closed = False

    async def complete(self, request: ChatRequest) -> Outcome:
        self.asked.append(request)
        return self._give()

    async def models(self, authorization: str | None) -> list[dict[str, Any]]:
        self.listed.append(authorization)
        return [{"id": "gpt-test", "object": "model"}, {"id": "bon-org/gpt-test", "object": "model"}]

    def plan(self, request: ChatRequest) -> dict[str, Any]:
        self.asked.append(request)
        return {"object": "plan", "technique": "bon"}

    def techniques(self) -> list[dict[str, Any]]:
        return [{"slug": "bon", "options": {"n": {"default": 3}}}]

    async def reachable(self) -> bool:
        return self.up

    async def relay(self, request: RawRequest) -> Relay:
        self.relays.append(
            (request.path, request.method, request.content, request.content_type, request.authorization)
        )
        outcome = self._give()
        assert isinstance(outcome, Relay)
        return outcome

    def without_technique(self, request: RawRequest) -> tuple[RawRequest, str]:
        return request, ""

    def wind_down(self) -> bool:
        return False

    async def close(self) -> None:
        self.closed = True

    def _give(self) -> Outcome:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


class FakeTraces:
    """Holds whole documents of traces, and counts their changes as tests say."""

    def __init__(self, *documents: dict[str, Any]) -> None:
        self.documents = {document["id"]: document for document in documents}
        self.counts = dict.fromkeys(self.documents, 1)
        self.queries: list[tuple[Filters, str | None, int, str | None]] = []

    def begin(self, recording: Any) -> None:
        raise NotImplementedError

    def end(self, recording: Any) -> None:
        raise NotImplementedError

    def page(self, filters: Filters, owner: str | None, limit: int, cursor: str | None) -> Page:
        forbid_on_loop()
        self.queries.append((filters, owner, limit, cursor))
        owned = [each for each in self.documents.values() if owner in (None, each["client"])]
        return Page.of([{"id": each["id"], "created": 1.0} for each in owned], limit)

    def document(self, trace_id: str, owner: str | None) -> dict[str, Any] | None:
        forbid_on_loop()
        document = self.documents.get(trace_id)
        return document if document is not None and owner in (None, document["client"]) else None

    def delete(self, trace_id: str, owner: str | None) -> bool:
        return self.document(trace_id, owner) is not None and bool(self.documents.pop(trace_id))

    def changes(self, trace_id: str) -> int:
        forbid_on_loop()
        return self.counts.get(trace_id, 0)

    def close(self) -> None:
        raise NotImplementedError


def forbid_on_loop() -> None:
    """Fail where an event loop runs, as what waits for a file would keep it waiting."""
    assert not loop_is_running()


@contextmanager
def served(
    engine: FakeEngine,
    clock: Callable[[], float] = time.monotonic,
    traces: FakeTraces | None = None,
    **changes: Any,
) -> Iterator[Visitor]:
    """A test client of an application around the engine."""
    with visiting(create_app(settings(**changes), engine, clock, traces=traces)) as client:
        yield client


class Visitor(FlaskClient):
    """A test client whose requests run in greenlets on a loop, as the server serves them."""

    runner: asyncio.Runner

    def open(self, *args: Any, **kwargs: Any) -> Any:
        if isinstance(getcurrent(), GreenletTask):
            return super().open(*args, **kwargs)
        return self.visit(partial(super().open, *args, **{"buffered": True} | kwargs))

    def visit(self, code: Callable[[], Any]) -> Any:
        """Run code in a greenlet; the responses it gets are as alive as the view that gave them."""
        return self.runner.run(GreenletTask(code).drive())


@contextmanager
def visiting(app: Flask) -> Iterator[Visitor]:
    """A test client of an application, with a loop."""
    app.test_client_class = Visitor
    client = app.test_client()
    assert isinstance(client, Visitor)
    with asyncio.Runner() as client.runner:
        yield client


def data(body: bytes) -> list[Any]:
    """The JSON of each data event of a stream, `[DONE]` left out."""
    lines = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: ")]
    return [orjson.loads(line) for line in lines if line != b"[DONE]"]
