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
from optillm.server.faults import malformed

log = logging.getLogger(__name__)

STALL = 60.0  # seconds a client has to take what it has been sent
PRESSED = 5.0  # the same, when others wait
RESET: Final = struct.pack("ii", 1, 0)  # to close a connection with an error, not with its end


class Connection(web.RequestHandler):
    """A connection of aiohttp's; `told` renders an error, `pressed` says whether its place is needed by others."""

    __slots__ = (
        "_arriving",
        "_begun",
        "_body",
        "_full_since",
        "_line",
        "_told",
        "_waiting_since",
        "cut",
        "pressed",
    )

    def __init__(self, *args: Any, told: Callable[[OptillmError], web.StreamResponse], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._told = told
        self.pressed: Callable[[], bool] = bool
        # aiohttp forgets its `transport` when it closes it, though the client may not have taken all yet.
        self._line: asyncio.Transport | None = None
        self._waiting_since: float | None = self._loop.time()  # for a request
        self._begun = True  # the client has begun one, or never sent any
        self._arriving = False  # its head is there
        self._body: StreamReader | None = None  # the last one that has begun
        self.cut: StreamReader | None = None  # one that has ended early
        self._full_since: float | None = None  # of what the client does not take

    @property
    def aborted(self) -> bool:
        """Whether nothing will be read or sent here any more."""
        return self._line is None

    @property
    def waits(self) -> bool:
        """Whether no request is being served here."""
        return self._waiting_since is not None

    def arrives(self) -> None:
        """The head of a request is there."""
        self._begun, self._arriving = False, True

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
        if not self._line.get_write_buffer_size():
            self._full_since = None
        elif self._full_since is None:
            self._full_since = now
        elif now - self._full_since > (PRESSED if self.pressed() else STALL):
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

    def eof_received(self) -> bool:  # type: ignore[override] # asyncio's signature
        """Keep the connection for an answer when a body ends early; a client that needs no more has left."""
        if self._body is None or self._body.is_eof():
            return False
        self.cut = self._body
        self._body.feed_eof()
        self.close()  # when the answer is out
        return True

    def resume_writing(self) -> None:
        """The client has taken most of what it was sent."""
        super().resume_writing()
        self._full_since = None

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the end of a reply, and wait for the next request."""
        finished = await super().finish_response(request, resp, start_time)
        self._waiting_since = self._loop.time()
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
        return self._told(error or OptillmError("The server failed"))
