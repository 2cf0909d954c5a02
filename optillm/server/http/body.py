"""The body of a request, read against a clock."""

from __future__ import annotations

import asyncio
import io
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol, cast

from aiohttp import web
from aiohttp.http import HttpVersion11

from optillm.engine.memory import Memory
from optillm.errors import InvalidRequest
from optillm.server.bridge import await_only
from optillm.server.errors import refusal

if TYPE_CHECKING:
    from optillm.server.http.connection import Connection

BODY_RATE: Final = 2**16  # bytes of a body that earn its client one more second
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Readable(Protocol):
    """What a WSGI application reads a body from."""

    def read(self, size: int = -1, /) -> bytes:
        """Return so many bytes, or all of them; fewer at the end."""


class Body:
    """A body that has `seconds` to arrive, and a little more for each byte that comes.

    Its bytes are counted in `memory`; call `release` at the end of its request.
    """

    def __init__(self, request: web.BaseRequest, seconds: float, memory: Memory) -> None:
        self._request = request
        self._connection = cast("Connection", request.protocol)
        self._limit = asyncio.get_running_loop().time() + seconds
        self._requested = not awaits_go_ahead(request)
        self._received = bytearray()
        self._holding = memory.of_body()

    def larger_than(self, size: int) -> bool:
        """Return whether it is larger, or may be because its length is unknown."""
        if not self._request.body_exists:
            return False
        length = self._request.content_length
        return length is None or length > size

    def check_room(self, largest: int) -> None:
        """Raise `Overloaded` if memory lacks room for the announced length, or for `largest` bytes.

        The smaller of the two counts.
        """
        self._holding.check(min(self._request.content_length or 0, largest))

    def release(self) -> None:
        """Release the memory that the body takes."""
        self._holding.release()

    async def arrive(self) -> None:
        """Wait for all of it; raises `InvalidRequest`."""
        while data := await self._next():
            self._received += data

    @property
    def _whole(self) -> bool:
        return self._request.content.at_eof() and not self._truncated

    @property
    def _truncated(self) -> bool:
        return self._connection.truncated is self._request.content

    def file(self) -> Readable:
        """Return what the application reads the body from."""
        return io.BytesIO(self._received) if self._whole else self

    def read(self, size: int = -1, /) -> bytes:
        """Return so many bytes, or all of them.

        Waits in the greenlet of a view, and may be interrupted.
        """
        while size < 0 or len(self._received) < size:
            data = await_only(self._next())
            if not data:
                size = len(self._received)
            self._received += data
        read = bytes(self._received[:size])
        del self._received[:size]
        return read

    async def _next(self) -> bytes:
        """Return the next bytes, none at the end; raises `InvalidRequest`."""
        content = self._request.content
        if self._whole:
            return b""
        if not self._requested:
            self._requested = True
            transport = self._request.transport
            if transport is not None:
                transport.write(CONTINUE)
        try:
            async with asyncio.timeout_at(self._limit):
                data = await content.readany()
        except TimeoutError:
            raise refusal(HTTPStatus.REQUEST_TIMEOUT, "The request body took too long to arrive") from None
        except web.RequestPayloadError:
            raise InvalidRequest("The request body is not chunked as HTTP wants it") from None
        if not data and self._truncated:
            raise InvalidRequest("The request body ended early")
        self._holding.take(len(data))
        self._limit += len(data) / BODY_RATE
        return data


def awaits_go_ahead(request: web.BaseRequest) -> bool:
    """Return whether the client waits for a 100 (Continue) before it sends the body."""
    return request.version >= HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue"


def expectation_can_be_met(request: web.BaseRequest) -> bool:
    """Return whether the request expects nothing, or nothing but to be told to go ahead."""
    return "Expect" not in request.headers or awaits_go_ahead(request)
