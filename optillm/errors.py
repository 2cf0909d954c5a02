"""The errors of optillm: one small tree, with HTTP statuses and OpenAI's types and codes.

Errors are raised where they happen and rendered once, by the server's error handler. A message is written for the
client that reads it: no internals, no keys, no prompts.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any


class OptillmError(Exception):
    """Our own fault unless a subclass says otherwise; rendered as an OpenAI error object."""

    status: int = HTTPStatus.INTERNAL_SERVER_ERROR
    type = "server_error"
    code: str | None = None
    recorded = False
    """Whether the request that ends with this error is already in the access log, with all that it used."""

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code or type(self).code
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """Return the wire's error object, which always has all four keys."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return {"error": error}


class InvalidRequest(OptillmError):
    """The client sent something that cannot be served as it stands; `param` names the field."""

    status: int = HTTPStatus.BAD_REQUEST
    type = "invalid_request_error"


class Unauthorized(InvalidRequest):
    """The proxy's own key is missing or wrong."""

    status = HTTPStatus.UNAUTHORIZED
    code = "invalid_api_key"


class PermissionDenied(InvalidRequest):
    """The key may not be used for this."""

    status = HTTPStatus.FORBIDDEN
    type = "permission_error"
    code = "permission_denied"


class NotFound(InvalidRequest):
    """There is no such route or model."""

    status = HTTPStatus.NOT_FOUND


class PayloadTooLarge(InvalidRequest):
    """The body is larger than the operator allows."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UnsupportedMediaType(InvalidRequest):
    """The body is not `application/json`."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class RateLimited(OptillmError):
    """Too many requests at once; carries `Retry-After`."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    type = "rate_limit_error"


class UpstreamError(OptillmError):
    """A call failed at the upstream.

    `message` is the upstream's, else ours. `status` is the upstream's own if it answered, else 502; `upstream_body`
    is its error body as JSON, in whatever shape, if it sent one. `retryable`: the same call may succeed later.
    `restarting`: the call has reached no model, since the server answered before and is down now, or is still
    loading its model.
    """

    status: int = HTTPStatus.BAD_GATEWAY
    type = "upstream_error"

    def __init__(
        self,
        message: str,
        *,
        status: int = HTTPStatus.BAD_GATEWAY,
        upstream_body: Mapping[str, Any] | None = None,
        param: str | None = None,
        retryable: bool = False,
        restarting: bool = False,
        retry_after: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, param=param, headers=headers)
        self.status = status
        self.upstream_body = upstream_body
        self.retryable = retryable
        self.restarting = restarting
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        """Return the upstream's own error object, completed, or ours if it sent none."""
        own = super().body()["error"]
        body = self.upstream_body or {}
        if isinstance(body.get("error"), Mapping):
            return {"error": own | {"type": None} | dict(body["error"])}
        fields = {name: body[name] for name in ("type", "param", "code") if body.get(name) is not None}
        return {"error": own | fields}


class DeadlineExceeded(OptillmError):
    """The request's time is up and nothing usable has arrived."""

    status = HTTPStatus.GATEWAY_TIMEOUT
    type = "timeout_error"


class BudgetExhausted(OptillmError):
    """The request's budget ran out before anything usable arrived."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    type = "rate_limit_error"
    code = "budget_exhausted"


class Cancelled(OptillmError):
    """Somebody who knows the request's id cancelled it."""

    status = 499  # what web servers log for a client that left
    code = "request_cancelled"

    def __init__(self) -> None:
        super().__init__("The request was cancelled")


class NotCounted(OptillmError):
    """The key's usage cannot be read or written right now, so it may not use more."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class Overloaded(OptillmError):
    """The requests in flight leave no memory for this one; carries `Retry-After`."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class ShuttingDown(OptillmError):
    """The server is draining; another replica, or this one in a moment, will answer."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
