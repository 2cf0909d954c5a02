"""`--server threads`: the same application, with a thread of gunicorn's for each request.

A fall-back for the day on which a new aiohttp or gunicorn no longer fits `loop.py`: nothing is used here but WSGI and
gunicorn's documented settings and hooks. Views run in gunicorn's threads, the engine on one event loop in a thread of
its own per worker, and a `ThreadTask` stands between them.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, Final

import uvloop
from flask import Flask
from werkzeug.wsgi import ClosingIterator

from optillm.errors import InvalidRequest, RateLimited
from optillm.server.access.policy import vital_paths
from optillm.server.bridge import ThreadTask
from optillm.server.errors import error_response, new_request_id
from optillm.server.http.supervisor import (
    CLEANUP,
    ENDINGS,
    MAX_FIELD,
    MAX_LINE,
    PARTING,
    THREADS,
    Server,
    connections,
    end_requests,
    release_signals,
    settle_memory,
)
from optillm.server.state import state_of

SPARE: Final = 8  # threads beyond the bound on requests: to refuse others, and for `/health`

log = logging.getLogger(__name__)


class ThreadServer(Server):
    """gunicorn with its own threaded workers."""

    _front: ThreadFront | None = None
    """The application of a worker, in the worker."""
    _configured = False

    @property
    def options(self) -> dict[str, Any]:
        """gunicorn's settings that are peculiar to this server."""
        return {
            "worker_class": "gthread",
            "threads": self.settings.concurrency + SPARE,
            "worker_connections": connections(self.settings),
            "keepalive": self.settings.idle_timeout,
            "limit_request_line": MAX_LINE,
            "limit_request_field_size": MAX_FIELD,
            "when_ready": self._listening,
            "post_worker_init": self._ready,
            "worker_exit": self._close,
        }

    def load_config(self) -> None:
        """Set what differs from gunicorn's defaults; on SIGHUP gunicorn calls this again."""
        if self._configured:
            self.reread()
        self._configured = True
        super().load_config()

    def load(self) -> ThreadFront:
        """Return the WSGI application; gunicorn calls this in the worker."""
        # Earlier than the master, which would end the worker while it books what has been used.
        self.cfg.set("graceful_timeout", math.ceil(self.settings.grace + PARTING + CLEANUP))
        self._front = ThreadFront(super().load())
        return self._front

    def _listening(self, _: object) -> None:
        self.announce()
        log.info("Requests are served by threads (--server threads), which is slower than --server loop")

    def _ready(self, _: object) -> None:
        """Note SIGTERM before gunicorn does.

        It calls this in the worker once its handlers are installed.
        """
        settle_memory()
        handle_exit = signal.getsignal(signal.SIGTERM)

        def drain(number: int, frame: Any) -> None:
            if self._front is not None:
                self._front.drain(self.settings.grace)
            if callable(handle_exit):
                handle_exit(number, frame)

        signal.signal(signal.SIGTERM, drain)
        release_signals()

    def _close(self, _: object, __: object) -> None:
        """End what still runs; gunicorn calls this in a worker that is about to exit."""
        if self._front is None:
            return  # it could not start
        for number in ENDINGS:
            signal.signal(number, signal.SIG_IGN)
        self._front.close()
        logging.shutdown()  # what the log still holds would be lost by the exit
        # Python would wait for threads, and those for clients that send or read slowly.
        os._exit(0)


class ThreadFront:
    """A WSGI application for the threads of one worker, and the loop on which its engine runs."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._vital_paths = vital_paths(app)
        self._state = state_of(app)
        self._room = threading.BoundedSemaphore(self._state.settings.concurrency)
        self._tasks: set[ThreadTask] = set()
        self._ending: asyncio.Task[None] | None = None
        self._loop = uvloop.new_event_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(THREADS, "in_thread"))
        threading.Thread(target=self._loop.run_forever, name="engine", daemon=True).start()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request in the calling thread, which also iterates over the reply and closes it."""
        with ExitStack() as serving:
            if environ["PATH_INFO"] not in self._vital_paths:
                if not self._room.acquire(blocking=False):
                    return self._refuse(environ, start_response)
                serving.callback(self._room.release)
            task = ThreadTask(self._loop)
            serving.enter_context(task.running())
            self._tasks.add(task)
            serving.callback(self._tasks.discard, task)
            environ["wsgi.input"] = RequestBody(environ["wsgi.input"])
            return ClosingIterator(self._app(environ, start_response), serving.pop_all().close)

    def drain(self, grace: float) -> None:
        """Let running requests finish, and end those that run on after `grace` seconds.

        This does not wait.
        """
        self._state.draining = True
        self._loop.call_soon_threadsafe(self._loop.call_later, grace, self._end_requests)

    def close(self) -> None:
        """End running requests, close the engine and book what has been used."""
        asyncio.run_coroutine_threadsafe(self._closed(), self._loop).result()

    def _end_requests(self) -> None:
        self._ending = self._loop.create_task(end_requests(self._state, self._tasks))

    async def _closed(self) -> None:
        await end_requests(self._state, self._tasks)
        await self._state.close()

    def _refuse(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        error = RateLimited("Too many requests are in flight", headers={"Retry-After": "1"})
        self._state.metrics.responses.labels(str(error.status)).inc()
        response = error_response(error)
        response.headers["x-request-id"] = new_request_id()
        return response(environ, start_response)


class RequestBody:
    """The body of a request, as gunicorn reads it.

    What is wrong with its form is the client's mistake.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def read(self, size: int = -1, /) -> bytes:
        """Return so many bytes, or all; fewer at the end.

        Raises `InvalidRequest` for chunks that are malformed.
        """
        try:
            data: bytes = self._stream.read(size)
        except OSError:  # the client has left
            raise
        except Exception:  # noqa: BLE001 - gunicorn documents none of the errors of its parser
            raise InvalidRequest("The request body is not chunked as HTTP wants it") from None
        return data
