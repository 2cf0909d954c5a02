"""A local model server behind a `World`: llama.cpp's, as it was measured, on the virtual clock.

    world = SlotWorld(script, slots=8)
    completions = world.at_once([("bon-m", "What is 2 + 2?"), ("moa-m", "What is 3 + 3?")])
    assert world.books.abandoned == 0     # tokens of calls that were not completed
    assert world.books.idle_at == world.seconds

It never answers 429: calls without a slot wait. Replies are scripted as in any `World`, with `Reply` for a given number
of tokens, but not as wire dictionaries or with `seconds`. `server` holds the slots (`tests/slot_server.py`); the shapes
on the wire are those of llama.cpp b10434 (`tests/slot_wire.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from math import inf
from typing import Any, Final, Literal, NamedTuple, TypeVar

import orjson

from optillm.chat import CHAT, Completion, RawRequest, Relay, Stream
from optillm.engine.upstream.replies import DONE
from optillm.errors import UpstreamError
from tests.fakes import Say, Script, Sent, World, continues, run
from tests.slot_server import Books, Generation, SlotServer, saturating
from tests.slot_wire import FINGERPRINT, choice_of, chunk, completion, events, prompt_tokens, refusal

T = TypeVar("T")
Served = Relay | Completion | Stream

ROOT: Final = "http://127.0.0.1:8080"
JSON: Final = {"content-type": "application/json; charset=utf-8"}
EVENTS: Final = {"content-type": "text/event-stream"}


class Restart(NamedTuple):
    """When, in virtual seconds, a server goes `down`, is `up` again, and is `ready` with its model loaded."""

    down: float
    up: float
    ready: float


class SlotWorld(World):
    """A world whose upstream has `slots` slots, with `n_ctx` tokens of context each.

    `rate(busy)` is how many tokens a second all busy slots generate together, `prompt_rate` how many of a prompt are
    read if it is alone. `n` above `most_choices`, by default the number of slots, is refused; usage counts the first
    choice only unless `counts_all_choices`. Without `props` there are no /props and /slots, without `streams` streams
    are refused. A whole reply whose client has left is generated to its end unless no client receives anything for
    `quiet` seconds: one second with llama.cpp.
    """

    base_url = f"{ROOT}/v1"
    local = True

    def __init__(
        self,
        script: Script,
        *,
        slots: int = 8,
        rate: Callable[[int], float] = saturating,
        prompt_rate: float = 1000.0,
        n_ctx: int = 4096,
        most_choices: int | None = None,
        counts_all_choices: bool = False,
        props: bool = True,
        streams: bool = True,
        restart: Restart | None = None,
        quiet: float = inf,
        **world: Any,
    ) -> None:
        self.server = SlotServer(slots, rate, prompt_rate, quiet)
        self.n_ctx = n_ctx
        self.most_choices = min(most_choices or slots, slots)
        self.counts_all_choices = counts_all_choices
        self.props = props
        self.streams = streams
        self.restart = restart
        self._conversations: list[Sequence[Mapping[str, Any]]] = []
        super().__init__(script, **world)

    @property
    def books(self) -> Books:
        """What the server has generated, and for whom."""
        return self.server.books

    @property
    def ideal_seconds(self) -> float:
        """Seconds that the calls which were not abandoned would need with all slots always busy."""
        return self.server.ideal_seconds

    # What tests do.

    def at_once(self, requests: Sequence[tuple[str, str]], **fields: Any) -> list[Served | BaseException]:
        """Return the outcomes of requests, each a model and a question, that are made at once."""

        async def gathered() -> list[Served | BaseException]:
            serving = (self.serve(model, question, **fields) for model, question in requests)
            return await asyncio.gather(*serving, return_exceptions=True)

        return self.run(gathered())

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run on a fresh virtual clock; `seconds` is the time until the end, and then the slots become free."""

        async def timed() -> T:
            loop = asyncio.get_running_loop()
            if self.restart is not None:
                loop.call_at(self.restart.down, self.server.shut_down, _broken_off)
            try:
                return await main
            finally:
                self.seconds = loop.time()
                await self.server.idle()

        self.server.start()
        return run(timed())

    async def serve(self, model: str, messages: Any = "What is 2 + 2?", **fields: Any) -> Served:
        """Hand one request to the engine, perhaps one of many at a time."""
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        self._conversations.append(messages)
        return await super().serve(model, messages, **fields)

    # What the engine sees of it: the `Upstream` protocol.

    async def chat(self, body: Mapping[str, Any], authorization: str | None) -> Mapping[str, Any]:
        """One completion with all its choices."""
        with self._call(body, authorization) as sent:
            self._check_up()
            generation, said = self._accepted(sent)
            await self.server.whole(generation)
            return {**completion(body, generation, said), **self._usage(generation, said)}

    async def stream(
        self, body: Mapping[str, Any], authorization: str | None
    ) -> AsyncGenerator[Mapping[str, Any], None]:
        """The same token by token."""
        with self._call(body, authorization) as sent:
            self._check_up()
            if not self.streams:
                raise refusal(400, "streaming is not supported")
            generation, said = self._accepted(sent)
            async with aclosing(self.server.stream(generation)) as tokens:
                async for index, text, first, last in tokens:
                    if first:
                        start = {"role": "assistant", "content": None, **said[index].message}
                        yield chunk(body, (index, start, None))
                    yield chunk(body, (index, {"content": text}, None))
                    if last and not said[index].breaks_off:
                        yield chunk(body, (index, {}, generation.choices[index].finish_reason))
            if any(say.breaks_off for say in said):
                return
            if (body.get("stream_options") or {}).get("include_usage"):
                yield {**chunk(body), **self._usage(generation, said)}
            yield DONE

    async def relay(self, request: RawRequest) -> Relay:
        """The reply to a plain request: of the model, or on the server itself."""
        try:
            if (request.method, request.path) == ("POST", CHAT):
                return await self._relayed(orjson.loads(request.content), request.authorization)
            self._check_up()
        except UpstreamError as error:
            if error.upstream_body is None:
                raise
            return Relay(error.status, JSON, orjson.dumps(error.upstream_body))
        path = request.path
        page = self._page(path if path.startswith(ROOT) else self.base_url + path)
        if page is None:
            return Relay(404, {"content-type": "text/plain"}, b"404 page not found")
        return Relay(200, JSON, orjson.dumps(page))

    async def _relayed(self, body: Mapping[str, Any], authorization: str | None) -> Relay:
        if not body.get("stream"):
            return Relay(200, JSON, orjson.dumps(await self.chat(body, authorization)))
        chunks = self.stream(body, authorization)
        try:
            first = await anext(chunks)  # before the headers are sent: the call may be refused
        except BaseException:
            await chunks.aclose()
            raise
        return Relay(200, EVENTS, chunks=events(first, chunks))

    def _page(self, url: str) -> Any:
        """Return a page about the server itself; `None` if there is no such page."""
        if url == f"{self.base_url}/models":
            return {"object": "list", "data": [{"id": "m", "object": "model", "owned_by": "llamacpp"}]}
        if self.props and url == f"{ROOT}/props":
            return {
                "default_generation_settings": {"params": {"n_predict": -1}, "n_ctx": self.n_ctx},
                "total_slots": self.server.slots,
                "model_alias": "m",
                "endpoint_slots": True,
                "build_info": FINGERPRINT,
            }
        if self.props and url == f"{ROOT}/slots":
            busy = self.server.busy
            return [
                {"id": index, "n_ctx": self.n_ctx, "is_processing": index < busy}
                for index in range(self.server.slots)
            ]
        return None

    def _role(self, body: Mapping[str, Any]) -> Literal["generate", "write", "judge"]:
        served = [messages for messages in self._conversations if continues(body["messages"], messages)]
        self._client_messages = max(served, key=len, default=self._client_messages)
        return super()._role(body)

    def _check_up(self) -> None:
        now = asyncio.get_running_loop().time()
        if self.restart is None or not self.restart.down <= now < self.restart.ready:
            return
        if now < self.restart.up:
            reason = f"connection refused ({ROOT.removeprefix('http://')})"
            raise UpstreamError(f"the upstream cannot be reached: {reason}", retryable=True)
        raise refusal(503, "Loading model", "unavailable_error")

    def _accepted(self, sent: Sent) -> tuple[Generation, list[Say]]:
        """Return what a call has to generate, and what the script says; raises `UpstreamError` for a refusal."""
        body = sent.body
        self._refuse(body)
        count = body.get("n") or 1
        if not 1 <= count <= self.most_choices:
            bounds = f"Value must be between 1 <= value <= {self.most_choices}, but got {count}"
            raise refusal(400, f"Field 'n': {bounds}")
        prompt = prompt_tokens(body)
        if prompt >= self.n_ctx:
            raise refusal(
                400,
                f"request ({prompt} tokens) exceeds the available context size ({self.n_ctx} tokens), "
                "try increasing it",
                "exceed_context_size_error",
                n_prompt_tokens=prompt,
                n_ctx=self.n_ctx,
            )
        limit = body.get("max_completion_tokens") or body.get("max_tokens") or inf
        limit = min(limit, self.n_ctx - prompt)
        said = [self._say(replace(sent, choice=index)) for index in range(count)]
        return Generation(prompt, [choice_of(say, limit) for say in said]), said

    def _say(self, sent: Sent) -> Say:
        said = self._said(sent)
        assert isinstance(said, Say), "a server with slots is scripted in texts"
        return said

    def _usage(self, generation: Generation, said: Sequence[Say]) -> dict[str, Any]:
        if said[0].usage is None:
            return {}
        counted = generation.choices if self.counts_all_choices else generation.choices[:1]
        completion, prompt = sum(len(choice.tokens) for choice in counted), generation.prompt_tokens
        usage = {"completion_tokens": completion, "prompt_tokens": prompt}
        return {"usage": {**usage, "total_tokens": prompt + completion}}


def _broken_off() -> UpstreamError:
    return UpstreamError("the upstream broke off the connection", retryable=True)
