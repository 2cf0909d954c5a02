"""What a client that streams is shown of an answer, and the filter before it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal

from anyio import WouldBlock
from anyio.streams.memory import MemoryObjectSendStream

from optillm.chat import Delta, Event, Note


class ClientStream:
    """The way to the client.

    Without an outlet everything is kept for the whole answer at the end.
    """

    def __init__(self, outlet: MemoryObjectSendStream[Event] | None) -> None:
        self._outlet = outlet
        self._pieces: list[str] = []

    @property
    def live(self) -> bool:
        """Whether somebody is watching."""
        return self._outlet is not None

    @property
    def text(self) -> str:
        """Everything shown so far."""
        return "".join(self._pieces)

    async def show(self, text: str) -> None:
        """Send a piece of the answer; waits for a slow client."""
        self._pieces.append(text)
        if self._outlet is not None:
            await self._outlet.send(Delta(text))

    def note(self, text: str) -> None:
        """Send a line of progress; a slow client misses it, and nothing else."""
        if self._outlet is not None:
            try:
                self._outlet.send_nowait(Note(text))
            except WouldBlock:
                return


class MarkerFilter:
    """Lets through what follows the first line that is `marker`."""

    def __init__(self, marker: str, show: Callable[[str], Awaitable[None]]) -> None:
        self._marker = marker
        self._show = show
        self._line = ""
        self._state: Literal["closed", "opening", "open"] = "closed"

    async def show(self, text: str) -> None:
        """Take in the next piece of the reply."""
        while self._state == "closed" and "\n" in text:
            line, _, text = text.partition("\n")
            if (self._line + line).strip() == self._marker:
                self._state = "opening"
            self._line = ""
        if self._state == "closed":
            self._line += text
            return
        if self._state == "opening":
            text = text.lstrip("\n")
        if text:
            self._state = "open"
            await self._show(text)
