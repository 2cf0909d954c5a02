"""The errors of optillm: one small tree, each class knowing its HTTP status and OpenAI type and code.

Errors are raised where they happen and rendered once, by the server's error handler. A message is written
for the client that reads it: no internals, no keys, no prompts.
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
    """Whether the request that ends with it has its line in the log already, with all that it took."""

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
        """The wire's error object, all four keys always there."""
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
    """No such route or model here."""

    status = HTTPStatus.NOT_FOUND


class PayloadTooLarge(InvalidRequest):
    """The body is larger than the operator allows."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UnsupportedMediaType(InvalidRequest):
    """The body is not `application/json`."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class RateLimited(OptillmError):
    """Too much at once; carries `Retry-After`."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    type = "rate_limit_error"


class UpstreamError(OptillmError):
    """The upstream failed a call.

    `message` is in its words, else in ours. `status` is the upstream's own when it answered, else 502; `upstream_body`
    is its error body as JSON, in whatever shape, when it sent one. `retryable` says whether the same call may succeed
    later. `restarting` says that the call has reached no model: the server answered before and is down now, or it is
    still loading its model.
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
        """The upstream's own error object with the missing keys filled in, or ours when it sent none."""
        own = super().body()["error"]
        sent = self.upstream_body or {}
        if isinstance(sent.get("error"), Mapping):
            return {"error": own | {"type": None} | dict(sent["error"])}
        named = {name: sent[name] for name in ("type", "param", "code") if sent.get(name) is not None}
        return {"error": own | named}


class DeadlineExceeded(OptillmError):
    """The request's time is up and nothing usable has arrived."""

    status = HTTPStatus.GATEWAY_TIMEOUT
    type = "timeout_error"


class BudgetExhausted(OptillmError):
    """The request's budget ends before anything usable has arrived."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    type = "rate_limit_error"
    code = "budget_exhausted"


class Cancelled(OptillmError):
    """The request was called off by somebody who knows its id."""

    status = 499  # what web servers log for a client that left
    code = "request_cancelled"

    def __init__(self) -> None:
        super().__init__("The request was cancelled")


class NotCounted(OptillmError):
    """What the key has used, or made, cannot be told now, so that it may not use more."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class Overloaded(OptillmError):
    """The requests in flight leave no memory for this one; carries `Retry-After`."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class ShuttingDown(OptillmError):
    """The server drains; another replica, or this one in a moment, will answer."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
