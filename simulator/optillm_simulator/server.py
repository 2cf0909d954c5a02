"""The demo model's HTTP server: four routes on one event loop, no state."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from itertools import zip_longest
from typing import Any

import orjson
from aiohttp import web

from optillm_simulator import tokens, wire
from optillm_simulator.error_models import MODELS, ErrorModel, choice_rng
from optillm_simulator.roles.dispatch import respond
from optillm_simulator.wire import ChatBody, Choice, Completion, Refused

_LARGEST_BODY = 64 * 1024 * 1024
_DEFAULT_TEMPERATURE = 1.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds before the first token, and seconds per token after it."""

    latency: float = 0.0
    per_token: float = 0.0


def create_app(pace: Pace | None = None) -> web.Application:
    """Return the application that serves the demo model on OpenAI's routes."""
    app = web.Application(middlewares=[_errors], client_max_size=_LARGEST_BODY)
    chat = _Chat(pace or Pace())
    app.router.add_post("/v1/chat/completions", chat.complete)
    app.router.add_get("/v1/models", _list_models)
    app.router.add_get("/v1/models/{id}", _show_model)
    app.router.add_get("/health", _health)
    return app


class _Chat:
    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    async def complete(self, request: web.Request) -> web.StreamResponse:
        due = asyncio.get_running_loop().time() + self._pace.latency  # computing counts, too
        body = wire.read_body(await request.read())
        completion = complete(body)
        if body.stream:
            return await self._stream(request, body, completion, due)
        longest = max(len(choice.tokens) for choice in completion.choices)
        await _until(due + longest * self._pace.per_token)
        return _json(completion.reply())

    async def _stream(
        self, request: web.Request, body: ChatBody, completion: Completion, due: float
    ) -> web.StreamResponse:
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        await _until(due)
        for events in self._paced(_waves(completion)):
            await response.write(events)
            await _pause(self._pace.per_token)
        last = [_event(completion.ending(index)) for index in range(len(completion.choices))]
        if body.stream_options and body.stream_options.include_usage:
            last.append(_event(completion.accounts()))
        await response.write(b"".join([*last, b"data: [DONE]\n\n"]))
        await response.write_eof()
        return response

    def _paced(self, waves: Iterator[bytes]) -> Iterator[bytes]:
        """Yield what is written at once: token by token if tokens take time, else all after the first."""
        if self._pace.per_token > 0:
            yield from waves
        else:
            yield next(waves) + next(waves, b"")
            yield b"".join(waves)


async def _pause(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)


async def _until(time: float) -> None:
    await _pause(time - asyncio.get_running_loop().time())


def complete(body: ChatBody) -> Completion:
    """Return the demo model's reply to a request.

    Raises `Refused` for an unknown model.
    """
    model = _error_model(body.model)
    texts = [message.text for message in body.messages]
    turns = [(message.role, text) for message, text in zip(body.messages, texts, strict=True)]
    temperature = _DEFAULT_TEMPERATURE if body.temperature is None else body.temperature
    choices: list[Choice] = []
    for index in range(body.n or 1):
        rng = choice_rng(model.kind, turns, seed=body.seed, temperature=temperature, index=index)
        choice = Choice.cut(respond(turns, model, rng, body.response_format), body)
        if body.logprobs:
            token_logprobs = tokens.logprobs(choice.tokens, body.top_logprobs or 0, rng)
            choice = Choice(choice.tokens, choice.finish_reason, token_logprobs)
        choices.append(choice)
    return Completion(body.model, tokens.count_prompt(texts), choices)


def _error_model(model: str) -> ErrorModel:
    try:
        return MODELS[model]
    except KeyError:
        names = ", ".join(MODELS)
        message = f"The model '{model}' does not exist here; there are {names}."
        raise Refused(message, status=404, param="model", code="model_not_found") from None


def _waves(completion: Completion) -> Iterator[bytes]:
    """Yield the events of each moment: first every choice's role, then token after token."""
    yield b"".join(_event(completion.opening(index)) for index in range(len(completion.choices)))
    for positions in zip_longest(*(range(len(choice.tokens)) for choice in completion.choices)):
        chunks = (completion.piece(*pair) for pair in enumerate(positions) if pair[1] is not None)
        yield b"".join(map(_event, chunks))


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(chunk) + b"\n\n"


async def _list_models(_request: web.Request) -> web.Response:
    return _json({"object": "list", "data": [wire.model_object(name) for name in MODELS]})


async def _show_model(request: web.Request) -> web.Response:
    return _json(wire.model_object(_error_model(request.match_info["id"]).name))


async def _health(_request: web.Request) -> web.Response:
    return _json({"status": "ok"})


def _json(body: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")


@web.middleware
async def _errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Render every refusal in OpenAI's shape, including those that aiohttp raises."""
    try:
        return await handler(request)
    except Refused as refusal:
        return _json(refusal.body, refusal.status)
    except web.HTTPException as error:
        message = f"{HTTPStatus(error.status).phrase}: {request.method} {request.path}"
        return _json(Refused(message, code="unknown_url").body, error.status)
