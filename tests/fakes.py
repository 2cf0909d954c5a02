"""A scripted upstream on a virtual clock: time passes only when everybody waits, and then at once.

    world = World(script)                 # script: (Sent) -> what the upstream says
    completion = world.complete("bon-m", "What is 2 + 2?")
    assert world.seconds == 2.0           # makespan in seconds of virtual time, exactly rounds x latency

A script returns text, a `Say` for more control, a wire dictionary, or raises an `UpstreamError`; `HANG` never
answers. It sees each call's body, its class and its number.
"""

from __future__ import annotations

import asyncio
import json
import selectors
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from heapq import heappush
from itertools import count
from typing import Any, Final, Literal, TypeVar

from optillm.chat import (
    Budget,
    ChatRequest,
    Completion,
    Event,
    Message,
    RawRequest,
    Relay,
    Stream,
    content_text,
)
from optillm.config.prices import Price, Prices
from optillm.engine.call.cache import Cache
from optillm.engine.engine import Engine, Limits
from optillm.engine.plan.planner import Planner
from optillm.engine.upstream.routes import Routes
from optillm.errors import OptillmError, UpstreamError
from optillm.observe.record import Observer, Record
from optillm.observe.traces.recording import Recorder
from optillm.techniques import Technique, registry

T = TypeVar("T")

HANG: Final = "\0hang"
LATENCY: Final = 1.0
"""Virtual seconds one upstream call takes."""


class _VirtualSelector(selectors.DefaultSelector):
    """Skips every wait and notes how long it would have been."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout is None:
            raise AssertionError("deadlock: everybody waits and no timer is set")
        if not ready and timeout and timeout > 0:
            self.now += timeout
        return ready


class _Timer(asyncio.TimerHandle):
    """Timers of the same moment go off in the order they were set."""

    number: int

    def __lt__(self, other: object) -> bool:
        assert isinstance(other, _Timer)
        return (self.when(), self.number) < (other.when(), other.number)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock moves only by its timers; float noise is rounded off."""

    def __init__(self) -> None:
        self._virtual = _VirtualSelector()
        self._numbers = count()
        super().__init__(self._virtual)

    def time(self) -> float:
        return round(self._virtual.now, 9)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """As inherited, with timers that keep their order."""
        timer = _Timer(when, callback, args, self, context)
        timer.number = next(self._numbers)
        heappush(self._scheduled, timer)  # type: ignore[attr-defined]
        timer._scheduled = True  # type: ignore[attr-defined]
        return timer


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a fresh virtual clock."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


@dataclass
class Sent:
    """One call as the upstream saw it: `outcome` is running, ok, failed or cancelled."""

    number: int
    body: Mapping[str, Any]
    role: Literal["generate", "write", "judge"]
    authorization: str | None
    start: float
    choice: int = 0
    end: float | None = None
    outcome: str = "running"

    @property
    def prompt(self) -> str:
        """The text of the last message."""
        return content_text(self.body["messages"][-1])


@dataclass(frozen=True)
class Say:
    """A reply with its circumstances; `seconds` overrides the world's latency."""

    text: str | None
    finish_reason: str | None = "stop"
    message: Mapping[str, Any] = field(default_factory=dict)
    usage: Mapping[str, Any] | None = field(
        default_factory=lambda: {"prompt_tokens": 10, "completion_tokens": 5}
    )
    seconds: float | None = None
    breaks_off: bool = False


Script = Callable[[Sent], "str | Say | Mapping[str, Any]"]


class World:
    """An engine over a scripted upstream, and what was seen of it.

    `n` says what the upstream makes of that parameter; `refuses` are parameters it answers with a 400.
    """

    base_url = "http://scripted/v1"
    local = False

    def __init__(
        self,
        script: Script,
        *,
        latency: float = LATENCY,
        n: Literal["honoured", "ignored"] = "ignored",
        refuses: tuple[str, ...] = (),
        limits: Limits | None = None,
        cap: int = 256,
        retries: int = 3,
        techniques: Mapping[str, Technique] | None = None,
        defaults: Mapping[str, Mapping[str, Any]] | None = None,
        prices: Mapping[str, Price] | None = None,
        cache: Cache | None = None,
        observers: Sequence[Observer] = (),
        routes: Routes | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.records: list[Record] = []
        self.observers = [*observers, self.records.append]
        self.script = script
        self.latency = latency
        self.n = n
        self.refuses = refuses
        self.sent: list[Sent] = []
        self.seconds = 0.0
        self.running = self.most_running = 0
        self._client_messages: Sequence[Mapping[str, Any]] = []
        planner = Planner(techniques or registry(), defaults or {}, "auto")
        limits = limits or Limits(Budget(128, None, 600.0))
        self.engine = Engine(
            *(routes or Routes.to(self, cap=cap, retries=retries, local=self.local), planner, limits),
            prices=Prices(prices),
            observers=self.observers,
            cache=cache,
            recorder=recorder,
        )
        self.engine.runs.offload.share = lambda: no_algebra  # type: ignore[method-assign]

    # What tests do.

    def complete(self, model: str, messages: Any = "What is 2 + 2?", **fields: Any) -> Completion:
        """The completion of one request with a technique."""
        completion = self.run(self.serve(model, messages, **fields))
        assert isinstance(completion, Completion)
        return completion

    def text(self, model: str, messages: Any = "What is 2 + 2?", **fields: Any) -> str:
        """The text of the first choice."""
        return self.complete(model, messages, **fields).replies[0].text

    def events(
        self, model: str, messages: Any = "What is 2 + 2?", **fields: Any
    ) -> list[tuple[float, Event]]:
        """The events of a streamed request, each with the virtual second it came at."""

        async def collect() -> list[tuple[float, Event]]:
            stream = await self.serve(model, messages, stream=True, **fields)
            assert isinstance(stream, Stream)
            clock = asyncio.get_running_loop().time
            return [(clock(), event) async for event in stream.events]

        return self.run(collect())

    async def serve(
        self, model: str, messages: Any = "What is 2 + 2?", **fields: Any
    ) -> Relay | Completion | Stream:
        """Hand one request to the engine; `approach`, `options`, `budget`, `trace` are the proxy's own fields."""
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        own = {
            name: fields.pop(name)
            for name in ("approach", "options", "budget", "merge", "trace", "sender", "grant")
            if name in fields
        }
        self._client_messages = messages
        body = {"model": model, "messages": messages, **fields}
        return await self.engine.complete(ChatRequest(body, request_id="test", **own))

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run on a fresh virtual clock; `seconds` is then its makespan."""

        async def timed() -> T:
            try:
                return await main
            finally:
                self.seconds = asyncio.get_running_loop().time()

        return run(timed())

    def of(self, role: str) -> list[Sent]:
        """The calls of one role, in the order sent."""
        return [sent for sent in self.sent if sent.role == role]

    # What the engine sees of it: the `Upstream` protocol.

    async def chat(self, body: Mapping[str, Any], authorization: str | None) -> Mapping[str, Any]:
        """One completion, `latency` later."""
        with self._call(body, authorization) as sent:
            self._refuse(body)
            choices = range(body.get("n", 1) if self.n == "honoured" else 1)
            said = [self._said(replace(sent, choice=choice)) for choice in choices]
            await self._wait(said[0])
            if isinstance(said[0], Mapping):
                return said[0]
            return _completion(body, [say for say in said if isinstance(say, Say)])

    async def stream(
        self, body: Mapping[str, Any], authorization: str | None
    ) -> AsyncGenerator[Mapping[str, Any], None]:
        """The same word by word, the first `latency` later, the others at once."""
        with self._call(body, authorization) as sent:
            self._refuse(body)
            said = self._said(sent)
            assert isinstance(said, Say)
            await self._wait(said)
            common = {"model": body["model"], "system_fingerprint": "fp"}
            for piece in (said.text or "").splitlines(keepends=True):
                yield {
                    **common,
                    "choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}],
                }
                await asyncio.sleep(0)
            if not said.breaks_off:
                yield {**common, "choices": [{"index": 0, "delta": {}, "finish_reason": said.finish_reason}]}
                yield {**common, "choices": [], "usage": said.usage}

    async def relay(self, request: RawRequest) -> Relay:
        """A plain request comes back as it was sent."""
        return Relay(200, {"content-type": request.content_type}, request.content)

    async def close(self) -> None:
        """Nothing to close."""

    @contextmanager
    def _call(self, body: Mapping[str, Any], authorization: str | None) -> Iterator[Sent]:
        now = asyncio.get_running_loop().time
        sent = Sent(len(self.sent), body, self._role(body), authorization, now())
        self.sent.append(sent)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            yield sent
            sent.outcome = "ok"
        except UpstreamError:
            sent.outcome = "failed"
            raise
        except (asyncio.CancelledError, GeneratorExit):
            sent.outcome = "cancelled"
            raise
        finally:
            sent.end = now()
            self.running -= 1

    def _role(self, body: Mapping[str, Any]) -> Literal["generate", "write", "judge"]:
        if not continues(body["messages"], self._client_messages):
            return "judge"
        return "write" if len(body["messages"]) > len(self._client_messages) else "generate"

    def _said(self, sent: Sent) -> Say | Mapping[str, Any]:
        said = self.script(sent)
        return Say(said) if isinstance(said, str) else said

    async def _wait(self, said: Say | Mapping[str, Any]) -> None:
        if isinstance(said, Say) and said.text == HANG:
            await asyncio.get_running_loop().create_future()
        seconds = said.seconds if isinstance(said, Say) else None
        await asyncio.sleep(self.latency if seconds is None else seconds)

    def _refuse(self, body: Mapping[str, Any]) -> None:
        for name in self.refuses:
            if name in body:
                message = f"Unsupported parameter: '{name}' is not supported with this model."
                error = {"message": message, "type": "invalid_request_error", "param": name}
                raise UpstreamError(message, status=400, upstream_body={"error": error})


class Wire:
    """An upstream that answers relays only, one reply after the other and the last one again, and records them."""

    base_url = "http://wire/v1"

    def __init__(self, *replies: Relay | OptillmError, seconds: float = 0.0) -> None:
        self.replies = list(replies)
        self.seconds = seconds
        self.seen: list[tuple[str, str, bytes, str | None, bool]] = []

    async def relay(self, request: RawRequest) -> Relay:
        self.seen.append(
            (request.method, request.path, request.content, request.authorization, request.stream)
        )
        await asyncio.sleep(self.seconds)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, OptillmError):
            raise reply
        return reply

    async def chat(self, body: Mapping[str, Any], authorization: str | None) -> Mapping[str, Any]:
        raise AssertionError("a relay is no chat")

    def stream(self, body: Mapping[str, Any], authorization: str | None) -> Any:
        raise AssertionError("a relay is no chat")

    async def close(self) -> None:
        """Nothing to close."""


def reply(status: int = 200, **body: Any) -> Relay:
    """A whole reply to a relay."""
    return Relay(status, {"content-type": "application/json"}, json.dumps(body).encode())


def continues(messages: Sequence[Message], asked: Sequence[Message]) -> bool:
    """Whether messages start with those asked, all of them as they were; the last may say more before or after."""
    if not asked or messages[: len(asked)] == asked:
        return True
    *history, last = asked
    if len(messages) < len(asked) or list(messages[: len(history)]) != history:
        return False
    said = messages[len(history)]
    begun, begins = said.get("content"), last.get("content")
    if not isinstance(begun, str | list) or not isinstance(begins, type(begun)):
        return False
    extended = begins in (begun[: len(begins)], begun[len(begun) - len(begins) :])
    return extended and {**said, "content": begins} == last


async def no_algebra(source: str) -> str | None:
    """Find no canonical form: the child process that would keeps real time."""
    return None


def _completion(body: Mapping[str, Any], said: Sequence[Say]) -> dict[str, Any]:
    return {
        "id": "upstream",
        "model": body["model"],
        "system_fingerprint": "fp",
        "choices": [
            {
                "index": index,
                "message": {"role": "assistant", "content": say.text, **say.message},
                "finish_reason": say.finish_reason,
            }
            for index, say in enumerate(said)
        ],
        "usage": said[0].usage,
    }


def failing(status: int, message: str = "no", **more: Any) -> UpstreamError:
    """An error as the upstream's border makes it."""
    body = {"error": {"message": message, "type": "scripted", "param": None, "code": None}}
    return UpstreamError(
        message, status=status, upstream_body=body, retryable=status in (408, 429, 500, 502, 503, 504), **more
    )
