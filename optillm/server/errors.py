"""Turn an exception into an error of ours, and that into the wire's object, nowhere else."""

from __future__ import annotations

import logging
import math
import secrets
from http import HTTPStatus

from flask import Response
from werkzeug.exceptions import HTTPException

from optillm.errors import (
    BudgetExhausted,
    DeadlineExceeded,
    InvalidRequest,
    NotFound,
    OptillmError,
    PayloadTooLarge,
    ShuttingDown,
    UnsupportedMediaType,
    UpstreamError,
)
from optillm.server.access.cors import page_headers
from optillm.server.api.wire import dumps

KINDS: dict[int, type[InvalidRequest]] = {
    error.status: error for error in (NotFound, PayloadTooLarge, UnsupportedMediaType)
}
PLAIN_WORDS: dict[int, str] = {
    HTTPStatus.BAD_REQUEST: "The request is malformed",
    HTTPStatus.NOT_FOUND: "There is no such endpoint here; chat completions are at POST /v1/chat/completions",
    HTTPStatus.METHOD_NOT_ALLOWED: "The endpoint does not take this method",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The request body is too large",
}
FUTILE = (BudgetExhausted, DeadlineExceeded)
"""Errors that a client library would retry by their status, though they would only happen again."""

log = logging.getLogger(__name__)


def explain(error: Exception, request_id: str) -> OptillmError:
    """Return the error to tell the client.

    A fault of our own is logged here, and reveals no internals.
    """
    if isinstance(error, OptillmError):
        return error
    if (
        isinstance(error, HTTPException)
        and error.code is not None
        and error.code < HTTPStatus.INTERNAL_SERVER_ERROR
    ):
        own = error.description if error.description != type(error).description else None
        allowed = {name: value for name, value in error.get_headers() if name == "Allow"}
        words = own or PLAIN_WORDS.get(error.code, error.name)
        methods = sorted(set(allowed.get("Allow", "").split(", ")) - {"", "HEAD", "OPTIONS"})
        refused = refusal(error.code, f"{words}; it takes {' and '.join(methods)}" if methods else words)
        refused.headers |= allowed
        return refused
    log.error("Request %s failed", request_id, exc_info=error)
    failure = OptillmError(
        f"The server failed; its log has the details under request {request_id}",
        headers={"x-should-retry": "false"},
    )
    failure.recorded = True
    return failure


def error_response(error: OptillmError) -> Response:
    """Return the wire's form of an error: its status, headers and object."""
    response = Response(dumps(error.body()), error.status, error.headers, content_type="application/json")
    wait = error.retry_after if isinstance(error, UpstreamError) else None
    if isinstance(error, ShuttingDown):
        wait = 1
    if wait is not None and math.isfinite(wait) and "Retry-After" not in response.headers:
        response.headers["Retry-After"] = str(math.ceil(wait))
    if isinstance(error, FUTILE):
        response.headers["x-should-retry"] = "false"
    return response


def error_headers(error: OptillmError) -> dict[str, str]:
    """Return the headers of an error that does not come from the application."""
    return error.headers | {
        "Content-Type": "application/json",
        "x-request-id": new_request_id(),
        **page_headers(),
    }


def refusal(status: int, message: str) -> InvalidRequest:
    """Return an error of the client's with this status."""
    error = KINDS.get(status, InvalidRequest)(message)
    error.status = status
    return error


def new_request_id() -> str:
    """Return an id for a request that came without one."""
    return f"req_{secrets.token_hex(16)}"
