"""An upstream that fails as told: any fault, at any of a request's calls, byte by byte over real HTTP parsing.

    scene = Scene("bon", "hang", share(0.3))
    outcome = scene.ask(seed=7)

Time is virtual. The proxy's engine, its client code and the techniques are the real ones; the network, the
solver's processes and the algebra's are not there.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any, Final

import pytest
from multidict import CIMultiDict
from openai import AsyncOpenAI
from pydantic import SecretStr
from yarl import URL

from optillm.chat import Budget, ChatRequest, Completion, Delta, RawRequest, Relay, Stream
from optillm.config.settings import Settings
from optillm.engine.engine import Engine, Limits
from optillm.engine.plan.planner import Planner
from optillm.engine.upstream.client import OpenAIUpstream, connect
from optillm.engine.upstream.http import Address, Exchange
from optillm.engine.upstream.routes import Routes
from optillm.errors import OptillmError
from optillm.sandbox import Checked, Value
from optillm.techniques import registry, z3
from tests.fakes import continues, no_algebra
from tests.faults.faults import FAULTS, REFUSED, Line, Position, Sent, everywhere, sound
from tests.faults.wire import End, WireLoop

DEADLINE: Final = 120.0
RETRIES: Final = int(Settings.model_fields["upstream_retries"].default)

QUESTION: Final = "A farmer has 12 sheep and buys 30 more. How many sheep are there?"
MESSAGES: Final = [{"role": "user", "content": QUESTION}]

CONTINUES: Final = "Twelve and thirty, minus what I forget.\nCounted again.\nThe answer is {number}."
VERDICT: Final = """\
{{"ranking": ["A", "B", "C", "D"], "score": {score}, "errors": [], "pick": "A", "groups": [["A"], ["B"], ["C"]], \
"applicable": true, "kind": "model", "smt2": "(declare-const x Int) (assert (= x {number}))", \
"answer_vars": ["x"]}}"""

_body: ContextVar[Mapping[str, Any]] = ContextVar("the body that a task is about to send")


class _Connection(asyncio.Protocol):
    """One connection; calls come one after the other."""

    def __init__(self, scene: Scene, sent: Sent | None = None) -> None:
        self._scene = scene
        self._sent = sent
        self._received = b""
        self._answering: asyncio.Task[None] | None = None
        self._end: End

    def connection_made(self, transport: Any) -> None:
        self._end = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, ended, body = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *(\d+)", head)
        if not ended or length is None or len(body) < int(length[1]):
            return
        self._received = b""
        sent = self._sent or self._scene.arrived(json.loads(body))
        self._answering = asyncio.ensure_future(FAULTS.get(sent.fault or "", sound)(Line(self._end, sent)))

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._answering is not None:
            self._answering.cancel()


class _Spied(OpenAIUpstream):
    """The real upstream, which leaves a note of what it sends: a refused connection never sees it.

    Its address is known: the openai package would look at the machine first, in a thread, in real time.
    """

    async def _address(self, *_: str | None) -> Address:
        return Address(
            URL(f"{self.base_url}/chat/completions"), CIMultiDict({"Content-Type": "application/json"})
        )

    async def chat(self, body: Mapping[str, Any], authorization: str | None) -> Mapping[str, Any]:
        _body.set(body)
        return await super().chat(body, authorization)

    async def stream(
        self, body: Mapping[str, Any], authorization: str | None
    ) -> AsyncGenerator[Mapping[str, Any], None]:
        _body.set({**body, "stream": True})
        async for chunk in super().stream(body, authorization):
            yield chunk

    async def relay(self, request: RawRequest) -> Relay:
        _body.set(json.loads(request.content))
        return await super().relay(request)

    async def close(self) -> None:
        await self._exchange.close()


@cache
def _client() -> AsyncOpenAI:
    """Made once: it takes as long as ten requests."""
    return connect(Settings(base_url="http://127.0.0.1:9/v1", openai_api_key=SecretStr("sk-scripted"))).client


@dataclass
class Outcome:
    """What a client got, after how many virtual seconds; `shown` is a stream's text, `sent` what it took."""

    seconds: float
    sent: list[Sent] = field(repr=False)
    completion: Completion | None = None
    relay: Relay | None = None
    body: bytes = b""
    shown: str = ""
    error: OptillmError | None = None

    @property
    def answered(self) -> bool:
        """Whether the client has a whole answer that the upstream wrote."""
        if self.completion is None:
            return False
        text = self.completion.replies[0].text
        whole = self.completion.replies[0].finish_reason == "stop" and text.startswith(self.shown)
        return whole and any(text and text == sent.text for sent in self.sent)

    @property
    def stop(self) -> str:
        return self.completion.report.stop_reason if self.completion else ""


class Scene:
    """One engine in front of one failing upstream; `position` says which calls of a request the fault befalls."""

    def __init__(self, approach: str, fault: str = "", position: Position = everywhere) -> None:
        self.approach = approach
        self.fault = fault
        self.position = position
        self.sent: list[Sent] = []
        self._seed = 0
        self._loop = WireLoop()
        self._loop.accept = self._accept
        client = _client()
        upstream = _Spied(client, Exchange(str(client.base_url), trusted=False, connect_timeout=10.0))
        self.engine = Engine(
            Routes.to(upstream, retries=RETRIES),
            Planner(registry(), {}, "auto"),
            Limits(Budget(128, None, DEADLINE)),
        )
        self.engine.runs.offload.share = lambda: no_algebra  # type: ignore[method-assign]

    def close(self) -> None:
        self._loop.run_until_complete(self.engine.routes.close())
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    def __enter__(self) -> Scene:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What tests do.

    def ask(self, seed: int = 0, *, stream: bool = False, budget: float | None = None) -> Outcome:
        """One request, by itself; its chances follow from `seed`."""
        self.sent, self._seed = [], seed
        return self._loop.run_until_complete(self._ask(self._request(seed, stream, budget)))

    def ask_at_once(self, count: int, seed: int = 0, *, stream: bool = False) -> list[Outcome]:
        """So many requests side by side; all outcomes have all calls as their `sent`."""
        self.sent, self._seed = [], seed

        async def ask() -> list[Outcome]:
            requests = (self._request(seed * count + number, stream, None) for number in range(count))
            return await asyncio.gather(*map(self._ask, requests))

        return self._loop.run_until_complete(ask())

    def arrived(self, body: Mapping[str, Any]) -> Sent:
        """Note a call, and decide what befalls it."""
        number, judges = len(self.sent), not continues(body["messages"], MESSAGES)
        chance = Random(f"{self._seed}/{number}").random()
        sent = Sent(number, body, judges, self._loop.time(), chance)
        sent.text = (VERDICT if judges else CONTINUES).format(number=number, score=number % 11)
        if self.fault and self.position(sent):
            sent.fault = self.fault
        self.sent.append(sent)
        return sent

    def _request(self, number: int, stream: bool, budget: float | None) -> ChatRequest:
        model = f"{self.approach}-m" if self.approach else "m"
        body: dict[str, Any] = {"model": model, "messages": MESSAGES, "stream": stream}
        return ChatRequest(body, request_id=f"r{number}", budget=Budget(seconds=budget))

    async def _ask(self, request: ChatRequest) -> Outcome:
        begun = self._loop.time()
        outcome = Outcome(0.0, self.sent)
        try:
            served = await self.engine.complete(request)
            if isinstance(served, Stream):
                async for event in served.events:
                    if isinstance(event, Delta):
                        outcome.shown += event.content
                    elif isinstance(event, Completion):
                        outcome.completion = event
            elif isinstance(served, Relay):
                outcome.relay = served
                outcome.body = served.body or b""
                if served.chunks is not None:
                    async for part in served.chunks:
                        outcome.body += part
            else:
                outcome.completion = served
        except OptillmError as error:
            outcome.error = error
        outcome.seconds = round(self._loop.time() - begun, 6)
        return outcome

    def _accept(self) -> asyncio.Protocol:
        if self.fault != REFUSED:
            return _Connection(self)
        sent = self.arrived(_body.get())  # refused or not is decided before the call can be read
        if sent.fault:
            sent.refused = True
            raise ConnectionRefusedError(111, "Connection refused")
        sent.kept = False
        return _Connection(self, sent)


@contextmanager
def solved_at_once() -> Iterator[None]:
    """The solver's verdict without its processes, which keep real time: every formalisation has a solution."""

    async def checked(formalisation: Mapping[str, Any], limits: Any = None) -> Checked:
        return Checked(True, None, 1, "sat", {"x": Value("int", "42")}, True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(z3, "check", checked)
        patch.setattr(z3, "prepare", lambda *_: None)
        yield
