"""A client's connection: how long it may be idle, be read from and be written to.

Its errors have the wire's form.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, cast

from aiohttp import StreamReader, web
from aiohttp.http import HttpVersion11
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from optillm.errors import InvalidRequest, OptillmError
from optillm.server.errors import refusal
from optillm.server.http.supervisor import MAX_LINE

log = logging.getLogger(__name__)

STALL = 60.0  # seconds a client has to take what it has been sent
STALL_IN_DEMAND = 5.0  # the same, while its room is needed by others
TAKING_RATE: Final = 2**12  # bytes that earn a client one more second when it takes them
MAX_HEAD: Final = 2**17  # bytes of a head that are awaited
RESET: Final = struct.pack("ii", 1, 0)  # SO_LINGER's value to close a connection with a reset
LAST_REPLIES: Final = (
    0.1  # seconds for replies to a client that sends no more: it has left, or awaits an answer
)


class Connection(web.RequestHandler):
    """aiohttp's connection, with time limits of ours.

    `error_reply` renders errors. `in_demand` says whether others need the room that its request takes.
    """

    __slots__ = (
        "_arriving",
        "_begun",
        "_body",
        "_client_done",
        "_error_reply",
        "_head",
        "_idle_since",
        "_socket_transport",
        "_stalled_since",
        "_untaken",
        "in_demand",
        "truncated",
    )

    def __init__(
        self, *args: Any, error_reply: Callable[[OptillmError], web.StreamResponse], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._error_reply = error_reply
        self.in_demand: Callable[[], bool] = bool
        # aiohttp drops its `transport` when it closes it, though the client may not have taken everything yet.
        self._socket_transport: asyncio.Transport | None = None
        self._idle_since: float | None = self._loop.time()  # `None` while a request is being served
        self._begun = True  # bytes of the next request have come; a new connection owes its first one at once
        self._arriving = False  # the head of the next request is there
        self._body: StreamReader | None = None  # the latest one that has begun
        self.truncated: StreamReader | None = None  # a body that has ended early
        self._client_done = False  # the client sends no more
        self._stalled_since: float | None = None  # the client has not taken everything since then
        self._untaken = 0  # bytes of that
        self._head = 0  # bytes of a head that has no end yet

    @property
    def aborted(self) -> bool:
        """Whether nothing will be read or sent here any more."""
        return self._socket_transport is None

    @property
    def idle(self) -> bool:
        """Whether no request is being served here."""
        return self._idle_since is not None

    def busy(self) -> None:
        """Note that a request is being served."""
        self._idle_since, self._arriving = None, False

    def abort(self) -> None:
        """Close the connection, whatever has not been sent yet."""
        if self._socket_transport is not None:
            self._socket_transport.abort()
            self._socket_transport = None

    def check(self, now: float, head_timeout: float, idle_timeout: float | None) -> None:
        """Close the connection if its time is up.

        The limits are for a head that has begun, for the pause between two requests (`None`: aiohttp's own), and for
        taking what has been sent.
        """
        if self._idle_since is not None:
            limit = head_timeout if self._begun and not self._arriving else idle_timeout
            if limit is not None and now - self._idle_since > limit:
                self.abort()
        if self._socket_transport is None:
            return
        former, self._untaken = self._untaken, self._socket_transport.get_write_buffer_size()
        if not self._untaken:
            self._stalled_since = None
        elif self._stalled_since is None:
            self._stalled_since = now
        else:
            self._stalled_since = min(now, self._stalled_since + max(0, former - self._untaken) / TAKING_RATE)
            if now - self._stalled_since > (STALL_IN_DEMAND if self.in_demand() else STALL):
                self.abort()

    # What aiohttp and the event loop call; tests/server/http/test_contract.py says what each is relied on for.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start serving."""
        self._socket_transport = cast("asyncio.Transport", transport)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Note when a request begins, and when its head is complete."""
        if not self._begun and data:
            self._begun = True
            if self._idle_since is not None and not self._arriving:
                self._idle_since = self._loop.time()
        super().data_received(data)
        if self._messages:
            self._body = self._messages[-1][1]
            self._begun, self._arriving, self._head = False, True, 0
        elif self.idle and not self._arriving:
            self._head += len(data)
            if self._head > MAX_HEAD:
                self.abort()

    def eof_received(self) -> bool:  # type: ignore[override] # asyncio's signature
        """Give replies a moment to leave.

        A client that sends no more may have left, or may await an answer.
        """
        if self._waiter is not None and not self._waiter.done():
            return False  # it was between two requests
        if self._body is not None and not self._body.is_eof():
            self.truncated = self._body
            self._body.feed_eof()
        self._client_done = True
        self._loop.call_later(LAST_REPLIES, self._leave)
        return True

    def _leave(self) -> None:
        if self.idle:
            self.force_close()  # once the client has what was sent
        else:
            self.abort()

    def resume_writing(self) -> None:
        """Note that the client has taken most of what it was sent."""
        super().resume_writing()
        self._stalled_since = None

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the end of a reply, and wait for the next request."""
        finished = await super().finish_response(request, resp, start_time)
        if self._client_done and not self._messages:
            self.close()
        self._idle_since = self._loop.time()
        self._begun, self._arriving = False, bool(self._messages)
        return finished

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,  # noqa: ARG002 - aiohttp's signature
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002
    ) -> web.StreamResponse:
        """Return the reply to a request that does not reach the application, as an error of ours."""
        error = malformed(exc)
        if error is None and not isinstance(exc, ConnectionError):
            log.error("Error handling a request", exc_info=exc)
        if request.writer.output_size > 0:  # a reply that ended here would look whole
            if request.version < HttpVersion11 and self.transport is not None:  # it ends with the connection
                self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.abort()
            raise ConnectionResetError("the reply broke off")
        return self._error_reply(error or OptillmError("The server failed"))


def malformed(error: BaseException | None) -> InvalidRequest | None:
    """Return the error for a client whose request is not valid HTTP for aiohttp.

    Returns `None` if that is not what failed.
    """
    if not isinstance(error, HttpProcessingError):
        return None
    # aiohttp's own message quotes the request, keys and all.
    if isinstance(error, LineTooLong) and error.args[1] == MAX_LINE:
        return refusal(HTTPStatus.REQUEST_URI_TOO_LONG, "The request line is too long")
    if isinstance(error, LineTooLong) or error.message.startswith("Too many headers"):
        return refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers of the request are too large")
    return refusal(HTTPStatus.BAD_REQUEST, "The request is not valid HTTP")
