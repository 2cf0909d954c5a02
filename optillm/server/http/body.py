"""The body of a request on its way in, read against a clock."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Final, Protocol, cast

from aiohttp import web
from aiohttp.http import HttpVersion11

from optillm.engine.memory import Memory
from optillm.errors import InvalidRequest
from optillm.server.bridge import GreenletTask
from optillm.server.errors import refusal

if TYPE_CHECKING:
    from optillm.server.http.connection import Connection

RATE: Final = 2**16  # bytes of a body that earn its client one more second
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Readable(Protocol):
    """What a WSGI application reads a body from."""

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes, or all of them; fewer at the end."""


class Body:
    """A body; it has `seconds` to arrive, and every byte of it earns a little more.

    Its bytes are counted in `memory`; call `release` at the end of its request.
    """

    def __init__(self, request: web.BaseRequest, seconds: float, memory: Memory) -> None:
        self._request = request
        self._connection = cast("Connection", request.protocol)
        self._limit = asyncio.get_running_loop().time() + seconds
        self._awaited = not awaits_go_ahead(request)
        self._received = bytearray()
        self._holding = memory.of_body()

    def larger_than(self, size: int) -> bool:
        """Whether it is, or may be."""
        if not self._request.body_exists:
            return False
        announced = self._request.content_length
        return announced is None or announced > size

    def check_room(self, largest: int) -> None:
        """Raise `Overloaded` if there is no memory for a body of the announced length, `largest` at most."""
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
        return self._request.content.at_eof() and not self._cut

    @property
    def _cut(self) -> bool:
        return self._connection.cut is self._request.content

    def file(self) -> Readable:
        """What the application reads it from."""
        return io.BytesIO(self._received) if self._whole else self

    def read(self, size: int = -1, /) -> bytes:
        """So many bytes, or all of them; waits, so it is for a `GreenletTask`, and may be interrupted."""
        task = GreenletTask.current()
        while size < 0 or len(self._received) < size:
            data = task.wait(task.interruptible(self._next()))
            if not data:
                size = len(self._received)
            self._received += data
        read = bytes(self._received[:size])
        del self._received[:size]
        return read

    async def _next(self) -> bytes:
        """The next bytes, none at the end."""
        content = self._request.content
        if self._whole:
            return b""
        if not self._awaited:
            self._awaited = True
            transport = self._request.transport
            if transport is not None:
                transport.write(CONTINUE)
        try:
            async with asyncio.timeout_at(self._limit):
                data = await content.readany()
        except TimeoutError:
            raise refusal(408, "The request body took too long to arrive") from None
        except web.RequestPayloadError:
            raise InvalidRequest("The request body is not chunked as HTTP wants it") from None
        if not data and self._cut:
            raise InvalidRequest("The request body ended early")
        self._holding.take(len(data))
        self._limit += len(data) / RATE
        return data


def awaits_go_ahead(request: web.BaseRequest) -> bool:
    """Whether the client wants to be asked for the body."""
    return request.version >= HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue"


def expected(request: web.BaseRequest) -> bool:
    """Whether what the client expects can be met."""
    return "Expect" not in request.headers or awaits_go_ahead(request)
