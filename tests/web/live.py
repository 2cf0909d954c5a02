"""The application in this process behind a real socket, around whatever engine and store a test has."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from queue import Queue
from typing import Any

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from optillm.server.bridge import ThreadTask


class Silent(WSGIRequestHandler):
    """Logs no requests."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Log nothing."""


@contextmanager
def live(app: Flask) -> Iterator[str]:
    """Serve an application for as long as the block runs; yields its address."""
    with turning_loop() as loop:
        server = make_server("127.0.0.1", 0, threaded(app, loop), threaded=True, request_handler=Silent)
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.port}"
        finally:
            server.shutdown()
            serving.join()
            server.server_close()


@contextmanager
def turning_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """Run an event loop in a thread of its own: that of the tests has Playwright's."""
    loops: Queue[asyncio.AbstractEventLoop] = Queue()

    def turn() -> None:
        with asyncio.Runner() as runner:
            loops.put(runner.get_loop())
            runner.get_loop().run_forever()

    thread = threading.Thread(target=turn)
    thread.start()
    loop = loops.get()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def threaded(app: Any, loop: asyncio.AbstractEventLoop) -> Any:
    """Return the application such that each request runs in the thread that serves it."""

    def serve(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        with ThreadTask(loop).running(), closing(app(environ, start_response)) as parts:
            yield from parts

    return serve
