"""The load generator: clients on persistent connections that send prepared bytes and time the replies.

A library would cost the two cores more than the measured server does. This costs about as much as the upstream, and
the row of the bare upstream shows how much that is.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

QUESTION: Final = "Mia has 19 boxes with 12 pens each. She gives away 17 pens. How many pens does she have?"
ANSWER_TIMEOUT: Final = 120.0
"""Seconds to wait for a server's answer."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_CLOSE = re.compile(rb"^HTTP/1\.0 |\r\nconnection: *close", re.IGNORECASE)
_CONTENT = re.compile(rb'"content": ?"[^"]')


@dataclass(frozen=True, slots=True)
class Request:
    """A request to a server, ready to be sent."""

    host: str
    port: int
    content: bytes

    @classmethod
    def to(cls, base_url: str, model: str, path: str = "/chat/completions", **fields: Any) -> Request:
        """Return a chat request; `fields` are further fields of its body."""
        body = {"model": model, "messages": [{"role": "user", "content": QUESTION}], **fields}
        return cls.of(f"{base_url}{path}", body)

    @classmethod
    def of(cls, address: str, body: Mapping[str, Any] | None = None) -> Request:
        """Return any JSON request; without a body, a GET."""
        url = urlsplit(address)
        content = b"" if body is None else json.dumps(body).encode()
        head = (
            f"{'GET' if body is None else 'POST'} {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\n"
            "Authorization: Bearer none\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        )
        return cls(url.hostname or "", url.port or 80, head.encode() + content)


@dataclass(slots=True)
class Reply:
    """What came back; `first`, `content` and `seconds` count from the sending of the request.

    `first` is the first byte of the body, `content` the first text of a stream.
    """

    status: int
    body: bytes
    seconds: float
    first: float
    content: float | None

    def json(self) -> Any:
        """Return the parsed body."""
        return json.loads(self.body)


class Client(asyncio.Protocol):
    """One connection; requests go one after the other. `spent`: the server will take no more of them."""

    def __init__(self) -> None:
        self.spent = False
        self._transport: Any = None
        self._answered: asyncio.Future[Reply] | None = None

    @classmethod
    async def connected(cls, request: Request) -> Client:
        """Return a client connected to the server of a request."""
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(cls, request.host, request.port)
        return client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport

    async def ask(self, request: Request) -> Reply:
        """Send a request and return its whole reply."""
        self.send(request)
        assert self._answered is not None
        return await self._answered

    def send(self, request: Request) -> None:
        """Send a request."""
        self._answered = asyncio.get_running_loop().create_future()
        self._received, self._head, self._status = bytearray(), 0, 0
        self._missing: int | None = None
        self._chunked = False
        self._first: float | None = None
        self._content: float | None = None
        self._started = time.perf_counter()
        self._transport.write(request.content)

    def leave(self) -> None:
        """Hang up."""
        if self._answered is not None:
            self._answered.cancel()
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Take what has arrived and complete the reply if it is whole."""
        now = time.perf_counter() - self._started
        received = self._received
        received += data
        if not self._head and not self._read_head():
            return
        if len(received) > self._head:
            self._first = self._first or now
            if self._content is None and _CONTENT.search(received, self._head):
                self._content = now
        if self._chunked:
            whole = received.endswith(b"0\r\n\r\n")
        else:
            whole = self._missing is not None and len(received) - self._head >= self._missing
        if whole:
            self._complete(now)

    def connection_lost(self, exc: Exception | None) -> None:
        """Complete a reply that ends with the connection; otherwise raise in whoever waits for it."""
        self.spent = True
        if self._answered is None or self._answered.done():
            return
        if self._head and self._missing is None and not self._chunked and exc is None:
            self._complete(time.perf_counter() - self._started)
        else:
            self._answered.set_exception(exc or ConnectionResetError("the server hung up"))

    def _complete(self, now: float) -> None:
        if self._answered is not None and not self._answered.done():
            body = bytes(self._received[self._head :])
            self._answered.set_result(Reply(self._status, body, now, self._first or now, self._content))

    def _read_head(self) -> bool:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return False
        self._head = end + 4
        head = bytes(self._received[: self._head])
        self._status = int(head.split(b" ", 2)[1])
        self._chunked = _CHUNKED.search(head) is not None
        length = None if self._chunked else _LENGTH.search(head)
        self._missing = int(length[1]) if length else None
        self.spent = _CLOSE.search(head) is not None
        return True


async def ask(request: Request) -> Reply:
    """Return the reply to one request on a connection of its own."""
    client = await Client.connected(request)
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            return await client.ask(request)
    finally:
        client.leave()


async def closed_loop(request: Request, clients: int, seconds: float) -> list[float]:
    """Let each client ask one request after the other for `seconds`; return the seconds of each request.

    Raises `RuntimeError` if a reply is an error: errors are fast.
    """
    connected = await asyncio.gather(*(Client.connected(request) for _ in range(clients)))
    end = time.perf_counter() + seconds
    times: list[float] = []

    async def keep_asking(client: Client) -> None:
        while time.perf_counter() < end:
            if client.spent:
                client.leave()
                client = await Client.connected(request)
            reply = await client.ask(request)
            if reply.status != 200:
                raise RuntimeError(f"status {reply.status}: {reply.body[:200]!r}")
            times.append(reply.seconds)

    try:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            await asyncio.gather(*map(keep_asking, connected))
    finally:
        for client in connected:
            client.leave()
    return times


async def at_once(request: Request, count: int, rounds: int = 1) -> tuple[float, int]:
    """Send `count` requests together, round after round; return the seconds and the number of failures."""
    connected = await asyncio.gather(*(Client.connected(request) for _ in range(count)))
    failed = 0
    started = time.perf_counter()
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            for _ in range(rounds):
                asking = (client.ask(request) for client in connected)
                replies = await asyncio.gather(*asking, return_exceptions=True)
                failed += sum(not isinstance(reply, Reply) or reply.status != 200 for reply in replies)
    finally:
        for client in connected:
            client.leave()
    return time.perf_counter() - started, failed


async def left(request: Request, count: int, under_way: Callable[[], Awaitable[object]]) -> None:
    """Send `count` requests, and abandon all of them once `under_way()` returns."""
    connected = await asyncio.gather(*(Client.connected(request) for _ in range(count)))
    for client in connected:
        client.send(request)
    await under_way()
    for client in connected:
        client.leave()
