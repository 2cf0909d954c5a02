"""A fast upstream that takes the same time for every reply, for measuring what the proxy adds.

    python -m benchmarks.upstream [--port 0] [--latency 0.2]

It answers any chat completion, whole or streamed, after `--latency` seconds from the arrival of the request. Its
replies never agree with each other, so that no technique settles early; what it says to judges is read as
whatever verdict was asked for. The model `refused` is refused with a 400. It costs tens of microseconds per call.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import re
from typing import Any

import orjson
import uvloop

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
CONTINUES = "The answer is {number}. First I add what is given. Then I subtract. So the answer is {number}."
VERDICT = """\
I compared them, number {number}.
{{"ranking": ["A", "B", "C", "D"], "score": {score}, "better": "A", "errors": ["step {number}"], "pick": "A", \
"groups": [["A"], ["B"], ["C"], ["D"]], "applicable": true, "kind": "model", \
"smt2": "(declare-const x Int) (assert (= x {number}))", "answer_vars": ["x"]}}"""

numbers = itertools.count(1)


def reply(asked: dict[str, Any]) -> str:
    """What is said: a verdict to those who ask for JSON, another answer to everybody else."""
    number = next(numbers)
    judged = "JSON" in str(asked["messages"][-1]["content"])
    return (VERDICT if judged else CONTINUES).format(number=number, score=number % 11)


def whole(asked: dict[str, Any]) -> bytes:
    """A completion with as many choices as asked for."""
    choices = [
        {"index": i, "message": {"role": "assistant", "content": reply(asked)}, "finish_reason": "stop"}
        for i in range(asked.get("n") or 1)
    ]
    usage = {"prompt_tokens": 20, "completion_tokens": 20, "total_tokens": 40}
    head = {"id": "c", "object": "chat.completion", "created": 1, "model": asked["model"]}
    return orjson.dumps({**head, "choices": choices, "usage": usage})


def chunks(asked: dict[str, Any]) -> bytes:
    """The same as a stream of words."""
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": asked["model"]}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": word + " "} for word in reply(asked).split()]
    events = [{**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    events.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    return b"".join(b"data: %b\n\n" % orjson.dumps(event) for event in events) + b"data: [DONE]\n\n"


class Connection(asyncio.Protocol):
    """One keep-alive connection; requests come one after the other."""

    def __init__(self, latency: float) -> None:
        self._latency = latency
        self._received = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer when the request is whole."""
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not end or len(body) < (int(length[1]) if length else 0):
            return
        self._received = b""
        asyncio.get_running_loop().call_later(self._latency, self._answer, head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if self._transport.is_closing():  # the caller has left
            return
        status, kind = b"200 OK", b"application/json"
        if not head.startswith(b"POST"):
            content = b'{"object":"list","data":[{"id":"m","object":"model"}]}'
        elif (asked := orjson.loads(body))["model"] == "refused":
            status, content = b"400 Bad Request", b'{"error":{"message":"no","type":"invalid_request_error"}}'
        elif asked.get("stream"):
            content, kind = chunks(asked), b"text/event-stream"
        else:
            content = whole(asked)
        fields = b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (
            status,
            kind,
            len(content),
        )
        self._transport.write(fields + content)


async def serve(port: int, latency: float) -> None:
    """Serve until killed; the first line printed is the base URL."""
    server = await asyncio.get_running_loop().create_server(lambda: Connection(latency), "127.0.0.1", port)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.2)
    given = parser.parse_args()
    uvloop.run(serve(given.port, given.latency))


if __name__ == "__main__":
    main()
