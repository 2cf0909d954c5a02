"""The server as a process: streams, clients that leave, signals."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from pathlib import Path
from typing import Any

import pytest

from optillm.server.http.listener import listen, url_of
from tests.forks import Forked, Process
from tests.server import live as scripted
from tests.server.fakes import CHAT, HELLO

SOON = 15.0  # seconds: how long a test waits for what must happen
ROOT = Path(__file__).parents[3]


@dataclass
class Live:
    """A running server."""

    process: Process
    port: int
    folder: Path

    def connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=SOON)

    def post(self, model: str, **changes: Any) -> tuple[HTTPConnection, HTTPResponse]:
        connection = self.send(model, **changes)
        return connection, connection.getresponse()

    def send(self, model: str, **changes: Any) -> HTTPConnection:
        connection = self.connect()
        content = json.dumps(HELLO | {"model": model} | changes)
        connection.request("POST", CHAT, content, {"Content-Type": "application/json"})
        return connection

    def tells(self, what: str) -> bool:
        return eventually((self.folder / what).exists)

    def end(self, sign: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        self.process.send_signal(sign)
        _, said = self.process.communicate(timeout=SOON)
        return self.process.wait(), said


def eventually(condition: Callable[[], bool]) -> bool:
    limit = time.monotonic() + SOON
    while not condition() and time.monotonic() < limit:
        time.sleep(0.005)
    return condition()


def started(folder: Path, **changes: Any) -> Process:
    return Forked(scripted.main, [str(folder), json.dumps({"port": 0} | changes)], ROOT, os.environ)


@contextmanager
def running(folder: Path, **changes: Any) -> Iterator[Live]:
    process = started(folder, **changes)
    assert process.stderr is not None
    try:
        first = process.stderr.readline()
        assert first.startswith("Listening at http://127.0.0.1:"), first + process.stderr.read()
        yield Live(process, int(first.rsplit(":", 1)[1]), folder)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=SOON)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    with running(tmp_path, keep_alive=0.05, concurrency=8, max_body_mb=1) as live:
        yield live


def test_serves_requests_on_a_connection_that_stays(live: Live) -> None:
    connection = live.connect()
    for _ in range(3):
        connection.request("POST", CHAT, json.dumps(HELLO), {"Content-Type": "application/json"})
        response = connection.getresponse()
        assert response.status == 200
        assert json.loads(response.read())["choices"][0]["message"]["content"] == "four"
    connection.close()


def test_refuses_a_body_too_large_whose_length_nobody_announced(live: Live) -> None:
    connection = live.connect()
    parts = (b" " * 2**16 for _ in range(20))
    connection.request("POST", CHAT, parts, {"Content-Type": "application/json"}, encode_chunked=True)
    response = connection.getresponse()
    assert response.status == 413
    assert json.loads(response.read())["error"]["type"] == "invalid_request_error"
    connection.close()


def test_the_first_chunk_of_a_stream_leaves_at_once_and_comments_fill_the_silence(live: Live) -> None:
    connection, response = live.post("hang-stream", stream=True)
    assert response.headers["Content-Type"] == "text/event-stream"
    assert json.loads(response.readline()[6:])["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [response.readline() for _ in range(4)] == [b"\n", b": keep-alive\n", b"\n", b": keep-alive\n"]
    connection.close()
    response.close()


def test_a_client_that_leaves_cancels_its_request(live: Live) -> None:
    connection = live.send("hang")
    assert live.tells("began")
    assert not (live.folder / "cancelled").exists()
    connection.close()
    assert live.tells("cancelled")


@pytest.mark.parametrize("model", ["hang-stream", "hang-relay"])
def test_a_client_that_leaves_cancels_its_stream(live: Live, model: str) -> None:
    connection, response = live.post(model, stream=True)
    response.readline()
    assert live.tells("began")
    response.close()
    connection.close()
    assert live.tells("cancelled")


def test_a_client_that_stalls_while_it_reads_loses_its_stream(tmp_path: Path) -> None:
    with running(tmp_path, stall=1) as live:
        connection, response = live.post("flood")
        response.read(1)
        assert live.tells("cancelled")
        response.close()
        connection.close()
        assert live.end() == (0, "")


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_reply_that_breaks_off_does_not_look_whole(live: Live, version: str) -> None:
    content = json.dumps(HELLO | {"model": "broken-relay"})
    head = f"POST {CHAT} HTTP/{version}\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", live.port), timeout=SOON) as client:
        client.sendall(f"{head}Content-Length: {len(content)}\r\n\r\n{content}".encode())
        response = HTTPResponse(client)
        response.begin()
        with pytest.raises((IncompleteRead, ConnectionResetError)):
            response.read()


def test_a_running_request_ends_well_after_a_signal_and_new_clients_are_refused(tmp_path: Path) -> None:
    with running(tmp_path, grace=10) as live:
        connection = live.send("gate")
        assert live.tells("began")
        live.process.send_signal(signal.SIGTERM)
        assert eventually(lambda: refused(live.port))
        (tmp_path / "go").touch()
        response = connection.getresponse()
        assert response.status == 200
        assert response.headers["Connection"] == "close"
        assert json.loads(response.read())["object"] == "chat.completion"
        connection.close()
        assert live.end() == (0, "")
        assert (tmp_path / "closed").exists()


def refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=SOON).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_connection_kept_alive_has_its_last_request_served_after_a_signal(tmp_path: Path) -> None:
    with running(tmp_path, grace=10) as live:
        kept = live.connect()
        kept.request("GET", "/health")
        kept.getresponse().read()
        live.process.send_signal(signal.SIGTERM)
        assert eventually(lambda: refused(live.port))
        kept.request("GET", "/v1/models")
        response = kept.getresponse()
        assert response.status == 200
        assert response.headers["Connection"] == "close"
        kept.close()
        assert live.end()[0] == 0


def test_a_connection_kept_alive_is_closed_once_nothing_could_be_served(tmp_path: Path) -> None:
    request = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with (
        running(tmp_path, grace=0) as live,
        socket.create_connection(("127.0.0.1", live.port), timeout=SOON) as kept,
    ):
        kept.sendall(request)
        assert kept.recv(1000).startswith(b"HTTP/1.1 200")
        live.process.send_signal(signal.SIGTERM)
        assert live.tells("closed")
        received = b""
        with suppress(ConnectionError):
            kept.sendall(request)
            received = kept.recv(1000)
        assert b"503" not in received


def test_clients_that_wait_to_be_accepted_are_served_before_the_end(tmp_path: Path) -> None:
    with running(tmp_path, grace=10) as live:
        (worker,) = Path(f"/proc/{live.process.pid}/task/{live.process.pid}/children").read_text().split()
        os.kill(int(worker), signal.SIGSTOP)
        waiting = [live.send("m") for _ in range(20)]
        live.process.send_signal(signal.SIGTERM)
        os.kill(int(worker), signal.SIGTERM)  # pending, so that it is seen before the connections are
        os.kill(int(worker), signal.SIGCONT)
        for connection in waiting:
            assert connection.getresponse().status == 200
            connection.close()
        assert live.end()[0] == 0


def test_a_request_that_outlives_the_grace_period_is_cancelled_and_answered(tmp_path: Path) -> None:
    with running(tmp_path, grace=0.2) as live:
        connection = live.send("hang")
        assert live.tells("began")
        live.process.send_signal(signal.SIGTERM)
        response = connection.getresponse()
        assert response.status == 503
        assert response.headers["Retry-After"] == "1"
        assert response.headers["Connection"] == "close"
        assert live.tells("cancelled")
        response.read()
        connection.close()
        assert live.end()[0] == 0
        assert (tmp_path / "closed").exists()


def test_an_interrupt_ends_a_request_whose_body_is_still_to_come(live: Live) -> None:
    connection = live.connect()
    connection.putrequest("POST", CHAT)
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(2**17))
    connection.endheaders(b"{")
    health = live.connect()
    health.request("GET", "/health")  # the other one has come so far, too
    assert health.getresponse().status == 200
    health.close()
    live.process.send_signal(signal.SIGINT)
    assert connection.getresponse().status == 503
    connection.close()


def test_a_client_that_does_not_read_costs_the_end_none_of_its_order(tmp_path: Path) -> None:
    with running(tmp_path, grace=0, stall=60, stall_in_demand=60) as live:
        connection, response = live.post("much")
        response.read(1)
        assert live.end() == (0, "")
        assert (tmp_path / "cancelled").exists()
        assert (tmp_path / "closed").exists()
        response.close()
        connection.close()


@pytest.mark.parametrize("before", [None, signal.SIGTERM])
def test_an_interrupt_ends_running_requests_at_once(tmp_path: Path, before: signal.Signals | None) -> None:
    with running(tmp_path, grace=600) as live:
        connection = live.send("hang")
        assert live.tells("began")
        if before is not None:
            live.process.send_signal(before)
            assert eventually(lambda: refused(live.port))
        live.process.send_signal(signal.SIGINT)
        response = connection.getresponse()
        assert response.status == 503
        response.read()
        connection.close()
        assert live.end(signal.SIGINT)[0] == 0
        assert (tmp_path / "closed").exists()


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("model", ["hang-stream", "hang-relay"])
def test_signals_in_the_middle_of_a_stream_end_it_in_good_order(
    tmp_path: Path, model: str, sign: signal.Signals
) -> None:
    with running(tmp_path, grace=0) as live:
        connection, response = live.post(model, stream=True)
        response.readline()
        assert live.tells("began")
        live.process.send_signal(sign)
        status, said = live.end(signal.SIGINT)
        assert b"shutting down" in response.read()
        connection.close()
        assert status == 0
        assert "Traceback" not in said
        assert (tmp_path / "closed").exists()


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_says_one_line_at_the_start_and_none_at_the_end(tmp_path: Path, sign: signal.Signals) -> None:
    with running(tmp_path, workers=2) as live:
        connection, response = live.post("m")
        response.read()
        connection.close()
        assert live.end(sign) == (0, "")


def test_a_call_that_blocks_the_loop_fails(live: Live) -> None:
    connection, response = live.post("block")
    assert response.status == 500
    connection.close()
    assert "BlockingError: sleep" in live.end()[1]


def test_as_many_files_are_allowed_as_connections_need(tmp_path: Path) -> None:
    with running(tmp_path, concurrency=16, files=256) as live:
        limits = Path(f"/proc/{live.process.pid}/limits").read_text()
    (line,) = (line for line in limits.splitlines() if line.startswith("Max open files"))
    assert int(line.split()[3]) >= min(1000, resource.getrlimit(resource.RLIMIT_NOFILE)[1])


def test_a_name_that_does_not_resolve_is_an_error() -> None:
    with pytest.raises(OSError, match=r".+"):
        listen("no such host", 0)


@pytest.mark.parametrize(("host", "url"), [("127.0.0.1", "http://127.0.0.1:"), ("[::1]", "http://[::1]:")])
def test_knows_its_url(host: str, url: str) -> None:
    with listen(host, 0) as listener:
        assert url_of(listener) == f"{url}{listener.getsockname()[1]}"
