"""A fast upstream: the model's name states how long a reply takes, and it adds only microseconds itself.

    python -m benchmarks.upstream [--port 0]

The model `ms200` answers 200 ms after the arrival of a request; as a stream, with its first word after a quarter of
that and its last at the end. No two replies agree, so that no technique settles early; a request for JSON gets
whatever verdict a judge may be asked for. The model `refused` is refused with a 400. `GET /v1/calls` returns how
many calls have begun.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import orjson
import uvloop

LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
MILLISECONDS: Final = re.compile(r"ms(\d+)$")
ANSWER: Final = (
    "The answer is {number}. First I add what is given. Then I subtract. So the answer is {number}."
)
REASONS: Final = "I compared them, number {number}.\n"
VERDICT: Final = """\
{{"ranking": ["A", "B", "C", "D"], "score": {score}, "better": "A", "errors": ["step {number}"], "pick": "A", \
"groups": [["A"], ["B"], ["C"], ["D"]], "applicable": true, "kind": "model", "answer_choice": 0, \
"smt2": "(declare-const x Int) (assert (= x {number}))", "answer_vars": ["x"]}}"""

JSON: Final = b"application/json"
REFUSED: Final = "refused"

numbers = itertools.count(1)


@contextmanager
def running() -> Iterator[tuple[str, int]]:
    """Run an upstream in a process of its own; yield its base URL and process id."""
    command = [sys.executable, "-m", "benchmarks.upstream"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own module
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.kill()


def reply(body: dict[str, Any]) -> str:
    """Return a text: bare JSON, a judge's reasons with JSON, or another answer each time."""
    number = next(numbers)
    if "response_format" in body:
        text = VERDICT
    elif "JSON" in str(body["messages"][-1]["content"]):
        text = REASONS + VERDICT
    else:
        text = ANSWER
    return text.format(number=number, score=number % 11)


def whole(body: dict[str, Any]) -> bytes:
    """Return a completion with as many choices as requested."""
    choices = [
        {"index": i, "message": {"role": "assistant", "content": reply(body)}, "finish_reason": "stop"}
        for i in range(body.get("n") or 1)
    ]
    usage = {"prompt_tokens": 20, "completion_tokens": 20, "total_tokens": 40}
    head = {"id": "c", "object": "chat.completion", "created": 1, "model": body["model"]}
    return orjson.dumps({**head, "choices": choices, "usage": usage})


def chunks(body: dict[str, Any]) -> list[bytes]:
    """Return the same as a stream, with one event per word."""
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": body["model"]}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": word + " "} for word in reply(body).split()]
    events = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    events.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    first, *others = [b"data: %b\n\n" % orjson.dumps(event) for event in events]
    return [first + others[0], *others[1:], b"data: [DONE]\n\n"]


class Connection(asyncio.Protocol):
    """One persistent connection; requests come one after the other."""

    begun = 0

    def __init__(self) -> None:
        self._received = b""
        self._transport: Any = None
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer once the request is whole."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not end or len(body) < (int(length[1]) if length else 0):
            return
        self._received = b""
        if head.startswith(b"POST"):
            self._complete(orjson.loads(body))
        elif b"/calls" in head.split(b"\r\n", 1)[0]:
            self._send(JSON, [b'{"begun":%d}' % Connection.begun])
        else:
            self._send(JSON, [b'{"object":"list","data":[{"id":"ms0","object":"model"}]}'])

    def _complete(self, body: dict[str, Any]) -> None:
        Connection.begun += 1
        if body["model"] == REFUSED:
            self._send(
                JSON,
                [b'{"error":{"message":"no","type":"invalid_request_error"}}'],
                status=b"400 Bad Request",
            )
            return
        match = MILLISECONDS.search(body["model"])
        seconds = int(match[1]) / 1000 if match else 0.0
        if body.get("stream"):
            self._later(seconds / 4, lambda: self._send(b"text/event-stream", chunks(body), 0.75 * seconds))
        else:
            self._later(seconds, lambda: self._send(JSON, [whole(body)]))

    def _send(self, kind: bytes, parts: list[bytes], seconds: float = 0.0, status: bytes = b"200 OK") -> None:
        """Send the parts of a reply, spread over some seconds."""
        head = b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
        parts = [head % (status, kind, sum(map(len, parts))) + parts[0], *parts[1:]]
        if not seconds:
            self._write(b"".join(parts))
            return
        for i, part in enumerate(parts):
            self._later(seconds * i / (len(parts) - 1), lambda part=part: self._write(part))

    def _write(self, content: bytes) -> None:
        if not self._transport.is_closing():  # else the client has left
            self._transport.write(content)

    def _later(self, seconds: float, callback: Any) -> None:
        if seconds:
            self._loop.call_later(seconds, callback)
        else:
            callback()


async def serve(port: int) -> None:
    """Serve until killed; the first line printed is the base URL."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", port, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=0)
    uvloop.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
