"""What may befall an upstream call, byte by byte, and which calls it befalls."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from tests.faults.wire import End
from tests.stub import completion, delta, sse

LATENCY: Final = 1.0
"""Virtual seconds of a call that nothing befalls."""
RETRY_AFTER: Final = 2
PER_BYTE: Final = 0.5
"""Virtual seconds between two bytes of a reply that drips."""

Position = Callable[["Sent"], bool]


@dataclass
class Sent:
    """One call as it arrived.

    `reported` are the completion tokens of a reply that went out whole; `kept` says whether its connection may
    serve another call, `told` is the body of what it was answered, as far as it went. A `refused` one got no
    connection, and so was none.
    """

    number: int
    body: Mapping[str, Any]
    judges: bool
    start: float
    chance: float
    fault: str | None = None
    text: str = ""
    reported: int = 0
    kept: bool = True
    told: bytes = b""
    refused: bool = False

    @property
    def streams(self) -> bool:
        return bool(self.body.get("stream"))


def share(part: float) -> Position:
    """So many of all calls, at random."""
    return lambda sent: sent.chance < part


def everywhere(sent: Sent) -> bool:
    """All calls."""
    return True


def judging(sent: Sent) -> bool:
    """The calls that only help to judge."""
    return sent.judges


def since(number: int) -> Position:
    """The call of this number and whatever is sent after it."""
    return lambda sent: sent.number >= number


class Line:
    """The server's side of one call: means to answer it, well or badly."""

    def __init__(self, end: End, sent: Sent) -> None:
        self.sent = sent
        self._end = end

    @property
    def latency(self) -> float:
        """No two calls take the same time: what comes at the very moment of a cut is anybody's guess."""
        return LATENCY + self.sent.number / 1000

    def head(
        self, status: int = 200, length: int | None = None, headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """The status and the headers; without a length the body ends with the connection."""
        kind = "text/event-stream" if self.sent.streams and status == 200 else "application/json"
        fields = {"content-type": kind, **headers}
        ending = ("connection", "close") if length is None else ("content-length", str(length))
        fields |= dict([ending])
        lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in fields.items())]
        self._end.write("\r\n".join([*lines, "", ""]).encode())

    def write(self, data: bytes) -> None:
        self.sent.told += data
        self._end.write(data)

    def whole(self, content: bytes, kind: str | None = None) -> None:
        """An answer in one piece."""
        self.head(length=len(content), headers={} if kind is None else {"content-type": kind})
        self.write(content)

    def error(self, status: int, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        """A refusal in the upstream's own words."""
        error = {"message": f"no, {status}", "type": "scripted", "param": None, "code": None}
        content = _json({"error": error})
        self.head(status, len(content), headers)
        self.write(content)

    def close(self) -> None:
        self._end.close()

    def reset(self) -> None:
        self._end.reset()

    def reply(self) -> bytes:
        """What a sound answer to this call is, all of it."""
        if not self.sent.streams:
            return _json(completion(self.sent.text, usage=self.usage))
        pieces = map(delta, ["", *self.sent.text.splitlines(keepends=True)])
        return sse(*pieces, delta(finish="stop"), delta(choices=[], usage=self.usage))

    @property
    def usage(self) -> Mapping[str, Any]:
        """What a sound answer reports."""
        return {"prompt_tokens": 50, "completion_tokens": 1000 + self.sent.number}

    def answer(self, data: bytes) -> None:
        """Answer with a JSON body, or with a stream of it alone."""
        self.whole(b"data: " + data + b"\n\ndata: [DONE]\n\n" if self.sent.streams else data)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


# What may befall a call.


async def sound(line: Line) -> None:
    await asyncio.sleep(line.latency)
    reply = line.reply()
    line.head(length=len(reply) if line.sent.kept else None)
    line.write(reply)
    line.sent.reported = 1000 + line.sent.number
    if not line.sent.kept:
        line.close()


async def fails(line: Line) -> None:
    await asyncio.sleep(line.latency)
    line.error(500)


async def throttles(line: Line) -> None:
    line.error(429)


async def throttles_for_a_time(line: Line) -> None:
    line.error(429, {"retry-after": str(RETRY_AFTER)})


async def refuses(line: Line) -> None:
    line.reset()  # on a connection from before; new ones do not come about


async def resets(line: Line) -> None:
    await asyncio.sleep(line.latency)
    reply = line.reply()
    line.head(length=len(reply))
    line.write(reply[: len(reply) // 2])
    await asyncio.sleep(0.1)
    line.reset()


async def hangs(line: Line) -> None:
    await asyncio.get_running_loop().create_future()


async def drips(line: Line) -> None:
    reply = line.reply()
    line.head(length=len(reply))
    for place in range(len(reply)):
        line.write(reply[place : place + 1])
        await asyncio.sleep(PER_BYTE)
    line.sent.reported = 1000 + line.sent.number


async def garbles(line: Line) -> None:
    await asyncio.sleep(line.latency)
    data = b'{"choices": [{"index": 0, "message": {"role": "assi'
    line.whole(b"data: " + data + b"\n\n" if line.sent.streams else data)


async def chooses_nothing(line: Line) -> None:
    await asyncio.sleep(line.latency)
    line.answer(_json({"id": "c", "created": 1, "model": "m", "choices": []}))


async def says_null(line: Line) -> None:
    await asyncio.sleep(line.latency)
    said = {"role": "assistant", "content": None}
    choice = {"index": 0, "delta" if line.sent.streams else "message": said, "finish_reason": "stop"}
    line.answer(_json(completion(choices=[choice], usage=line.usage)))
    line.sent.reported = 1000 + line.sent.number


async def shows_a_page(line: Line) -> None:
    await asyncio.sleep(line.latency)
    line.whole(b"<html><body>Under maintenance</body></html>", "text/html")


async def truncates(line: Line) -> None:
    await asyncio.sleep(line.latency)
    reply = line.reply()
    line.head()
    line.write(reply[: len(reply) // 2])
    await asyncio.sleep(0.1)
    line.close()


FAULTS: Final[Mapping[str, Callable[[Line], Awaitable[None]]]] = MappingProxyType(
    {
        "500": fails,
        "429": throttles,
        "429 with Retry-After": throttles_for_a_time,
        "connection refused": refuses,
        "reset mid-body": resets,
        "hang": hangs,
        "slow drip": drips,
        "malformed JSON": garbles,
        "empty choices": chooses_nothing,
        "null content": says_null,
        "wrong content type": shows_a_page,
        "truncated": truncates,
    }
)
REFUSED: Final = "connection refused"
