"""The Flask application: request ids, the keys of clients, one error handler, the blueprints."""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING

from flask import Flask, Response, g, request

from optillm.engine.portal import ClientGone, Portal
from optillm.errors import OptillmError, ShuttingDown, Unauthorized
from optillm.server import api, ops
from optillm.server.faults import error_response, explain, new_request_id
from optillm.server.state import NAME, Engine, State, here
from optillm.server.wire import dumps

if TYPE_CHECKING:
    from optillm.config import Settings

OPEN_ENDPOINT = "ops.health"  # the one that needs no key and answers while the server drains
CLIENT_GONE = 499  # what web servers log for it; read by a client whose request somebody else has cancelled

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")

log = logging.getLogger(__name__)


def create_app(settings: Settings, engine: Engine, portal: Portal | None = None) -> Flask:
    """The proxy as a WSGI application; make it in the process that serves it."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_mb * 2**20
    app.extensions[NAME] = State(settings, engine, portal or Portal())
    app.before_request(identify)
    app.before_request(guard([key.get_secret_value() for key in settings.optillm_api_key]))
    app.after_request(sign)
    app.register_error_handler(Exception, answer)
    app.register_blueprint(api.views)
    app.register_blueprint(ops.views)
    return app


def identify() -> None:
    """Give the request an id: the client's own when it is a sane one."""
    sent = request.headers.get("x-request-id", "")
    g.request_id = sent if _REQUEST_ID.fullmatch(sent) else new_request_id()


def guard(keys: Sequence[str]) -> Callable[[], None]:
    """What refuses a request without one of `keys` (none: everybody may come), or while the server drains."""
    digests = [sha256(key.encode()).digest() for key in keys]

    def refuse() -> None:
        if request.endpoint == OPEN_ENDPOINT:
            return
        if digests:
            sent = sha256(_key_sent()).digest()
            if not any([hmac.compare_digest(sent, digest) for digest in digests]):  # noqa: C419 - all, always
                raise Unauthorized(
                    "A valid API key is needed; send it as `Authorization: Bearer <key>`",
                    headers={"WWW-Authenticate": "Bearer"},
                )
        if here().draining:
            raise ShuttingDown("The server is shutting down")

    return refuse


def sign(response: Response) -> Response:
    """Put the request's id on its reply."""
    response.headers["x-request-id"] = g.request_id
    return response


def answer(error: Exception) -> Response:
    """Render any exception; the only place that does, streams that have begun aside."""
    if isinstance(error, ClientGone):
        log.info("Request %s: the client left, or the request was cancelled", g.request_id)
        gone = OptillmError("The request was cancelled", code="request_cancelled")
        return Response(dumps(gone.body()), CLIENT_GONE, content_type="application/json")
    response = error_response(explain(error, g.request_id))
    log.info("%s %s: status %d, request %s", request.method, request.path, response.status_code, g.request_id)
    return response


def _key_sent() -> bytes:
    """The key a client sent as a bearer token, or the way Azure's clients do."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        key = request.headers.get("api-key", "")
    return key.strip().encode("latin-1", "replace")  # WSGI's header text is bytes read as Latin-1
