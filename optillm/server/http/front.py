"""The front: HTTP of aiohttp, a Flask application behind it, one event loop for both and for the engine.

A request is served by a greenlet on the loop, see `optillm.server.bridge`; waiting costs no thread. Before
that its head and a small body have arrived; a larger body, or one of unknown length, is read when the view asks
for it, against a clock. `/health` is answered however much there is to do.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from functools import lru_cache, partial
from http import HTTPStatus
from itertools import islice
from typing import Any, Final, cast
from urllib.parse import unquote_to_bytes

from aiohttp import web
from flask import Flask
from multidict import CIMultiDict

from optillm.engine.memory import MB, Memory
from optillm.errors import OptillmError, RateLimited, ShuttingDown
from optillm.server.api.wire import dumps
from optillm.server.bridge import GreenletTask
from optillm.server.errors import FIELD, LINE, error_headers, refusal
from optillm.server.http.body import Body, expected
from optillm.server.http.connection import Connection
from optillm.server.http.lanes import Lane
from optillm.server.state import state_of

ROOM: Final = 2**16  # bytes of a body that are awaited before a request is served
BODIES: Final = 8  # how many bodies of the largest size a worker has memory for at a time
SWEEP: Final = 0.25  # seconds between two looks at the clock
LINGER: Final = 2.0  # seconds a client has to read the end of its last reply, or to send a last request
PARTING: Final = 1.0  # seconds for techniques that have been told to come to an end
CLEANUP: Final = 5.0  # seconds for requests that have been interrupted
NAME: Final = "optillm"

_VITAL: Final = "/health"


class Front(web.Server):
    """Serves a WSGI application; made on the loop that it serves on."""

    def __init__(self, app: Flask, connections: int) -> None:
        self._state = state_of(app)
        self._settings = self._state.settings
        super().__init__(
            self._serve,
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=self._settings.idle_timeout,
            max_line_size=LINE,
            max_field_size=FIELD,
            auto_decompress=False,
            lingering_time=LINGER,
        )
        self._app = app
        self._most = connections
        self._small, self._large = Lane(self._settings.concurrency), Lane(self._settings.concurrency)
        self._largest = self._settings.max_body_mb * MB
        self._memory = Memory(BODIES * self._largest)
        self._tasks: set[GreenletTask] = set()
        self._sweeping = self._loop.call_later(SWEEP, self._sweep)
        self._environ = {
            "SCRIPT_NAME": "",
            "SERVER_NAME": self._settings.host.strip("[]"),
            "SERVER_PORT": str(self._settings.port),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": False,
            "wsgi.multiprocess": self._settings.workers > 1,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
        }

    def __call__(self) -> Connection:
        """A connection that has been accepted."""
        return Connection(self, loop=self._loop, error_reply=self._error_reply, **self._kwargs)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Count a connection; when there are too many, the one that dawdles most has to go."""
        super().connection_made(handler, transport)
        if len(self._connections) > self._most:
            staying = [each for each in self._clients if not each.aborted]
            waiting = (each for each in staying if each.waits)
            for each in islice(waiting, max(0, len(staying) - self._most)):
                each.abort()

    @property
    def _clients(self) -> list[Connection]:
        """All connections, the oldest first."""
        return cast("list[Connection]", self.connections)

    # Its end.

    async def drain(self, grace: float) -> None:
        """Wait until all requests have been served, at most so many seconds; replies say that they are the last."""
        self._state.draining = True
        await self._until(lambda: not self._connections, grace)

    async def close(self) -> None:
        """End what still runs, with an answer where there can be one, and close all connections."""
        self._state.draining = True
        for connection in self._clients:
            if connection.waits:  # a client could use it to ask again, and be refused again
                connection.abort()
        if self._tasks and self._state.engine.wind_down():
            await self._until(lambda: not self._tasks, PARTING)
        for task in list(self._tasks):
            task.interrupt(ShuttingDown("The server is shutting down"))
        await self._until(lambda: not self._tasks, CLEANUP)
        self._sweeping.cancel()
        for connection in self._clients:
            connection.force_close()
        await self._until(lambda: not self._connections, LINGER)

    async def _until(self, condition: Callable[[], bool], seconds: float) -> None:
        limit = self._loop.time() + seconds
        while not condition() and self._loop.time() < limit:  # noqa: ASYNC110 - of two kinds, and at the end only
            await asyncio.sleep(SWEEP / 10)

    # A request.

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """One request, from its head to the last byte of its reply."""
        connection = cast("Connection", request.protocol)
        body = Body(request, self._settings.body_timeout, self._memory)
        vital = request.path == _VITAL
        try:
            if not expected(request):
                raise refusal(417, "The expectation of the request cannot be met")
            lane = self._large
            if not body.larger_than(ROOM):
                await body.arrive()
                lane = self._small
            if lane.full and not vital:
                raise RateLimited("Too many requests are in flight", headers={"Retry-After": "1"})
            body.check_room(self._largest)
        except OptillmError as error:
            return self._error_reply(error)
        connection.busy()
        with nullcontext() if vital else lane.taken():  # it needs no key, and may wait for the upstream
            connection.pressed = lambda: lane.full or self._state.draining
            task = GreenletTask(partial(self._respond, request, body))
            self._tasks.add(task)
            try:
                response: web.StreamResponse = await task.drive()
            finally:
                self._tasks.discard(task)
                body.release()
        return response

    def _respond(self, request: web.BaseRequest, body: Body) -> web.StreamResponse:
        """The application's reply, sent as far as it is a stream; runs in a greenlet."""
        task = GreenletTask.current()
        started: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], _: Any = None, /) -> Callable[[bytes], object]:
            started[:] = status, headers
            return started.append  # WSGI's old way to write, which Flask does not go

        content = self._app(self._described(request, body), start)
        try:
            status, headers = started
            code, _, reason = status.partition(" ")
            whole = any(name.lower() == "content-length" for name, _ in headers)
            if whole or request.method == "HEAD":
                response: web.StreamResponse = web.Response(
                    body=b"".join(content), status=int(code), reason=reason, headers=self._headers(headers)
                )
                return self._marked(response, request)
            response = web.StreamResponse(status=int(code), reason=reason, headers=self._headers(headers))
            self._marked(response, request)
            task.wait(response.prepare(request))
            for chunk in content:
                if chunk:
                    task.wait(response.write(chunk))
            return response
        finally:
            close = getattr(content, "close", None)
            if close is not None:
                close()

    def _marked(self, response: web.StreamResponse, request: web.BaseRequest) -> web.StreamResponse:
        """A reply that says whether it is the last; after half a body, what comes next may not be a request."""
        if self._state.draining or not request.content.is_eof():
            response.force_close()
        return response

    @staticmethod
    def _headers(headers: Iterable[tuple[str, str]]) -> CIMultiDict[str]:
        sent = CIMultiDict(headers)
        sent["Server"] = NAME
        return sent

    def _described(self, request: web.BaseRequest, body: Body) -> dict[str, Any]:
        """The request as WSGI has it."""
        path, _, query = request.raw_path.partition("?")
        if not path.startswith("/"):  # the whole URL, as for a proxy
            path = request.rel_url.raw_path
        environ = {
            **self._environ,
            "REQUEST_METHOD": request.method,
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "SERVER_PROTOCOL": f"HTTP/{request.version.major}.{request.version.minor}",
            "REMOTE_ADDR": request.remote or "",
            "wsgi.input": body.file(),
        }
        for name, value in request.raw_headers:
            variable = _variable(name)
            if variable is not None:
                text = value.decode("latin-1")
                environ[variable] = f"{environ[variable]},{text}" if variable in environ else text
        return environ

    def _error_reply(self, error: OptillmError) -> web.StreamResponse:
        """The reply to what does not come as far as the application, counted; the connection ends with it."""
        self._state.metrics.responses.labels(str(error.status)).inc()
        response = web.Response(
            body=dumps(error.body()),
            status=error.status,
            reason=HTTPStatus(error.status).phrase,
            headers=self._headers(error_headers(error).items()),
        )
        response.force_close()
        return response

    # The clock.

    def _sweep(self) -> None:
        """Look after those whose time is up."""
        now = self._loop.time()
        head = LINGER if self._state.draining else self._settings.header_timeout
        for connection in self._clients:
            connection.check(now, head, LINGER if self._state.draining else None)
        self._sweeping = self._loop.call_later(SWEEP, self._sweep)


@lru_cache(256)
def _variable(name: bytes) -> str | None:
    """The variable of a header; `None` for one that could be taken for another: WSGI knows no hyphens."""
    if b"_" in name:
        return None
    variable = name.decode("latin-1").upper().replace("-", "_")
    return variable if variable in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{variable}"
