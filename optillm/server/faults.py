"""Every exception as an error of ours, and every error as the wire's error object: in one place."""

from __future__ import annotations

import logging
import math

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
from optillm.server.wire import dumps

KINDS: dict[int, type[InvalidRequest]] = {404: NotFound, 413: PayloadTooLarge, 415: UnsupportedMediaType}
FUTILE = (BudgetExhausted, DeadlineExceeded)
"""What a client library would retry by its status, though it would only happen again."""

log = logging.getLogger(__name__)


def explain(error: Exception, request_id: str) -> OptillmError:
    """The error to tell the client; one that is nobody's but ours is logged here and says no internals."""
    if isinstance(error, OptillmError):
        return error
    if isinstance(error, HTTPException) and error.code is not None and error.code < 500:
        return _refusal(error, error.code)
    log.error("Request %s failed", request_id, exc_info=error)
    return OptillmError(
        f"The server failed; its log has the details under request {request_id}",
        headers={"x-should-retry": "false"},
    )


def error_response(error: OptillmError) -> Response:
    """The wire's form of an error: its status, headers and object."""
    response = Response(dumps(error.body()), error.status, error.headers, content_type="application/json")
    wait = error.retry_after if isinstance(error, UpstreamError) else None
    if isinstance(error, ShuttingDown):
        wait = 1
    if wait is not None and "Retry-After" not in response.headers:
        response.headers["Retry-After"] = str(math.ceil(wait))
    if isinstance(error, FUTILE):
        response.headers["x-should-retry"] = "false"
    return response


def _refusal(error: HTTPException, status: int) -> InvalidRequest:
    headers = {name: value for name, value in error.get_headers() if name == "Allow"}
    refusal = KINDS.get(status, InvalidRequest)(error.description or error.name, headers=headers)
    refusal.status = status
    return refusal
