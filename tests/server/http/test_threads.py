"""The server with threads as a process: streams, clients that leave, signals."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from http.client import HTTPResponse, IncompleteRead
from io import BytesIO
from pathlib import Path
from unittest.mock import Mock

import pytest

from optillm.errors import InvalidRequest
from optillm.server.http.threads import RequestBody
from tests.server.fakes import CHAT, HELLO
from tests.server.http.test_front import health
from tests.server.http.test_serve import SOON, Live, eventually, running, started

THREADS = {"server": "threads"}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with running(tmp_path_factory.mktemp("live"), **THREADS, keep_alive=0.05, concurrency=8) as live:
        yield live


@pytest.fixture(autouse=True)
def no_marks(request: pytest.FixtureRequest) -> None:
    """Remove what the engine of the shared server has told former tests."""
    if "live" in request.fixturenames:
        for mark in request.getfixturevalue("live").folder.iterdir():
            mark.unlink()


def workers(live: Live) -> set[int]:
    children = Path(f"/proc/{live.process.pid}/task/{live.process.pid}/children")
    return {int(pid) for pid in children.read_text().split()}


def test_serves_requests_on_a_connection_that_stays(live: Live) -> None:
    connection = live.connect()
    for _ in range(3):
        connection.request("POST", CHAT, json.dumps(HELLO), {"Content-Type": "application/json"})
        response = connection.getresponse()
        assert response.status == 200
        assert json.loads(response.read())["choices"][0]["message"]["content"] == "four"
    connection.close()


def test_says_that_it_is_slower(tmp_path: Path) -> None:
    with running(tmp_path, **THREADS) as live:
        status, log = live.end()
    assert status == 0
    assert log == "Requests are served by threads (--server threads), which is slower than --server loop\n"


def test_the_first_chunk_of_a_stream_leaves_at_once_and_comments_fill_the_silence(live: Live) -> None:
    connection, response = live.post("hang-stream", stream=True)
    assert response.headers["Content-Type"] == "text/event-stream"
    assert json.loads(response.readline()[6:])["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [response.readline() for _ in range(4)] == [b"\n", b": keep-alive\n", b"\n", b": keep-alive\n"]
    connection.close()
    response.close()


@pytest.mark.parametrize("model", ["hang-stream", "flood"])
def test_a_client_that_leaves_its_stream_cancels_it_once_more_is_sent(live: Live, model: str) -> None:
    connection, response = live.post(model, stream=True)
    response.read(1)
    response.close()
    connection.close()
    assert live.tells("cancelled")


def test_a_request_can_be_cancelled(live: Live) -> None:
    waiting = live.connect()
    headers = {"Content-Type": "application/json", "x-request-id": "mine"}
    waiting.request("POST", CHAT, json.dumps(HELLO | {"model": "hang"}), headers)
    assert live.tells("began")
    other = live.connect()
    other.request("POST", "/v1/chat/cancel/mine")
    assert other.getresponse().status == 200
    assert live.tells("cancelled")
    assert waiting.getresponse().status == 499
    other.close()
    waiting.close()


def test_a_reply_that_breaks_off_does_not_look_whole(live: Live) -> None:
    connection, response = live.post("broken-relay")
    with pytest.raises((IncompleteRead, ConnectionResetError)):
        response.read()
    connection.close()


@pytest.mark.parametrize("sent", [b"zz\r\n", b"1\r\n{\r\n"], ids=["no chunk", "no end"])
def test_a_body_that_is_not_chunked_as_http_wants_it_is_the_clients_mistake(live: Live, sent: bytes) -> None:
    head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", live.port), timeout=SOON) as client:
        client.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + sent)
        client.shutdown(socket.SHUT_WR)
        response = HTTPResponse(client)
        response.begin()
        assert response.status == 400
        assert json.loads(response.read())["error"]["type"] == "invalid_request_error"


def test_a_client_that_leaves_while_its_body_is_read_has_made_no_mistake() -> None:
    assert RequestBody(BytesIO(b"{}")).read(1) == b"{"
    with pytest.raises(ConnectionResetError):
        RequestBody(Mock(read=Mock(side_effect=ConnectionResetError))).read()
    with pytest.raises(InvalidRequest):
        RequestBody(Mock(read=Mock(side_effect=ValueError))).read()


def test_requests_beyond_the_bound_are_told_to_come_back(tmp_path: Path) -> None:
    with running(tmp_path, **THREADS, concurrency=1) as live:
        busy = live.send("hang")
        assert live.tells("began")
        connection, response = live.post("m")
        assert response.status == 429
        assert response.headers["Retry-After"] == "1"
        assert response.headers["x-request-id"].startswith("req_")
        assert json.loads(response.read())["error"]["type"] == "rate_limit_error"
        connection.close()
        assert health(live) == 200
        live.process.send_signal(signal.SIGINT)
        assert busy.getresponse().status == 503
        busy.close()


def test_a_running_request_ends_well_after_a_signal(tmp_path: Path) -> None:
    with running(tmp_path, **THREADS, grace=10) as live:
        connection = live.send("gate")
        assert live.tells("began")
        live.process.send_signal(signal.SIGTERM)
        (tmp_path / "go").touch()
        response = connection.getresponse()
        assert response.status == 200
        assert json.loads(response.read())["object"] == "chat.completion"
        connection.close()
        assert live.end()[0] == 0
        assert (tmp_path / "closed").exists()


def test_a_request_that_outlives_the_grace_period_is_cancelled_and_answered(tmp_path: Path) -> None:
    with running(tmp_path, **THREADS, grace=0.2) as live:
        connection = live.send("hang")
        assert live.tells("began")
        live.process.send_signal(signal.SIGTERM)
        response = connection.getresponse()
        assert response.status == 503
        assert response.headers["Retry-After"] == "1"
        assert live.tells("cancelled")
        response.read()
        connection.close()
        assert live.end()[0] == 0
        assert (tmp_path / "closed").exists()


@pytest.mark.parametrize("model", ["hang-stream", "hang-relay"])
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_signals_in_the_middle_of_a_stream_end_it_in_good_order(
    tmp_path: Path, model: str, sign: signal.Signals
) -> None:
    with running(tmp_path, **THREADS, grace=0) as live:
        connection, response = live.post(model, stream=True)
        response.readline()
        assert live.tells("began")
        live.process.send_signal(sign)
        assert b"shutting down" in response.read()
        connection.close()
        status, log = live.end(signal.SIGINT)
        assert status == 0
        assert "Traceback" not in log
        assert (tmp_path / "closed").exists()


def test_a_client_that_never_sends_its_request_does_not_hold_up_an_interrupt(tmp_path: Path) -> None:
    with (
        running(tmp_path, **THREADS, grace=600) as live,
        socket.create_connection(("127.0.0.1", live.port), timeout=SOON) as client,
    ):
        client.sendall(b"GET /health HTTP/1.1\r\n")
        assert health(live) == 200
        assert live.end(signal.SIGINT)[0] == 0


def test_a_reload_replaces_the_workers(tmp_path: Path) -> None:
    with running(tmp_path, **THREADS, workers=2, grace=10) as live:
        assert eventually(lambda: len(workers(live)) == 2)
        former = workers(live)
        live.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: former.isdisjoint(workers(live)) and len(workers(live)) == 2)
        assert health(live) == 200
        status, log = live.end()
        assert status == 0
        assert log.count("The settings have been read again") == 1


def test_a_worker_that_ends_is_replaced(tmp_path: Path) -> None:
    with running(tmp_path, **THREADS) as live:
        assert health(live) == 200
        former = workers(live)
        (worker,) = former
        os.kill(worker, signal.SIGKILL)
        assert eventually(lambda: bool(workers(live)) and former.isdisjoint(workers(live)))
        assert health(live) == 200


def test_a_first_worker_that_cannot_start_is_the_end(tmp_path: Path) -> None:
    (tmp_path / "unfit").write_text("plugin", encoding="utf-8")
    ending = started(tmp_path, **THREADS)
    _, log = ending.communicate(timeout=SOON)
    assert ending.returncode == 3
    assert "No module named 'numpy'" in log
