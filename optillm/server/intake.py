"""How requests come in: a thread serves a request that has arrived, and never waits for a client to send one.

gunicorn's threaded worker gives a connection a thread that reads, so that a few hundred slow clients hold them
all. Here the worker's poller reads heads and small bodies without a thread. A large body, or one of unknown
length, is read by the thread that serves it, in a lane of its own, against a clock. `/health` has its own lane.
"""

from __future__ import annotations

import errno
import selectors
import socket
import time
from concurrent.futures import Executor, Future
from contextlib import suppress
from functools import partial
from math import inf
from typing import Any, Final

from gunicorn import util
from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import TConn, ThreadWorker

from optillm.errors import OptillmError, RateLimited
from optillm.server.arrival import HEAD, Arrival, Inlet
from optillm.server.faults import LARGE_HEADERS, NO_HTTP, malformed, raw_error, refusal
from optillm.server.lanes import Lane
from optillm.server.outlet import Outlet
from optillm.server.state import state_of

PIECE: Final = 2**16  # bytes to receive at a time
VITAL: Final = 4  # threads that only answer `/health`
LINGER: Final = 2.0  # seconds a client has to read the end of its reply before the connection is gone
SWEEP: Final = 0.25  # seconds between two looks at the clock

_VITAL: Final = (b"GET /health ", b"HEAD /health ")


class Intake(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """A threaded worker whose threads are for requests that have arrived."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._arriving: dict[TConn, Arrival] = {}
        self._parting: dict[TConn, float] = {}  # since when they wait, answered for the last time
        self._swept = 0.0

    def init_process(self) -> None:
        """Make the lanes."""
        threads, queue = self.cfg.threads, self.app.queue
        self._main = Lane("request", threads, queue)
        self._uploads = Lane("upload", threads, queue)
        self._vital = Lane("vital", VITAL, inf)
        super().init_process()

    def get_thread_pool(self) -> Executor:
        """What gunicorn shuts down at the end."""
        return self._main.pool

    def accept(self, listener: socket.socket) -> None:
        """Accept a connection; when there are too many, the one that has dawdled longest has to go."""
        if self.nr_conns >= self.worker_connections - 1:
            self._make_room()
        try:
            super().accept(listener)
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE):
                raise
            self._make_room()

    def on_client_socket_readable(self, conn: TConn, client: socket.socket) -> None:
        """Await the next request of a connection, unless that was let go of between the event and this."""
        if client.fileno() >= 0:
            super().on_client_socket_readable(conn, client)

    def enqueue_req(self, conn: TConn) -> None:
        """Await a request: the first one of a connection or, on one that was kept, the next."""
        if not isinstance(conn.sock, Outlet):
            conn.sock = Outlet(conn.sock)
        conn.init()
        conn.sock.setblocking(False)
        arrival = self._arriving[conn] = Arrival(time.monotonic())
        if isinstance(conn.parser.unreader, Inlet):
            arrival.take(conn.parser.unreader.take_buffered())
        else:
            conn.parser.unreader = Inlet(conn.sock)
        self._receive(conn)  # it is often there already
        if conn in self._arriving:
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._receive, conn))
            arrival.watched = True

    def _receive(self, conn: TConn, _: object = None) -> None:
        arrival = self._arriving.get(conn)
        if arrival is None:  # let go of between the event and this
            return
        data = None
        if not (arrival.whole or arrival.large):  # else a client that sends ahead would fill the memory
            data = _received(conn.sock)
        if data:
            arrival.take(data)
        ended = data == b""
        if arrival.whole or arrival.large or (ended and arrival.body is not None):
            self._serve(conn, arrival)
        elif arrival.faulty:
            self._refuse(conn, refusal(*NO_HTTP))
        elif ended:
            self._drop(conn)
        elif arrival.body is None and len(arrival.content) > HEAD:
            self._refuse(conn, refusal(*LARGE_HEADERS))

    def _serve(self, conn: TConn, arrival: Arrival) -> None:
        """Hand a request to a thread."""
        lane = self._uploads
        if arrival.whole:
            lane = self._vital if arrival.content.startswith(_VITAL) else self._main
        if lane.full:
            self._refuse(conn, RateLimited("Too many requests are in flight", headers={"Retry-After": "1"}))
            return
        self._forget(conn)
        inlet = conn.parser.unreader
        inlet.unread(bytes(arrival.content))
        inlet.deadline = time.monotonic() + state_of(self.wsgi).settings.body_timeout
        conn.sock.pressed = lambda: lane.busy or not self.alive
        serve = self._handle_late if lane.busy else self.handle
        lane.take(serve, conn).add_done_callback(
            lambda done: self.method_queue.defer(self._finish, lane, conn, done)
        )

    def _handle_late(self, conn: TConn) -> Any:
        """Serve a request that has waited for its thread, if its client has waited too."""
        return not conn.sock.left() and self.handle(conn)

    def _finish(self, lane: Lane, conn: TConn, done: Future[Any]) -> None:
        lane.release()
        self.finish_request(conn, done)

    def finish_request(self, conn: TConn, fs: Future[Any]) -> None:
        """Keep the connection for its next request, or part from it; gunicorn's own would wait for the client."""
        if not fs.cancelled() and fs.exception() is None and fs.result():
            super().finish_request(conn, fs)
        else:
            self._part(conn)

    def _keepalive_after(self, conn: TConn, keepalive: bool) -> bool:
        """Whether the connection can be kept; not with a body that nobody has read and nobody can."""
        try:
            return bool(super()._keepalive_after(conn, keepalive))
        except ParseException:  # which gunicorn would answer, though there has been a reply
            return False

    def handle_error(self, _: Any, client: socket.socket, __: Any, exc: Exception) -> None:
        """Answer what does not come as far as the application, in the shape of all our errors."""
        error = malformed(exc)
        if error is None:
            self.log.exception("Error handling a request")
            error = OptillmError("The server failed")
        with suppress(OSError):
            util.write_nonblock(client, self._told(error))

    def murder_pending(self) -> None:
        """Look after those whose time is up; gunicorn calls this whenever it has seen to its events."""
        now = time.monotonic()
        if now < self._swept + SWEEP:
            return
        self._swept = now
        settings = state_of(self.wsgi).settings
        head = settings.header_timeout if self.alive else LINGER
        body = head + settings.body_timeout if self.alive else LINGER
        for conn, arrival in list(self._arriving.items()):
            if arrival.body is None and now - arrival.since > head:
                self._drop(conn)
            elif now - arrival.since > body:
                self._refuse(conn, refusal(408, "The request took too long to arrive"))
        for conn, since in list(self._parting.items()):
            if now - since > LINGER:
                self._drop(conn)

    def turn_away(self) -> None:
        """Let go of all whose request has not arrived."""
        for conn in list(self._arriving):
            self._drop(conn)

    def _make_room(self) -> None:
        for waiting in (self._parting, self._arriving):
            if waiting:
                self._drop(next(iter(waiting)))
                return
        if self.keepalived_conns:
            self._drop(self.keepalived_conns.popleft())

    def _refuse(self, conn: TConn, error: OptillmError) -> None:
        self._forget(conn)
        with suppress(OSError):
            conn.sock.send(self._told(error))
        self._part(conn)

    def _told(self, error: OptillmError) -> bytes:
        """The reply to what does not come as far as the application, counted."""
        state_of(self.wsgi).metrics.responses.labels(str(error.status)).inc()
        return raw_error(error)

    def _part(self, conn: TConn) -> None:
        """Close our side, and wait a moment: a client that still sends would lose what it has not read yet."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.setblocking(False)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._discard, conn))
        except OSError:
            self._drop(conn)
        else:
            self._parting[conn] = time.monotonic()

    def _discard(self, conn: TConn, _: object) -> None:
        if conn in self._parting and _received(conn.sock) == b"":
            self._drop(conn)

    def _drop(self, conn: TConn) -> None:
        self._forget(conn)
        self.nr_conns -= 1
        conn.close()

    def _forget(self, conn: TConn) -> None:
        """Stop to wait for anything on a connection."""
        arrival = self._arriving.pop(conn, None)
        self._parting.pop(conn, None)
        if arrival is not None and not arrival.watched:  # most are not; the poller's refusal is dear
            return
        with suppress(KeyError, ValueError, OSError):
            self.poller.unregister(conn.sock)


def _received(sock: socket.socket) -> bytes | None:
    """What a non-blocking socket has: nothing yet (`None`), some bytes, or its end."""
    try:
        return sock.recv(PIECE)
    except (BlockingIOError, InterruptedError):
        return None
    except OSError:
        return b""
