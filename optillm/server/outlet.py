"""A reply on its way out: a thread waits for its client to take it, but not for long, and less when it is needed."""

from __future__ import annotations

import errno
import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Any, Final

STALL = 60.0  # seconds a thread waits for a client to take its reply
PRESSED = 5.0  # the same, when no other thread is free
RATE: Final = 4096  # bytes taken that make up for one second
GLANCE: Final = 0.5  # seconds between two looks at whether a thread is free

_RESET: Final = struct.pack("ii", 1, 0)


class Outlet(socket.socket):
    """A connection whose client has to take its replies; `pressed` tells whether its thread is needed elsewhere.

    What counts is the time that threads have waited for it, less what was taken since. The kernel keeps some ten
    to hundred kilobytes of a reply, so that only a larger one is waited for at all.
    """

    def __init__(self, connection: socket.socket) -> None:
        family, kind, protocol = connection.family, connection.type, connection.proto
        super().__init__(family, kind, protocol, fileno=connection.detach())
        self.pressed: Callable[[], bool] = bool
        self._waited = 0.0

    def left(self) -> bool:
        """Whether the client has closed the connection, or its side of it."""
        try:
            return not self.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            return True

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """Send all of it; `BrokenPipeError` when the client takes too long, and then the connection is lost."""
        rest = memoryview(data)
        while rest:
            try:
                sent = self.send(rest, flags | socket.MSG_DONTWAIT)
            except BlockingIOError:
                self._wait()
            else:
                rest = rest[sent:]
                self._waited = max(0.0, self._waited - sent / RATE)

    def _wait(self) -> None:
        if self._waited >= (PRESSED if self.pressed() else STALL):
            # The kernel would go on where the thread gives up.
            self.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            raise BrokenPipeError(errno.EPIPE, "the client takes its reply too slowly")
        room = select.poll()
        room.register(self, select.POLLOUT)
        begun = time.monotonic()
        room.poll(GLANCE * 1000)
        self._waited += time.monotonic() - begun
