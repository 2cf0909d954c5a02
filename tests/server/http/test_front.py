"""Requests on their way in: slow clients, too many of them, and bytes that are no HTTP; over real sockets."""

from __future__ import annotations

import asyncio
import json
import select
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest
import uvloop

from optillm.engine.memory import MB
from optillm.server.app import create_app
from optillm.server.http.front import SMALL_BODY, Front
from tests.server.fakes import CHAT, HELLO, FakeEngine, settings
from tests.server.http.test_serve import SOON, Live, eventually, running

POST = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()
LARGE = {"a": "x" * (4 * MB - 1000)}
SLOW = {
    "nothing": b"",
    "headers": POST + b"X-A: ",
    "a body": POST + b"Content-Length: 1000\r\n\r\n{",
    "a large body": POST + b"Content-Length: %d\r\n\r\n{" % (SMALL_BODY + 1),
    "a chunked body": POST + b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n{",
    "a body it was asked for": POST + b"Expect: 100-continue\r\nContent-Length: 1000\r\n\r\n",
}


def dial(live: Live, sent: bytes) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", live.port), timeout=SOON)
    client.sendall(sent)
    return client


def replied(client: socket.socket) -> HTTPResponse:
    response = HTTPResponse(client)
    response.begin()
    return response


def upload(live: Live, *, chunked: bool) -> tuple[int, str | None]:
    """Return the status of a large request, and when to come again."""
    content = json.dumps(HELLO | {"metadata": LARGE}).encode()
    connection = live.connect()
    with suppress(ConnectionError):  # it may be refused before its end
        sent = [content] if chunked else content
        connection.request("POST", CHAT, sent, {"Content-Type": "application/json"}, encode_chunked=chunked)
    with connection.getresponse() as response:
        response.read()
    connection.close()
    return response.status, response.headers["Retry-After"]


def health(live: Live) -> int:
    connection = HTTPConnection("127.0.0.1", live.port, timeout=SOON)
    connection.request("GET", "/health")
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with running(tmp_path_factory.mktemp("live"), concurrency=2) as live:
        yield live
        status, said = live.end()
        assert status == 0
        assert "Traceback" not in said


@pytest.mark.parametrize("what", SLOW)
def test_clients_that_send_slowly_hold_up_nobody_else(tmp_path: Path, what: str) -> None:
    with (
        running(tmp_path, concurrency=2, header_timeout=600, body_timeout=600) as live,
        ExitStack() as slow,
    ):
        for _ in range(10):
            slow.enter_context(dial(live, SLOW[what]))
        for _ in range(3):
            assert health(live) == 200
            connection, response = live.post("m")
            assert response.status == 200
            connection.close()


def test_health_answers_while_every_place_is_taken(tmp_path: Path) -> None:
    with running(tmp_path, concurrency=2) as live, ExitStack() as busy:
        for _ in range(3):
            busy.callback(live.send("hang").close)
        assert live.tells("began")
        assert health(live) == 200


def test_health_that_waits_for_the_upstream_takes_nobodys_place(tmp_path: Path) -> None:
    (tmp_path / "silent").touch()
    asked = b"GET /health?ready=1 HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with running(tmp_path, concurrency=1) as live, dial(live, asked):
        assert live.tells("began")
        connection, response = live.post("m")
        assert response.status == 200
        connection.close()


@pytest.mark.parametrize("what", ["nothing", "headers"])
def test_a_client_without_headers_in_time_loses_its_connection(tmp_path: Path, what: str) -> None:
    with running(tmp_path, header_timeout=0.1) as live, dial(live, SLOW[what]) as client:
        assert client.recv(1) == b""


@pytest.mark.parametrize("what", ["a body", "a large body", "a chunked body"])
def test_a_client_without_a_body_in_time_is_told_so(tmp_path: Path, what: str) -> None:
    with (
        running(tmp_path, header_timeout=0.1, body_timeout=0.1) as live,
        dial(live, SLOW[what]) as client,
    ):
        response = replied(client)
        assert response.status == 408
        assert json.loads(response.read())["error"]["type"] == "invalid_request_error"
        assert client.recv(1) == b""


@pytest.mark.parametrize("pause", [10, len(POST), len(POST) + 30])
def test_a_request_may_come_in_pieces(live: Live, pause: int) -> None:
    content = json.dumps(HELLO).encode()
    request = POST + b"Content-Length: %d\r\n\r\n" % len(content) + content
    with dial(live, request[:pause]) as client:
        assert health(live) == 200  # it has been waited for
        client.sendall(request[pause:])
        assert replied(client).status == 200


def test_requests_sent_together_are_answered_one_after_the_other(live: Live) -> None:
    content = json.dumps(HELLO).encode()
    request = POST + b"Content-Length: %d\r\n\r\n" % len(content) + content
    with dial(live, request * 3) as client, client.makefile("rb") as replies:
        for _ in range(3):
            assert replies.readline().startswith(b"HTTP/1.1 200 ")
            length = 0
            while (line := replies.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            assert json.loads(replies.read(length))["object"] == "chat.completion"


def test_a_large_body_arrives(live: Live) -> None:
    connection, response = live.post("m", metadata={"a": "x" * 3 * SMALL_BODY})
    assert response.status == 200
    connection.close()


@pytest.mark.parametrize("chunked", [False, True])
def test_large_bodies_beyond_the_memory_for_them_are_refused_with_retry_after(
    tmp_path: Path, chunked: bool
) -> None:
    with running(tmp_path, concurrency=32, max_body_mb=4) as live, ExitStack() as stack:
        assert upload(live, chunked=chunked) == (200, None)
        busy = [live.send("hang", metadata=LARGE) for _ in range(10)]
        for connection in busy:
            stack.callback(connection.close)
        assert eventually(lambda: upload(live, chunked=chunked) == (503, "1"))
        connection, response = live.post("m")
        assert response.status == 200
        connection.close()
        busy[0].close()
        assert eventually(lambda: upload(live, chunked=chunked) == (200, None))


def test_a_body_that_is_too_large_is_refused_without_retry_after(live: Live) -> None:
    with dial(live, POST + b"Content-Length: %d\r\n\r\n" % (2**40)) as client:
        assert replied(client).status == 413


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", 400),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}zz", 400),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n2;\x00\r\n{}\r\n0\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: gzip\r\n\r\n", 400),
        (POST + b"Transfer-Encoding: xyz\r\n\r\n", 400),
        (POST + b"Content-Length: x\r\n\r\n", 400),
        (POST + b"Content-Length: -1\r\n\r\n", 400),
        (POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
        (POST + b"Content-Length: 99999999999999999999\r\n\r\n", 400),
        (POST + b"X-A: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (POST + b"X-A: " + b"a" * 2**16, 431),
        (POST + b"X-A: a\r\n" * 129 + b"\r\n", 431),
        (POST + b"Expect: tea\r\n\r\n", 417),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\nHost: localhost\n\n", 400),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
    ],
)
def test_what_is_no_http_is_refused_in_the_error_shape(live: Live, sent: bytes, status: int) -> None:
    with dial(live, sent) as client:
        response = replied(client)
        assert response.status == status
        assert response.headers["Content-Type"] == "application/json"
        assert response.headers["x-request-id"].startswith("req_")
        error = json.loads(response.read())["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"


def test_a_header_with_an_underscore_does_not_pose_as_another(live: Live) -> None:
    ids = []
    for name in (b"X-Request-Id", b"X_Request_Id", b"X-Request_Id"):
        with dial(live, b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + name + b": mine\r\n\r\n") as client:
            ids.append(replied(client).headers["x-request-id"])
    assert [each == "mine" for each in ids] == [True, False, False]


def test_a_request_gets_one_reply_though_its_body_cannot_be_read(live: Live) -> None:
    sent = b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    with dial(live, sent) as client:
        response = replied(client)
        assert response.status == 400
        response.read()
        assert client.recv(1) == b""


@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"])
def test_a_reply_that_does_not_wait_for_the_body_is_the_last(live: Live, expect: bytes) -> None:
    sent = (
        POST.replace(CHAT.encode(), b"/nowhere") + expect + b"Content-Length: %d\r\n\r\n" % (SMALL_BODY + 1)
    )
    with dial(live, sent) as client:
        response = replied(client)
        assert response.status == 404
        assert response.headers["Connection"] == "close"
        client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")  # which a client may take for one
        response.read()
        assert client.recv(1) == b""


@pytest.mark.parametrize("what", ["a body", "a large body", "a chunked body"])
def test_a_body_that_ends_early_is_refused(live: Live, what: str) -> None:
    with dial(live, SLOW[what]) as client:
        client.shutdown(socket.SHUT_WR)
        response = replied(client)
        assert response.status == 400
        assert "ended early" in json.loads(response.read())["error"]["message"]


def test_a_body_that_ends_early_is_refused_though_it_is_valid_so_far(live: Live) -> None:
    content = json.dumps(HELLO).encode()
    with dial(live, POST + b"Content-Length: %d\r\n\r\n" % (len(content) + 1) + content) as client:
        client.shutdown(socket.SHUT_WR)
        assert replied(client).status == 400


def test_a_request_is_whole_though_the_body_of_the_next_one_ends_early(live: Live) -> None:
    with dial(live, b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n" + SLOW["a body"]) as client:
        client.shutdown(socket.SHUT_WR)
        assert replied(client).status == 200


def test_a_client_that_leaves_in_the_middle_of_its_headers_is_forgotten(live: Live) -> None:
    for _ in range(5):
        dial(live, SLOW["headers"]).close()
    assert health(live) == 200


def test_when_there_are_too_many_connections_the_oldest_that_waits_has_to_go(tmp_path: Path) -> None:
    with running(tmp_path, concurrency=2, idle=60, header_timeout=600) as live, ExitStack() as slow:
        first = slow.enter_context(dial(live, SLOW["headers"]))
        for _ in range(64):
            slow.enter_context(dial(live, SLOW["headers"]))
        assert health(live) == 200
        assert first.recv(1) == b""


def test_requests_beyond_the_bound_are_told_to_come_back(tmp_path: Path) -> None:
    with running(tmp_path, concurrency=4) as live, ExitStack() as busy:
        for _ in range(4):
            busy.callback(live.send("hang").close)
        assert health(live) == 200  # all before it have been seen
        connection, response = live.post("m")
        assert response.status == 429
        assert response.headers["Retry-After"] == "1"
        assert json.loads(response.read())["error"]["type"] == "rate_limit_error"
        connection.close()
        assert health(live) == 200


@pytest.mark.parametrize("what", ["a large body", "a chunked body"])
def test_as_many_with_large_bodies_are_refused_apart(tmp_path: Path, what: str) -> None:
    with running(tmp_path, concurrency=2, body_timeout=600) as live, ExitStack() as slow:
        for _ in range(2):
            slow.enter_context(dial(live, SLOW[what]))
        with dial(live, SLOW[what]) as third:
            assert replied(third).status == 429
        connection, response = live.post("m")
        assert response.status == 200
        connection.close()


def test_clients_that_do_not_take_their_replies_have_to_go_when_there_is_no_room(tmp_path: Path) -> None:
    with running(tmp_path, concurrency=2, stall=600, stall_in_demand=0.1) as live, ExitStack() as slow:
        for _ in range(2):
            connection, response = live.post("flood")
            slow.callback(connection.close)
            slow.callback(response.close)
        assert live.tells("cancelled")
        connection, response = live.post("m")
        assert response.status == 200
        connection.close()


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_requests_that_never_arrive_do_not_hold_up_the_end(tmp_path: Path, sign: signal.Signals) -> None:
    with running(tmp_path, header_timeout=600, body_timeout=600, grace=600) as live, ExitStack() as slow:
        for what in ("nothing", "headers", "a body"):
            slow.enter_context(dial(live, SLOW[what]))
        assert health(live) == 200
        assert live.end(sign) == (0, "")


def test_connections_that_come_all_at_once_are_not_too_many_for_long(tmp_path: Path) -> None:
    with running(tmp_path, concurrency=2, idle=60, header_timeout=600) as live, ExitStack() as slow:
        clients = [slow.enter_context(dial(live, b"")) for _ in range(300)]
        assert health(live) == 200
        assert eventually(lambda: len(select.select(clients, (), (), 0)[0]) >= 300 - 64)


def test_a_client_that_does_not_take_its_last_reply_loses_its_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def serve() -> None:
        front = Front(create_app(settings(idle_timeout=1), FakeEngine()), connections=9)
        ours, client = socket.socketpair()
        ours.setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, 1
        )  # and aiohttp thinks that 64 KiB are as good as sent
        await asyncio.get_running_loop().connect_accepted_socket(front, ours)
        client.sendall(b"GET /v1/models/" + b"a" * 4000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
        with client:
            async with asyncio.timeout(SOON):
                while front.connections:  # noqa: ASYNC110 - the clock looks after it
                    await asyncio.sleep(0.005)
        await front.close()

    monkeypatch.setattr("optillm.server.http.connection.STALL", 2.0)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
