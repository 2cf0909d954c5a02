"""HTTP with one upstream: requests sent, replies read within bounds, failures named.

Straight over aiohttp: a call costs a third of what it costs through an SDK's layers, and a technique makes
many at once. What is sent and where is not decided here.
"""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
import time
import zlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiohttp import (
    ClientConnectionError,
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorError,
    ClientError,
    ClientHttpProxyError,
    ClientProxyConnectionError,
    ClientResponse,
    ClientSession,
    ClientSSLError,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    SocketTimeoutError,
    TCPConnector,
)
from multidict import CIMultiDict
from yarl import URL

from optillm.engine.memory import USUAL, Holding, Memory
from optillm.engine.upstream.decoding import is_json
from optillm.engine.upstream.proxies import proxy_for
from optillm.engine.upstream.sse_events import EventReader, ServerEvent
from optillm.errors import UpstreamError
from optillm.logs import RareWarnings

LARGEST: Final = 32 * 2**20
"""Bytes of a reply, unpacked, that are read at most where it is needed whole."""
KEEP_ALIVE: Final = 60.0
READ: Final = 2**16

log = logging.getLogger(__name__)


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
        self._base = URL(base_url)
        self._proxy = proxy_for(self._base)
        self._warnings = RareWarnings(log)
        self._reached = False
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
                auto_decompress=False,  # a packed megabyte would become a gigabyte before anybody counts it
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
            begun = time.monotonic()
            async with request as response:
                self._reached = True
                if log.isEnabledFor(logging.DEBUG):
                    log.debug(
                        "%s %s: status %d after %.2f s",
                        *(method, address.url.with_query(None).with_user(None)),
                        *(response.status, time.monotonic() - begun),
                    )
                assert isinstance(response, Response)  # noqa: S101 - of the class that the session was given
                with self._memory.of_reply() as response.holding:
                    yield response
        except (ClientConnectorError, ConnectionTimeoutError, ClientHttpProxyError) as error:
            raise self._unreachable(error) from None
        except SocketTimeoutError as error:
            raise UpstreamError("the upstream did not answer in time", retryable=True) from error
        except (ClientConnectionError, asyncio.IncompleteReadError, ConnectionError) as error:
            self._reached = True
            raise UpstreamError("the upstream broke off the connection", retryable=True) from error
        except (ClientError, OSError) as error:  # a body cut short, or nothing that HTTP knows
            raise UpstreamError("the upstream's reply is broken", retryable=True) from error

    def _unreachable(self, error: Exception) -> UpstreamError:
        """Name what could not be connected to, and why; the log is told, too, now and then."""
        name = self._base.host_port_subcomponent
        if self._proxy and isinstance(error, (ClientProxyConnectionError, ClientHttpProxyError)):
            name = f"{name} by way of the proxy {self._proxy.host_port_subcomponent}"
        message = f"the upstream cannot be reached: {_reason(error)} ({name})"
        self._warnings.warn("%s", message)
        misconfigured = isinstance(error, ClientSSLError | ClientHttpProxyError)  # a restart does not help
        return UpstreamError(message, retryable=True, restarting=self._reached and not misconfigured)

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()


def _reason(error: Exception) -> str:
    """Why there is no connection, in words that hold for every system."""
    match error:
        case ConnectionTimeoutError():
            return "no connection in time"
        case ClientHttpProxyError(status=status):
            return f"the proxy refuses with status {status}"
        case ClientConnectorDNSError():
            return "name not resolved"
        case ClientConnectorCertificateError(
            certificate_error=ssl.SSLCertVerificationError(verify_message=problem)
        ):
            return f"certificate verify failed: {problem}"
        case ClientConnectorError(os_error=ssl.SSLError() as problem):
            return f"no TLS there ({(problem.reason or 'handshake failed').replace('_', ' ').lower()})"
        case ClientConnectorError(os_error=OSError(errno=int() as number)) if number > 0:
            return os.strerror(number).lower()
    return "no connection"


async def whole(response: Response) -> bytes:
    """The body of a reply; raises `UpstreamError` when it is too large to be one."""
    if (response.content_length or LARGEST) <= USUAL and "Content-Encoding" not in response.headers:
        return await response.read()  # as nearly all are: too small to be counted
    content, ended = await beginning(response, LARGEST)
    if not ended:
        del content  # which the error's traceback would keep alive as long as the error
        raise UpstreamError(f"the upstream's reply is larger than {LARGEST // 2**20} MB")
    return content


async def beginning(response: Response, size: int) -> tuple[bytes, bool]:
    """Return the first bytes of a body, and whether they are all of it.

    There are little more than `size` of them.
    """
    parts, length = list[bytes](), 0
    try:
        async for part in unpacked(response):
            response.holding.take(len(part))
            parts.append(part)
            length += len(part)
            if length > size:
                return b"".join(parts), False
        return b"".join(parts), True
    finally:
        parts.clear()  # an error's traceback would keep them alive as long as the error


async def events(response: Response) -> AsyncGenerator[ServerEvent, None]:
    """The events of a stream as they come; a body of JSON is one event that holds all of it."""
    reader, length, body = EventReader(), 0, list[bytes]()
    plain: bool | None = None
    async with aclosing(unpacked(response)) as parts:
        async for part in parts:
            length += len(part)
            response.holding.take(len(part))
            if length > LARGEST:
                body.clear()
                reader.close()
                raise UpstreamError(f"the upstream's stream is longer than {LARGEST // 2**20} MB")
            if plain is None and part.strip():
                plain = is_json(part)
            if plain:
                body.append(part)
                continue
            for event in reader.feed(part):
                yield event
    for event in [ServerEvent("", b"".join(body))] if plain else reader.close():
        yield event


async def unpacked(response: ClientResponse) -> AsyncGenerator[bytes, None]:
    """Yield the body of a reply, unpacked where it is packed although we ask for none of that."""
    packing = response.headers.get("Content-Encoding", "").strip().lower()
    if packing in ("", "identity"):
        async for part in response.content.iter_any():
            yield part
        return
    if packing not in ("gzip", "x-gzip", "deflate"):
        raise UpstreamError(f"the upstream packs its replies ({packing[:20]}), which it is asked not to")
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)  # of either kind, whatever it is called
    ended = True  # an empty body is not packed, whatever its header says
    try:
        async for part in response.content.iter_any():
            rest = part
            while rest:
                yield decoder.decompress(rest, READ)
                rest = decoder.unconsumed_tail
            ended = decoder.eof
    except zlib.error as error:
        raise UpstreamError("the upstream's reply is broken", retryable=True) from error
    if not ended:
        raise UpstreamError("the upstream's reply is broken", retryable=True)
