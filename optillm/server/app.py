"""The Flask application: request ids, the gate, one error handler, the blueprints."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, g, request

from optillm.errors import Cancelled
from optillm.observe.access import LONGEST_REASON
from optillm.observe.metrics import Metrics
from optillm.server import web
from optillm.server.access.auth import Authenticator
from optillm.server.access.budgets import Accounts
from optillm.server.access.cors import tell_browsers
from optillm.server.access.guard import guard, naming_the_limit, settle
from optillm.server.access.owners import Owners
from optillm.server.access.policy import VERSION, current_policy
from optillm.server.access.sessions import Sessions
from optillm.server.api import ops, views
from optillm.server.api.traces import views as trace_views
from optillm.server.bridge import ClientGone
from optillm.server.errors import error_response, explain, new_request_id
from optillm.server.state import NAME, Engine, State
from optillm.server.web.negotiation import prefer_data, wants_page
from optillm.server.web.rendering import error_page

if TYPE_CHECKING:
    from optillm.config.settings import Settings
    from optillm.observe.traces.store import Traces


_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
_SLASHES = re.compile("//+")

log = logging.getLogger(__name__)


class Proxy(Flask):
    """An application without coroutines for views: those it has wait in their own way."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself; Flask would look at each, for each request."""
        return func

    def wsgi_app(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Treat several slashes in a row in the path as one.

        A base URL that ends with a slash leads to such paths. Flask would redirect, which not every client follows.
        """
        environ["PATH_INFO"] = _SLASHES.sub("/", environ.get("PATH_INFO", ""))
        return super().wsgi_app(environ, start_response)


def create_app(
    settings: Settings,
    engine: Engine,
    clock: Callable[[], float] = time.monotonic,
    accounts: Accounts | None = None,
    metrics: Metrics | None = None,
    traces: Traces | None = None,
    session_secret: bytes | None = None,
) -> Flask:
    """The proxy as a WSGI application, for `optillm.server.http.front`.

    Make it in the process that serves it. `session_secret` is what all workers share, so that any of them knows who has
    signed in.
    """
    accounts = accounts or Accounts.of(settings)
    app = Proxy(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_mb * 2**20
    metrics = metrics or Metrics()
    clients = accounts.keys.clients
    app.extensions[NAME] = State(
        settings,
        engine,
        accounts,
        metrics,
        Owners.of(settings),
        Authenticator(clients, settings.trusted_proxies, clock),
        Sessions(clients, session_secret or secrets.token_bytes(32)),
        clock,
        traces,
    )
    ops.count(app, metrics)
    app.before_request(identify)
    tell_browsers(app, settings.cors_origins)
    app.before_request(guard(settings, accounts))
    app.after_request(sign)
    app.after_request(settle)
    app.register_error_handler(Exception, answer)
    web.register(app)  # before the API, which also has some of the pages' paths
    app.register_blueprint(views.views)
    app.register_blueprint(trace_views)
    app.register_blueprint(ops.views)
    serve_without_version(app)
    prefer_data(app, web.NAME)
    return app


def serve_without_version(app: Flask) -> None:
    """Also serve every `/v1/…` path without `/v1`, for clients whose base URL lacks it.

    These are further rules of the same endpoints, so the same policies hold for them.
    """
    for rule in list(app.url_map.iter_rules()):
        if rule.rule.startswith(f"{VERSION}/"):
            methods = (rule.methods or set()) - {"HEAD", "OPTIONS"}  # Flask adds these itself
            app.add_url_rule(rule.rule.removeprefix(VERSION), rule.endpoint, methods=methods)


def identify() -> None:
    """Give the request an id: the client's own when it is a sane one."""
    sent = request.headers.get("x-request-id", "")
    g.request_id = sent if _REQUEST_ID.fullmatch(sent) else new_request_id()


def sign(response: Response) -> Response:
    """Put the request's id on its reply."""
    response.headers["x-request-id"] = g.request_id
    return response


def answer(error: Exception) -> Response:
    """Render any exception; the only place that does, streams that have begun aside."""
    if isinstance(error, ClientGone):
        log.debug("Request %s: the client left, or the request was cancelled", g.request_id)
        return error_response(Cancelled())
    failure = explain(error, g.request_id)
    if not failure.recorded:
        summary = f"{request.method} {request.path}: status {failure.status}, request {g.request_id}"
        log.info("%s: %s", summary, failure.message[:LONGEST_REASON])
    failure = naming_the_limit(failure)
    return error_page(failure) if current_policy().page and wants_page() else error_response(failure)
