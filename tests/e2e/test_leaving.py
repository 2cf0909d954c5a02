"""Clients that go away, or are called off: what the upstream sees afterwards, over real sockets."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from threading import Barrier, BrokenBarrierError, Event, Thread
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.e2e.proxy import Proxy, serving
from tests.stub import Call, Stub, completion

WAIT = 30.0


class Watched:
    """An upstream that hangs, or refuses with a 429; a plain call is answered once `go` is set."""

    def __init__(self, *, refusing: bool = False, together: int = 3) -> None:
        self.refusing = refusing
        self.came, self.left, self.go = Event(), Event(), Event()
        self._candidates = Barrier(together, self.came.set)  # `bon` asks for three at once

    def respond(self, call: Call) -> None:
        if call.sent["model"] == "plain":
            self.go.wait(WAIT)
            return call.json(completion("hi"))
        with suppress(BrokenBarrierError):
            self._candidates.wait(WAIT)
        if self.refusing:
            return call.json({"error": {"message": "slow down"}}, 429, Retry_After_Ms="2000")
        call.until_left()
        self.left.set()
        return None


def request(proxy: Proxy, *, stream: bool, model: str = "bon-m", **headers: str) -> socket.socket:
    """A connection that has sent a request."""
    at = urlsplit(proxy.url)
    sent = {"model": model, "messages": [{"role": "user", "content": "What is 2 + 2?"}], "stream": stream}
    body = json.dumps(sent).encode()
    fields = {"Host": at.netloc, "Content-Type": "application/json", "Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in {**fields, **headers}.items())
    connection = socket.create_connection((at.hostname or "", at.port or 0), timeout=WAIT)
    connection.sendall(f"POST /v1/chat/completions HTTP/1.1\r\n{head}\r\n".encode() + body)
    return connection


def plain(proxy: Proxy) -> None:
    """A request that passes through, whatever became of the others."""
    body = {"model": "plain", "messages": [{"role": "user", "content": "hi"}]}
    assert httpx2.post(f"{proxy.base_url}/chat/completions", json=body, timeout=WAIT).status_code == 200


@contextmanager
def scene(watched: Watched, *flags: str) -> Iterator[tuple[Proxy, Stub]]:
    with Stub(watched.respond) as stub, serving("--base-url", stub.base_url, *flags) as proxy:
        yield proxy, stub


RETURNING = {"x-stainless-retry-count": "0"}


@pytest.mark.parametrize("headers", [{}, RETURNING])
@pytest.mark.parametrize("stream", [True, False])
def test_in_a_call_the_upstream_sees_all_connections_close(stream: bool, headers: Any) -> None:
    watched = Watched()
    with scene(watched) as (proxy, stub):
        with closing(request(proxy, stream=stream, **headers)):
            assert watched.came.wait(WAIT)
        gone = time.monotonic()
        assert watched.left.wait(WAIT)
        assert time.monotonic() - gone < 5  # a second, on a machine that is not busy
        paid = len(stub.calls)
        watched.go.set()
        plain(proxy)
        assert len(stub.calls) == paid + 1


@pytest.mark.parametrize("headers", [{}, RETURNING])
@pytest.mark.parametrize("stream", [True, False])
def test_in_a_back_off_no_call_is_repeated(stream: bool, headers: Any) -> None:
    watched = Watched(refusing=True)
    with scene(watched) as (proxy, stub):
        with closing(request(proxy, stream=stream, **headers)):
            assert watched.came.wait(WAIT)
        waiting = Thread(target=plain, args=(proxy,))
        waiting.start()
        watched.go.wait(3.0)  # longer than the back-off: what was to come has come
        watched.go.set()
        waiting.join(WAIT)
        assert [call.sent["model"] for call in stub.calls] == ["m", "m", "m", "plain"]


@pytest.mark.parametrize("stream", [True, False])
def test_in_a_queue_no_waiting_call_begins(stream: bool) -> None:
    watched = Watched(together=1)
    with scene(watched, "--upstream-concurrency", "1") as (proxy, stub):
        with closing(request(proxy, stream=stream)):
            assert watched.came.wait(WAIT)
        assert watched.left.wait(WAIT)
        watched.go.set()
        plain(proxy)
        assert [call.sent["model"] for call in stub.calls] == ["m", "plain"]


@pytest.mark.parametrize("stream", [True, False])
def test_a_request_can_be_called_off_by_its_id(stream: bool) -> None:
    watched = Watched()
    with (
        scene(watched) as (proxy, _),
        closing(request(proxy, stream=stream, **RETURNING, **{"x-request-id": "mine"})) as connection,
    ):
        assert watched.came.wait(WAIT)
        assert httpx2.post(f"{proxy.base_url}/chat/cancel/mine").json()["cancelled"] is True
        assert watched.left.wait(WAIT)
        received = b""
        while b"request_cancelled" not in received:
            part = connection.recv(4096)
            assert part, received
            received += part
        assert received.startswith(b"HTTP/1.1 200" if stream else b"HTTP/1.1 499")
