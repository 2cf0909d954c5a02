"""Connections without a network, on the virtual clock: bytes go from end to end, everything above them is real.

A client library that opens a connection on a `WireLoop` is joined to the protocol that the loop's `accept` gives.
Sockets would not do: bytes on their way through the kernel look like idleness, and the clock would jump.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from tests.fakes import VirtualLoop


class End(asyncio.Transport):
    """One end of a connection; `peer` is the other one."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.peer: End
        self._loop = loop
        self._protocol = protocol
        self._received: list[bytes] = []
        self._paused = False
        self._ended: list[Exception | None] = []
        self._gone = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if data and not self._gone:
            self.peer._take(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        """Both ends learn of it, this one first; what was written before arrives before."""
        self._end(None)

    def abort(self) -> None:
        self._end(None)

    def reset(self) -> None:
        """Break off: the other end sees a reset behind what it has received."""
        self._end(ConnectionResetError("Connection reset by peer"))

    def is_closing(self) -> bool:
        return self._gone

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self._loop.call_soon(self._deliver)

    def is_reading(self) -> bool:
        return not self._paused

    def get_write_buffer_size(self) -> int:
        return 0

    def _end(self, error: Exception | None) -> None:
        if not self._gone:
            self._gone = True
            self._loop.call_soon(self._protocol.connection_lost, None)
            self.peer._ended.append(error)
            self._loop.call_soon(self.peer._deliver)

    def _take(self, data: bytes) -> None:
        self._received.append(data)
        self._loop.call_soon(self._deliver)

    def _deliver(self) -> None:
        if self._paused or self._gone:
            return
        while self._received and not self._paused:
            self._protocol.data_received(self._received.pop(0))
        if self._ended and not self._received and not self._gone:
            self._gone = True
            error = self._ended[0]
            if error is None:
                self._protocol.eof_received()
            self._protocol.connection_lost(error)


class WireLoop(VirtualLoop):
    """A virtual loop whose connections all lead to `accept()`, which refuses by raising `ConnectionRefusedError`."""

    accept: Callable[[], asyncio.Protocol]

    async def sock_connect(self, sock: Any, address: Any) -> None:
        self._accepted = self.accept()

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.Protocol], *_: Any, sock: socket.socket, **__: Any
    ) -> tuple[End, asyncio.Protocol]:
        sock.close()
        here, there = protocol_factory(), self._accepted
        client, server = End(self, here), End(self, there)
        client.peer, server.peer = server, client
        there.connection_made(server)
        here.connection_made(client)
        return client, here
