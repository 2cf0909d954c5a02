"""A request on its way in: what has come of it, and how long the rest may take.

Whether it has arrived is only guessed here, to choose when and where it is served; gunicorn parses it.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from math import inf
from typing import Final

from gunicorn.http.unreader import SocketUnreader

HEAD: Final = 2**16  # bytes a request line and headers may have
ROOM: Final = 2**16  # bytes of a body that are awaited without a thread
RATE: Final = 2**16  # bytes of a larger body that earn its client one more second

_END: Final = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d{1,18})[ \t]*\r\n", re.IGNORECASE)
_UNANNOUNCED = re.compile(rb"\r\n(?:transfer-encoding|expect):", re.IGNORECASE)


@dataclass(slots=True)
class Arrival:
    """What has come of a request so far; `body` is the announced size of its body once the head is there.

    `watched` says that the poller waits for more of it.
    """

    since: float
    content: bytearray = field(default_factory=bytearray)
    body: float | None = None
    watched: bool = False
    _head: int = 0

    def take(self, data: bytes) -> None:
        """Add what has been received."""
        searched = max(0, len(self.content) - len(_END) + 1)
        self.content += data
        if self.body is None and (end := self.content.find(_END, searched)) >= 0:
            self._head = end + len(_END)
            self.body = _announced(bytes(self.content[: self._head]))

    @property
    def whole(self) -> bool:
        """Whether all of it is there."""
        return self.body is not None and len(self.content) >= self._head + self.body

    @property
    def large(self) -> bool:
        """Whether the thread that serves it has to read the rest: there may be more than is kept here."""
        return self.body is not None and self.body > ROOM

    @property
    def faulty(self) -> bool:
        """Whether it has lines that gunicorn refuses, and no head that ends."""
        return self.body is None and self.content.count(b"\n") != self.content.count(b"\r\n")


def _announced(head: bytes) -> float:
    """The size of the body a head announces, infinite when it does not say or waits to be asked for it."""
    if _UNANNOUNCED.search(head):
        return inf
    found = _LENGTH.search(head)
    return int(found[1]) if found else 0


class Inlet(SocketUnreader):  # type: ignore[misc] # gunicorn has no types
    """Reads a connection until a deadline, which every byte that comes puts off a little."""

    deadline = inf

    def chunk(self, size_hint: int | None = None) -> bytes:
        """The next bytes; `TimeoutError` when the client is too slow."""
        usual, left = self.sock.gettimeout(), self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the client sends too slowly")
        self.sock.settimeout(left if usual is None else min(left, usual))
        try:
            data: bytes = super().chunk(size_hint)
        finally:
            self.sock.settimeout(usual)
        self.deadline += len(data) / RATE
        return data
