"""How a worker accepts clients; over real sockets, on a loop of the test's."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest

import optillm.server.http.loop as server
from optillm.server.http.listener import listen
from optillm.server.http.loop import AT_ONCE, Worker


class Greeted(asyncio.Protocol):
    """Counts the connections that are served, and closes them."""

    count = gone = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        Greeted.count += 1
        transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        Greeted.gone += 1


def worker() -> Any:
    made = Worker.__new__(Worker)
    made.alive, made._connecting = True, set()
    return made


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not condition():  # noqa: ASYNC110 - what it waits for are packets
            await asyncio.sleep(0)


def test_accepts_many_clients_each_time_round() -> None:
    async def serve(listener: socket.socket) -> list[bool]:
        made = worker()
        more = [made._accept(Greeted, listener), made._accept(Greeted, listener)]
        await until(lambda: Greeted.gone == AT_ONCE + 4)
        return more

    Greeted.count = Greeted.gone = 0
    with listen("127.0.0.1", 0) as listener, ExitStack() as clients:
        listener.setblocking(False)
        for _ in range(AT_ONCE + 4):
            clients.enter_context(socket.create_connection(listener.getsockname(), timeout=15))
        assert asyncio.run(serve(listener)) == [True, False]
    assert Greeted.count == AT_ONCE + 4


def test_without_file_descriptors_it_accepts_nobody_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(socket.socket):
        """A listening socket for whose clients there is no room at first."""

        tries = 0

        def accept(self) -> Any:
            self.tries += 1
            if self.tries == 1:
                raise OSError(errno.EMFILE, "too many open files")
            return super().accept()

    async def serve(listener: Full) -> None:
        worker()._listen(Greeted, listener)
        await until(lambda: Greeted.gone == 1)

    Greeted.count = Greeted.gone = 0
    monkeypatch.setattr(server, "FULL_PAUSE", 0.0)
    with listen("127.0.0.1", 0) as bound, Full(fileno=bound.detach()) as listener:
        listener.setblocking(False)
        with socket.create_connection(listener.getsockname(), timeout=15):
            asyncio.run(serve(listener))
        assert listener.tries >= 2
