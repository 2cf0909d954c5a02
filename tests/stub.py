"""A real HTTP upstream on loopback whose every byte a test decides.

    with Stub(lambda call: call.json({"choices": []})) as stub:
        ...  # talk to stub.base_url; stub.calls holds what arrived

The handler runs on a thread of its own per request and may wait for events, send half a body, or hang up.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass
class Call:
    """One request that arrived, and the means to answer it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    handler: BaseHTTPRequestHandler = field(repr=False)

    @property
    def sent(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def json(self, body: Any, status: int = 200, **headers: str) -> None:
        """Answer with a JSON body; underscores in header names are dashes."""
        self.raw(json.dumps(body).encode(), status, content_type="application/json", **headers)

    def raw(self, body: bytes, status: int = 200, **headers: str) -> None:
        """Answer with these bytes."""
        self.begin(status, content_length=str(len(body)), **headers)
        self.write(body)

    def begin(self, status: int = 200, **headers: str) -> None:
        """Send the status line and the headers; without a length the body ends with the connection."""
        self.handler.send_response(status)
        for name, value in headers.items():
            self.handler.send_header(name.replace("_", "-"), value)
        if "content_length" not in headers:
            self.handler.close_connection = True
            self.handler.send_header("Connection", "close")
        self.handler.end_headers()

    def write(self, data: bytes) -> None:
        """Send a piece of the body, now."""
        self.handler.wfile.write(data)
        self.handler.wfile.flush()

    def events(self, *chunks: Any, done: bool = True) -> None:
        """Answer with server-sent events, one for each chunk."""
        self.begin(content_type="text/event-stream")
        for chunk in chunks:
            self.write(sse(chunk, done=False))
        if done:
            self.write(sse())

    def answer(self, text: str) -> None:
        """Answer with a text, whole or as a stream of lines, whichever was requested; a GET gets a list of models."""
        if self.method == "GET":
            self.json({"object": "list", "data": [{"id": "m", "object": "model"}]})
        elif self.sent.get("stream"):
            self.events(*map(delta, text.splitlines(keepends=True)), delta(finish="stop"))
        else:
            self.json(completion(text))

    def hang_up(self) -> None:
        """Close the connection the hard way."""
        connection = self.handler.connection
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
        self.handler.close_connection = True

    def until_left(self) -> None:
        """Wait until the caller closes its side."""
        while self.handler.connection.recv(1024):
            pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024  # a burst of more would be refused, and tried again a second later


class Stub:
    """The server; `respond` answers each call."""

    def __init__(self, respond: Callable[[Call], None]) -> None:
        self.respond = respond
        self.calls: list[Call] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                call = Call(
                    self.command,
                    self.path,
                    {name.lower(): value for name, value in self.headers.items()},
                    body,
                    self,
                )
                stub.calls.append(call)
                try:
                    stub.respond(call)
                except ConnectionError:
                    self.close_connection = True

            do_GET = do_POST = do_DELETE = handle_any  # noqa: N815 - the names http.server looks for

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as inherited
                """Say nothing."""

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Accept no connections any more, and hang up those there are at their next call."""
        self.respond = Call.hang_up
        self._server.shutdown()
        self._server.server_close()


def completion(*texts: str | None, **more: Any) -> dict[str, Any]:
    """A chat completion with these choices."""
    choices = [
        {
            "index": i,
            "message": {"role": "assistant", "content": text},
            "finish_reason": "stop",
            "logprobs": None,
        }
        for i, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": choices,
        "usage": usage,
        **more,
    }


def sse(*chunks: Any, done: bool = True) -> bytes:
    """Chunks as server-sent events, and the end of a stream."""
    events = [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks]
    return b"".join([*events, b"data: [DONE]\n\n"] if done else events)


def delta(content: str | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk of a streamed completion."""
    choice = {"index": 0, "delta": {} if content is None else {"content": content}, "finish_reason": finish}
    return {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [choice],
        **more,
    }
