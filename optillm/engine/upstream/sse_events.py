"""Server-sent events, read from bytes as the HTML standard defines them (section 9.2.6).

    >>> reader = EventReader()
    >>> reader.feed(b"data: 1\\n\\nda") + reader.feed(b"ta: 2\\r\\n\\r") + reader.close()
    [ServerEvent(name='', data=b'1', ended=True), ServerEvent(name='', data=b'2', ended=True)]

Two things differ from the standard, because servers do: an event that the end of the stream completes is read
although its blank line is missing, and the field `error` of old llama.cpp servers is an event of that name.
"""

from __future__ import annotations

from typing import Final, NamedTuple

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
ERROR: Final = "error"


class ServerEvent(NamedTuple):
    """One event: its name, empty if there is none, and its data lines, joined by line feeds.

    `ended` says whether its blank line came: what the end of the stream ends may be cut.
    """

    name: str
    data: bytes
    ended: bool = True


class EventReader:
    """Takes a stream in pieces of any size and gives its events.

    The cost is linear in the bytes.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes] = []  # of an event that is not complete, its line ends all line feeds
        self._last = b""  # byte of the stream so far, as it came
        self._begun = False

    def feed(self, piece: bytes) -> list[ServerEvent]:
        """Take in a piece; the events that it completes."""
        last, self._last = self._last, piece[-1:] or self._last
        if not self._pieces and last != b"\r" and piece.endswith(b"\n\n") and b"\r" not in piece:
            *blocks, rest = piece.split(b"\n\n")  # nearly always: whole events, and nothing else
            return self._events(blocks)
        if last == b"\r" and piece.startswith(b"\n"):  # the second half of a line end already taken in
            piece = piece[1:]
        if b"\r" in piece:
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        ended = last in (b"\n", b"\r") and piece.startswith(b"\n")
        self._pieces.append(piece)
        if not ended and b"\n\n" not in piece:
            return []
        *blocks, rest = b"".join(self._pieces).split(b"\n\n")
        self._pieces = [rest] if rest else []
        return self._events(blocks)

    def close(self) -> list[ServerEvent]:
        """The event that the end of the stream leaves without its blank line, if there is one."""
        rest, self._pieces = b"".join(self._pieces), []
        return [event._replace(ended=False) for event in self._events([rest])]

    def _events(self, blocks: list[bytes]) -> list[ServerEvent]:
        if blocks and not self._begun:
            self._begun = True
            blocks[0] = blocks[0].removeprefix(BYTE_ORDER_MARK)
        events = [_event(block) for block in blocks]
        return [event for event in events if event is not None]


def _event(block: bytes) -> ServerEvent | None:
    """The event that the lines of a block make; `None` when none of them holds data."""
    if block.startswith(b"data: ") and b"\n" not in block:  # nearly every event there is
        return ServerEvent("", block[6:])
    name, data = "", list[bytes]()
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode(errors="replace")
        elif field == b"error":
            name = ERROR
            data.append(value)
    return ServerEvent(name, b"\n".join(data)) if data else None
