"""The OpenAI endpoints: chat completions, models, and those that are only passed on."""

from __future__ import annotations

import math
import re
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Any, Final

from flask import Blueprint, Response, g, request
from werkzeug.exceptions import ClientDisconnected

from optillm.chat import Budget, ChatRequest, RawRequest, Relay, Stream
from optillm.engine.upstream.models import OWNER
from optillm.errors import InvalidRequest, NotFound, PayloadTooLarge, UnsupportedMediaType
from optillm.server.access.guard import granted
from optillm.server.access.origins import refuse_other_sites
from optillm.server.access.policy import VERSION, Policy
from optillm.server.api.client_hints import deadline, keep_alive_interval, sender
from optillm.server.api.responses import JSON, completed, relayed, streamed
from optillm.server.api.wire import dumps, read_chat
from optillm.server.bridge import await_only, in_thread
from optillm.server.state import State, here

FORM: Final = "multipart/form-data"
LONG: Final = 2**16
"""Bytes of a body from which on it is read in a thread, so that other requests need not wait."""
PASSED_ON: Final = {
    "/v1/embeddings": ["POST"],
    "/v1/completions": ["POST"],
    "/v1/moderations": ["POST"],
    "/v1/responses": ["POST"],
    "/v1/responses/<task>": ["GET", "POST", "DELETE"],
    "/v1/responses/<task>/<part>": ["GET", "POST"],
    "/v1/audio/<task>": ["POST"],
    "/v1/images/<task>": ["POST"],
}

_TASK = re.compile(r"[A-Za-z0-9_-]*")

views = Blueprint("api", __name__)


@views.post("/v1/chat/completions")
@Policy()
def chat() -> Response:
    """One chat completion, through a technique or untouched."""
    state = here()
    chat_request = _chat_request(state)
    with ExitStack() as serving:
        serving.enter_context(state.cancellable(_own(g.request_id)))
        outcome = await_only(state.engine.complete(chat_request))
        if isinstance(outcome, Relay):
            response = relayed(outcome, chat_request.sender.called_off)
        elif isinstance(outcome, Stream):
            silence = keep_alive_interval(chat_request.sender, state.settings.keep_alive)
            response = streamed(outcome, chat_request, silence)
        else:
            return completed(outcome)
        response.call_on_close(serving.pop_all().close)  # it is served until its last byte
        return response


@views.post("/v1/chat/cancel/<request_id>")
@Policy(counted=False, spending=False)  # what makes less work is never too much
def cancel(request_id: str) -> Response:
    """Call off a request at work in this process: all its upstream calls end."""
    refuse_other_sites()
    if not here().cancel(_own(request_id)):
        raise NotFound(f"No request {request_id!r} is being served here", code="request_not_found")
    return Response(
        dumps({"id": request_id, "object": "chat.completion.cancelled", "cancelled": True}), content_type=JSON
    )


@views.post("/v1/plan")
@Policy(spending=False)
def plan() -> Response:
    """What a chat request would take; nothing goes upstream."""
    state = here()
    return Response(dumps(state.engine.plan(_chat_request(state))), content_type=JSON)


@views.get("/v1/techniques")
@Policy(spending=False)
def techniques() -> Response:
    """What there is to choose from, for this sender."""
    return Response(dumps({"object": "list", "data": allowed_techniques()}), content_type=JSON)


@views.get("/v1/models")
@Policy(spending=False)
def models() -> Response:
    """The upstream's models and the names that stand for techniques."""
    return Response(dumps({"object": "list", "data": _models()}), content_type=JSON)


@views.get("/v1/models/<path:name>")
@Policy(spending=False)
def model(name: str) -> Response:
    """One of the models."""
    for listed in _models():
        if listed.get("id") == name:
            return Response(dumps(listed), content_type=JSON)
    raise NotFound(f"There is no model {name!r} here", param="model", code="model_not_found")


@Policy()
def pass_on(task: str = "", part: str = "") -> Response:
    """A request for an endpoint that the proxy only passes on."""
    if not (_TASK.fullmatch(task) and _TASK.fullmatch(part)):  # `..` and the like would leave what is meant
        raise NotFound("There is no such endpoint here")
    state = here()
    # To cancel, to delete and to look something up needs no body, and so no media type.
    bare = bool(task) and not request.content_length and "Transfer-Encoding" not in request.headers
    if bare:
        refuse_other_sites()
    raw = _raw(state, b"" if bare else _body(JSON, FORM))
    state.owners.check(raw)
    return relayed(state.owners.record(raw, await_only(state.engine.relay(raw))))


@views.post("/v1/messages")
@Policy(spending=False)
def messages() -> Response:
    """Refuse a request to Anthropic's Messages API, which is not supported."""
    state = here()
    state.engine.without_technique(_raw(state, _body(JSON)))
    raise NotFound("The Messages API is not supported here; use /v1/chat/completions")


def _raw(state: State, content: bytes) -> RawRequest:
    """Return the current request in the form in which it is passed through."""
    path, query = request.path.removeprefix(VERSION), request.query_string.decode("ascii", "replace")
    return RawRequest(
        "GET" if request.method == "HEAD" else request.method,
        f"{path}?{query}" if query else path,
        content,
        request.content_type or JSON,
        state.authorization,
        g.request_id,
        granted(),
    )


for rule, methods in PASSED_ON.items():
    views.add_url_rule(rule, view_func=pass_on, methods=methods)


def _chat_request(state: State) -> ChatRequest:
    """The chat request in the body, and what is said about it beside that."""
    content, own = _body(JSON), _own(g.request_id)
    identity = {"request_id": g.request_id, "authorization": state.authorization}
    read = partial(read_chat, content, state.settings, **identity)
    chat_request = read() if len(content) <= LONG else in_thread(read)
    sent_by = sender(request.headers, content, chat_request.body, lambda: own in state.cancelled)
    seconds = deadline(request.headers)
    budget = chat_request.budget if seconds is None else chat_request.budget.within(Budget(seconds=seconds))
    return replace(chat_request, sender=sent_by, grant=granted(), budget=budget)


def _own(request_id: str) -> str:
    """A request of this sender's key, as the state knows it: nobody calls off what is another's."""
    return f"{granted().client or ''}/{request_id}"


def allowed_techniques() -> list[dict[str, Any]]:
    """Return the techniques that the sender of this request may use, described."""
    return [technique for technique in here().engine.techniques() if _allowed(technique["slug"])]


def _models() -> list[dict[str, Any]]:
    state = here()
    listed = await_only(state.engine.models(state.authorization))
    return [
        model
        for model in listed
        if model.get("owned_by") != OWNER or _allowed(str(model["id"]).partition("-")[0])
    ]


def _allowed(slug: str) -> bool:
    techniques = granted().techniques
    return techniques is None or slug in techniques


def _body(*media_types: str) -> bytes:
    """The request's body, of one of these media types and not compressed."""
    if request.mimetype not in media_types:
        raise UnsupportedMediaType(f"Content-Type must be {' or '.join(media_types)}")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaType("Content-Encoding is not supported")
    if request.mimetype == FORM:
        refuse_other_sites()
    return _received()


def _received() -> bytes:
    try:
        content = request.get_data(cache=False)
    except ClientDisconnected:
        raise InvalidRequest("The request body ended early") from None
    if len(content) < (request.content_length or 0):
        raise InvalidRequest("The request body ended early")
    # A body of unannounced length is not refused by Flask but cut at the limit.
    if request.content_length is None and len(content) >= (request.max_content_length or math.inf):
        raise PayloadTooLarge("The request body is too large")
    return content
