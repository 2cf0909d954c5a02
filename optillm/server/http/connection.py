"""A client's connection: how long it may wait, be read from, be written to; and errors in the wire's form."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from typing import Any, Final, cast

from aiohttp import StreamReader, web
from aiohttp.http import HttpVersion11

from optillm.errors import OptillmError
from optillm.server.errors import malformed

log = logging.getLogger(__name__)

STALL = 60.0  # seconds a client has to take what it has been sent
PRESSED = 5.0  # the same, when others wait
RATE: Final = 2**12  # bytes taken that earn one more second
HEAD: Final = 2**17  # bytes of a head that are awaited
RESET: Final = struct.pack("ii", 1, 0)  # to close a connection with an error, not with its end
ANSWER: Final = 0.1  # seconds for replies to a client that sends no more: it has left, or awaits an answer


class Connection(web.RequestHandler):
    """A connection of aiohttp's; `error_reply` renders errors, `pressed` says whether its place is needed by others."""

    __slots__ = (
        "_arriving",
        "_begun",
        "_body",
        "_ended",
        "_error_reply",
        "_full_since",
        "_head",
        "_line",
        "_untaken",
        "_waiting_since",
        "cut",
        "pressed",
    )

    def __init__(
        self, *args: Any, error_reply: Callable[[OptillmError], web.StreamResponse], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._error_reply = error_reply
        self.pressed: Callable[[], bool] = bool
        # aiohttp forgets its `transport` when it closes it, though the client may not have taken all yet.
        self._line: asyncio.Transport | None = None
        self._waiting_since: float | None = self._loop.time()  # for a request
        self._begun = True  # the client has begun one, or never sent any
        self._arriving = False  # its head is there
        self._body: StreamReader | None = None  # the last one that has begun
        self.cut: StreamReader | None = None  # one that has ended early
        self._ended = False  # no more will come
        self._full_since: float | None = None  # of what the client does not take
        self._untaken = 0  # bytes of that
        self._head = 0  # bytes of a head that has no end yet

    @property
    def aborted(self) -> bool:
        """Whether nothing will be read or sent here any more."""
        return self._line is None

    @property
    def waits(self) -> bool:
        """Whether no request is being served here."""
        return self._waiting_since is not None

    def busy(self) -> None:
        """The request is being served."""
        self._waiting_since, self._arriving = None, False

    def abort(self) -> None:
        """Close it, whatever has not been sent yet."""
        if self._line is not None:
            self._line.abort()
            self._line = None

    def check(self, now: float, head: float, idle: float | None) -> None:
        """Close it if its time is up: for a head that has begun, for a pause if `idle` says so, for a reply."""
        if self._waiting_since is not None:
            limit = head if self._begun and not self._arriving else idle
            if limit is not None and now - self._waiting_since > limit:
                self.abort()
        if self._line is None:
            return
        former, self._untaken = self._untaken, self._line.get_write_buffer_size()
        if not self._untaken:
            self._full_since = None
        elif self._full_since is None:
            self._full_since = now
        else:
            self._full_since = min(now, self._full_since + max(0, former - self._untaken) / RATE)
            if now - self._full_since > (PRESSED if self.pressed() else STALL):
                self.abort()

    # What aiohttp calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to serve."""
        self._line = cast("asyncio.Transport", transport)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Note when a request begins."""
        if not self._begun and data:
            self._begun = True
            if self._waiting_since is not None and not self._arriving:
                self._waiting_since = self._loop.time()
        super().data_received(data)
        if self._messages:
            self._body = self._messages[-1][1]
            self._begun, self._arriving, self._head = False, True, 0
        elif self.waits and not self._arriving:
            self._head += len(data)
            if self._head > HEAD:
                self.abort()

    def eof_received(self) -> bool:  # type: ignore[override] # asyncio's signature
        """The client sends no more: whether it has left as well cannot be told, so what can be said at once is said."""
        if self._waiter is not None and not self._waiter.done():
            return False  # it was between two requests
        if self._body is not None and not self._body.is_eof():
            self.cut = self._body
            self._body.feed_eof()
        self._ended = True
        self._loop.call_later(ANSWER, self._leave)
        return True

    def _leave(self) -> None:
        if self.waits:
            self.force_close()  # once the client has what was said
        else:
            self.abort()

    def resume_writing(self) -> None:
        """The client has taken most of what it was sent."""
        super().resume_writing()
        self._full_since = None

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the end of a reply, and wait for the next request."""
        finished = await super().finish_response(request, resp, start_time)
        if self._ended and not self._messages:
            self.close()
        self._waiting_since = self._loop.time()
        self._begun, self._arriving = False, bool(self._messages)
        return finished

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,  # noqa: ARG002 - aiohttp's signature
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002
    ) -> web.StreamResponse:
        """Answer what does not come as far as the application, in the shape of all our errors."""
        error = malformed(exc)
        if error is None and not isinstance(exc, ConnectionError):
            log.error("Error handling a request", exc_info=exc)
        if request.writer.output_size > 0:  # a reply that ended here as if it were whole would be a lie
            if request.version < HttpVersion11 and self.transport is not None:  # it ends with the connection
                self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.abort()
            raise ConnectionResetError("the reply broke off")
        return self._error_reply(error or OptillmError("The server failed"))
