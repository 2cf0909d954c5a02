"""aiohttp's HTTP in front of a Flask application, on one event loop with the engine.

A request is served by a greenlet on the loop, see `optillm.server.bridge`, so waiting takes no thread. That begins once
the head and a small body have arrived; a larger body, or one of unknown length, is read against a clock when the view
asks for it. Vital endpoints, like `/health`, are served however busy the server is.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from functools import lru_cache, partial
from http import HTTPStatus
from itertools import islice
from typing import Any, Final, cast
from urllib.parse import unquote_to_bytes

from aiohttp import web
from flask import Flask
from multidict import CIMultiDict

from optillm.engine.memory import MB, Memory
from optillm.errors import OptillmError, RateLimited
from optillm.server.access.policy import vital_paths
from optillm.server.api.wire import dumps
from optillm.server.bridge import GreenletTask, current_task
from optillm.server.errors import error_headers, refusal
from optillm.server.http.body import Body, expectation_can_be_met
from optillm.server.http.connection import Connection
from optillm.server.http.supervisor import LINGER, MAX_FIELD, MAX_LINE, end_requests, until
from optillm.server.state import state_of

SMALL_BODY: Final = 2**16  # bytes of a body that are awaited before a request is served
BODIES: Final = 8  # bodies of the largest size for which a worker has memory at a time
SWEEP: Final = 0.25  # seconds between two looks at the clock
NAME: Final = "optillm"


class Capacity:
    """Room for `most` requests of one kind at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._in_use = 0

    @property
    def full(self) -> bool:
        """Whether there is no room for another request."""
        return self._in_use >= self._most

    @contextmanager
    def use(self) -> Iterator[None]:
        """Count a request while the block runs."""
        self._in_use += 1
        try:
            yield
        finally:
            self._in_use -= 1


class Front(web.Server):
    """Serves a WSGI application over at most `connections` connections.

    Create it on the loop that serves.
    """

    def __init__(self, app: Flask, connections: int) -> None:
        self._state = state_of(app)
        self._settings = self._state.settings
        super().__init__(
            self._serve,
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=self._settings.idle_timeout,
            max_line_size=MAX_LINE,
            max_field_size=MAX_FIELD,
            auto_decompress=False,
            lingering_time=LINGER,
        )
        self._app = app
        self._vital_paths = vital_paths(app)
        self._max_connections = connections
        self._small, self._large = Capacity(self._settings.concurrency), Capacity(self._settings.concurrency)
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
        """Return the protocol of a connection that has been accepted."""
        return Connection(self, loop=self._loop, error_reply=self._error_reply, **self._kwargs)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """Add a connection.

        Beyond the limit, close the oldest ones that have no request being served.
        """
        super().connection_made(handler, transport)
        if len(self._connections) > self._max_connections:
            staying = [connection for connection in self._clients if not connection.aborted]
            idle = (connection for connection in staying if connection.idle)
            for connection in islice(idle, max(0, len(staying) - self._max_connections)):
                connection.abort()

    @property
    def _clients(self) -> list[Connection]:
        """The connections, oldest first."""
        return cast("list[Connection]", self.connections)

    # Shutdown.

    async def drain(self, grace: float) -> None:
        """Wait until all requests have been served, at most `grace` seconds.

        Replies say `Connection: close`.
        """
        self._state.draining = True
        await until(lambda: not self._connections, grace)

    async def close(self) -> None:
        """End what still runs, with an answer where there can be one, and close all connections."""
        self._state.draining = True
        for connection in self._clients:
            if connection.idle:  # a client could use it to ask again, and be refused again
                connection.abort()
        await end_requests(self._state, self._tasks)
        self._sweeping.cancel()
        for connection in self._clients:
            connection.force_close()
        await until(lambda: not self._connections, LINGER)

    # A request.

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one request, from its head to the last byte of its reply."""
        connection = cast("Connection", request.protocol)
        body = Body(request, self._settings.body_timeout, self._memory)
        vital = request.path in self._vital_paths
        try:
            if not expectation_can_be_met(request):
                raise refusal(HTTPStatus.EXPECTATION_FAILED, "The expectation of the request cannot be met")
            capacity = self._large
            if not body.larger_than(SMALL_BODY):
                await body.arrive()
                capacity = self._small
            if capacity.full and not vital:
                raise RateLimited("Too many requests are in flight", headers={"Retry-After": "1"})
            body.check_room(self._largest)
        except OptillmError as error:
            return self._error_reply(error)
        connection.busy()
        with nullcontext() if vital else capacity.use():  # it needs no key, and may wait for the upstream
            connection.in_demand = lambda: capacity.full or self._state.draining
            task = GreenletTask(partial(self._respond, request, body))
            self._tasks.add(task)
            try:
                response: web.StreamResponse = await task.drive()
            finally:
                self._tasks.discard(task)
                body.release()
        return response

    def _respond(self, request: web.BaseRequest, body: Body) -> web.StreamResponse:
        """Return the application's reply; a stream has then been sent. Runs in a greenlet."""
        task = current_task()
        started: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], _: Any = None, /) -> Callable[[bytes], object]:
            started[:] = status, headers
            return started.append  # WSGI's legacy `write`, which Flask never calls

        content = self._app(self._wsgi_environ(request, body), start)
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
        """Return the reply, which says if it is the last.

        After half a body, what comes next may be no request.
        """
        if self._state.draining or not request.content.is_eof():
            response.force_close()
        return response

    @staticmethod
    def _headers(headers: Iterable[tuple[str, str]]) -> CIMultiDict[str]:
        sent = CIMultiDict(headers)
        sent["Server"] = NAME
        return sent

    def _wsgi_environ(self, request: web.BaseRequest, body: Body) -> dict[str, Any]:
        """Return the request in WSGI's form."""
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
        """Return the reply to a request that does not reach the application.

        The connection ends with it.
        """
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
        """Close the connections whose time is up."""
        now = self._loop.time()
        head = LINGER if self._state.draining else self._settings.header_timeout
        for connection in self._clients:
            connection.check(now, head, LINGER if self._state.draining else None)
        self._sweeping = self._loop.call_later(SWEEP, self._sweep)


@lru_cache(256)
def _variable(name: bytes) -> str | None:
    """Return a header's variable.

    Returns `None` if it could be mistaken for another: WSGI turns hyphens into underscores.
    """
    if b"_" in name:
        return None
    variable = name.decode("latin-1").upper().replace("-", "_")
    return variable if variable in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{variable}"
