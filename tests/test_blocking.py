"""Blocking calls are noticed in event loops, and only there."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing, suppress

import pytest

from optillm.server.bridge import GreenletTask, in_thread
from tests.blocking import MARK, BlockingError, forbid_blocking_calls


@pytest.fixture(autouse=True)
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    forbid_blocking_calls(monkeypatch.setattr)


def sleep() -> None:
    time.sleep(0)


def receive() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.send(b"x")
        ours.recv(1)


def look_up() -> None:
    socket.getaddrinfo("127.0.0.1", 80)


def query() -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("SELECT 1").fetchall()


def wait_for_a_result() -> None:
    with suppress(TimeoutError):
        Future[int]().result(timeout=0)


def wait_for_a_child() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    assert child.stdin is not None
    try:
        child.communicate()
    finally:
        child.stdin.close()
        while child.poll() is None:
            pass


CALLS = [sleep, receive, look_up, query, wait_for_a_result, wait_for_a_child]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_is_noticed_in_a_view(call: Callable[[], None], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BlockingError):
        asyncio.run(GreenletTask(call).drive())
    assert MARK in capfd.readouterr().err


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.__name__)
def test_passes_in_a_thread_and_without_a_loop(call: Callable[[], None]) -> None:
    call()
    asyncio.run(GreenletTask(lambda: in_thread(call)).drive())
