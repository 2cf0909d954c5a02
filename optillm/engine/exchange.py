"""HTTP with one upstream: requests sent, replies read within bounds, failures named.

Straight over aiohttp: a call costs a third of what it costs through an SDK's layers, and a technique makes
many at once. What is sent and where is not decided here.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.request import getproxies, proxy_bypass

from aiohttp import (
    ClientConnectionError,
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    SocketTimeoutError,
    TCPConnector,
)
from multidict import CIMultiDict
from yarl import URL

from optillm.engine.memory import Holding, Memory
from optillm.errors import UpstreamError

LARGEST: Final = 32 * 2**20
"""Bytes of a reply, unpacked, that are read at most where it is needed whole."""
CHAT: Final = "/chat/completions"
KEEP_ALIVE: Final = 60.0
READ: Final = 2**16


@dataclass(frozen=True, slots=True)
class Address:
    """Where a request goes, and the headers that go with it, credentials included."""

    url: URL
    headers: CIMultiDict[str]


class Response(ClientResponse):
    """A reply; `holding` counts what of it is in memory."""

    holding: Holding


class Exchange:
    """One pool of connections, opened when first needed, on the running loop.

    `connect_timeout` and `silence` are the seconds a connection may take, and a reply may pause; `None`: for ever.
    `memory` is what replies may take, of this and of other upstreams.
    """

    def __init__(
        self,
        base_url: str,
        trusted: ssl.SSLContext | bool,
        connect_timeout: float,
        silence: float | None = None,
        memory: Memory | None = None,
    ) -> None:
        self._memory = memory or Memory()
        self._trusted = trusted
        self._timeout = ClientTimeout(total=None, sock_connect=connect_timeout, sock_read=silence)
        self._proxy = _proxy(URL(base_url))
        self._session: ClientSession | None = None

    @asynccontextmanager
    async def send(self, method: str, address: Address, content: bytes | None) -> AsyncIterator[Response]:
        """The reply to a request, its body unread; raises `UpstreamError` when there is none.

        Leaving the block early closes the connection.
        """
        if self._session is None:
            connector = TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE, ssl=self._trusted)
            # What one client's reply sets must not go up with another's request.
            self._session = ClientSession(
                connector=connector,
                cookie_jar=DummyCookieJar(),
                timeout=self._timeout,
                read_bufsize=READ,
                response_class=Response,
            )
        try:
            request = self._session.request(
                method,
                address.url,
                headers=address.headers,
                data=content,
                allow_redirects=False,  # a redirect must never carry the key elsewhere
                proxy=self._proxy,
            )
            async with request as response:
                assert isinstance(response, Response)  # noqa: S101 - of the class that the session was given
                with self._memory.of_reply() as response.holding:
                    yield response
        except (ClientConnectorError, ConnectionTimeoutError) as error:
            raise UpstreamError("the upstream cannot be reached", retryable=True) from error
        except SocketTimeoutError as error:
            raise UpstreamError("the upstream did not answer in time", retryable=True) from error
        except (ClientConnectionError, asyncio.IncompleteReadError, ConnectionError) as error:
            raise UpstreamError("the upstream broke off the connection", retryable=True) from error
        except (ClientError, OSError) as error:  # a body cut short, or nothing that HTTP knows
            raise UpstreamError("the upstream's reply is broken", retryable=True) from error

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()


async def whole(response: Response) -> bytes:
    """The body of a reply; raises `UpstreamError` when it is too large to be one."""
    content, ended = await beginning(response, LARGEST)
    if not ended:
        raise UpstreamError(f"the upstream's reply is larger than {LARGEST // 2**20} MB")
    return content


async def beginning(response: Response, size: int) -> tuple[bytes, bool]:
    """The first bytes of a body, a little more than `size` at most, and whether they are all of it."""
    parts, length = list[bytes](), 0
    async for part in response.content.iter_any():
        response.holding.take(len(part))
        parts.append(part)
        length += len(part)
        if length > size:
            return b"".join(parts), False
    return b"".join(parts), True


async def lines(response: Response) -> AsyncGenerator[bytes, None]:
    """The lines of a stream; only line feeds end them, as other separators may stand inside JSON strings."""
    rest, length = list[bytes](), 0
    async with aclosing(_parts(response)) as parts:
        async for part in parts:
            length += len(part)
            response.holding.take(len(part))
            if length > LARGEST:
                raise UpstreamError(f"the upstream's stream is longer than {LARGEST // 2**20} MB")
            first, *others = part.split(b"\n")
            rest.append(first)
            for line in others:
                yield b"".join(rest)
                rest = [line]


async def _parts(response: ClientResponse) -> AsyncGenerator[bytes, None]:
    async for part in response.content.iter_any():
        yield part


def _proxy(base: URL) -> str | None:
    """The proxy that the environment names for the upstream, if any."""
    if base.host is None or proxy_bypass(base.host):
        return None
    return getproxies().get(base.scheme)
