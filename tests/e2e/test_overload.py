"""More clients than can be served at once, and clients that send or read slowly, over real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from threading import Event, Thread
from urllib.parse import urlsplit

import aiohttp
import httpx2
import pytest
from openai import DefaultHttpxClient, OpenAI

from tests.e2e.proxy import Proxy, serving
from tests.stub import Call, Stub, completion

pytestmark = pytest.mark.slow

WAIT = 60.0
ASKED = {"messages": [{"role": "user", "content": "What is 2 + 2?"}]}
LONG = "x" * 3_000_000


class Gated:
    """An upstream that answers once `go` is set."""

    def __init__(self) -> None:
        self.go = Event()

    def respond(self, call: Call) -> None:
        self.go.wait(WAIT)
        call.json(completion(*["The answer is 4."] * call.sent.get("n", 1)), connection="close")


def eventually(condition: Callable[[], bool]) -> bool:
    limit = time.monotonic() + WAIT
    while not (met := condition()) and time.monotonic() < limit:
        time.sleep(0.01)
    return met


async def at_once(proxy: Proxy, count: int, done: Callable[[int, str | None], None]) -> None:
    """Send so many technique requests at once; `done` gets the status of each and its `Retry-After`."""
    connector, patience = aiohttp.TCPConnector(limit=0), aiohttp.ClientTimeout(WAIT)
    async with aiohttp.ClientSession(connector=connector, timeout=patience) as session:

        async def one() -> None:
            url = f"{proxy.base_url}/chat/completions"
            async with session.post(url, json={"model": "bon-m", **ASKED}) as reply:
                body = await reply.json()
                assert ("choices" if reply.status == 200 else "error") in body
                done(reply.status, reply.headers.get("Retry-After"))

        await asyncio.gather(*(one() for _ in range(count)))


@contextmanager
def sent(proxy: Proxy, count: int) -> Iterator[list[tuple[int, str | None]]]:
    """The replies so far to requests sent at once by a thread; all of them when the block has ended."""
    replies: list[tuple[int, str | None]] = []
    sending = at_once(proxy, count, lambda *reply: replies.append(reply))
    thread = Thread(target=asyncio.run, args=(sending,))
    thread.start()
    try:
        yield replies
    finally:
        thread.join()


def healthy(proxy: Proxy) -> bool:
    at = urlsplit(proxy.url)
    with closing(HTTPConnection(at.hostname or "", at.port, timeout=WAIT)) as connection:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200


def held(proxy: Proxy) -> tuple[int, int]:
    """File descriptors and threads of the only worker."""
    (worker,) = proxy.workers
    return len(list(Path(f"/proc/{worker}/fd").iterdir())), len(list(Path(f"/proc/{worker}/task").iterdir()))


def test_500_at_once_are_all_served_and_leave_nothing_behind() -> None:
    gated = Gated()
    with Stub(gated.respond) as stub, serving("--base-url", stub.base_url) as proxy:
        assert healthy(proxy)
        before, _ = held(proxy)
        threads = []
        for _ in range(2):
            gated.go.clear()
            with sent(proxy, 500) as replies:
                assert eventually(lambda: held(proxy)[0] >= before + 499)  # `before` held one for a moment
                for _ in range(5):
                    assert healthy(proxy)
                assert replies == []
                gated.go.set()
                while len(replies) < 500:
                    assert healthy(proxy)
            assert Counter(replies) == {(200, None): 500}
            assert eventually(lambda: held(proxy)[0] <= before + 20), held(proxy)
            threads.append(held(proxy)[1])
        assert threads[1] <= threads[0] + 4  # a pool may add one of its own late


def test_those_beyond_the_bounds_are_told_at_once_to_come_back() -> None:
    gated = Gated()
    with (
        Stub(gated.respond) as stub,
        serving("--base-url", stub.base_url, "--concurrency", "24") as proxy,
    ):
        with sent(proxy, 500) as replies:
            assert eventually(lambda: len(replies) == 500 - 24), len(replies)
            assert set(replies) == {(429, "1")}
            assert healthy(proxy)
            assert retried(proxy, gated.go.set) == [429, 200]
        assert Counter(replies) == {(429, "1"): 500 - 24, (200, None): 24}


def retried(proxy: Proxy, refused: Callable[[], None]) -> list[int]:
    """What the SDK meets until it succeeds."""
    statuses: list[int] = []

    def note(response: httpx2.Response) -> None:
        statuses.append(response.status_code)
        refused()

    http = DefaultHttpxClient(event_hooks={"response": [note]})
    with OpenAI(base_url=proxy.base_url, api_key="x", max_retries=5, http_client=http) as sdk:
        answer = sdk.chat.completions.create(model="bon-m", **ASKED)  # type: ignore[call-overload]
        assert answer.choices[0].message.content == "The answer is 4."
    return statuses


@pytest.mark.parametrize("how", ["a head", "a body", "a large body"])
def test_slow_senders_hold_up_nobody(how: str) -> None:
    gated = Gated()
    gated.go.set()
    with Stub(gated.respond) as stub, ExitStack() as slow:
        flags = ["--concurrency", "12", "--header-timeout", "600", "--body-timeout", "600"]
        proxy = slow.enter_context(serving("--base-url", stub.base_url, *flags))
        length = 2_000_000 if how == "a large body" else 1000
        for _ in range(30):
            connection = slow.enter_context(dialled(proxy))
            connection.sendall(head(length) if "body" in how else head(length)[:40])
        with sent(proxy, 12) as replies:
            assert healthy(proxy)
        assert Counter(replies) == {(200, None): 12}


@pytest.mark.parametrize("stream", [True, False])
def test_slow_readers_hold_up_nobody(stream: bool) -> None:
    def respond(call: Call) -> None:
        if call.sent["model"] == "m":
            return call.json(completion(*["The answer is 4."] * call.sent.get("n", 1)))
        if not call.sent["stream"]:
            return call.json(completion(LONG))
        call.begin(content_type="text/event-stream")
        while True:
            call.write(b"data: " + json.dumps({"choices": [], "filler": LONG[:1000]}).encode() + b"\n\n")

    with Stub(respond) as stub, ExitStack() as slow:
        flags = ["--concurrency", "34"]
        proxy = slow.enter_context(serving("--base-url", stub.base_url, *flags))
        for _ in range(5):
            connection = slow.enter_context(dialled(proxy))
            content = json.dumps({"model": "long", "stream": stream, **ASKED}).encode()
            connection.sendall(head(len(content)) + content)
        with sent(proxy, 12) as replies:
            assert healthy(proxy)
        assert Counter(replies) == {(200, None): 12}


@contextmanager
def dialled(proxy: Proxy) -> Iterator[socket.socket]:
    """A connection that takes little at a time."""
    at = urlsplit(proxy.url)
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((at.hostname, at.port))
        yield connection


def head(length: int) -> bytes:
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % length
    )
