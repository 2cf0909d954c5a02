"""The production server: gunicorn with threads, workers that drain on SIGTERM, no configuration but ours."""

from __future__ import annotations

import gc
import logging
import math
import os
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker

from optillm.server.intake import Intake
from optillm.server.state import state_of

if TYPE_CHECKING:
    from optillm.config import Settings

HEARTBEAT: Final = 120  # seconds without one until a worker is replaced; requests do not hold it up
MARGIN: Final = 5  # seconds that a worker gets to close, after the grace of its requests
STALL = 60  # seconds a client may keep a thread waiting for it to take the next byte
IDLE = 1000  # idle connections a worker keeps beside the busy ones
BACKLOG: Final = 2048
ENDINGS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - heartbeat files, on no disk that may stall

log = logging.getLogger(__name__)


def serve(settings: Settings, load: Callable[[], Flask]) -> None:
    """Serve until a signal ends it; `load` makes the application in each worker.

    Exits with status 1 and one line on stderr when the address cannot be had.
    """
    try:
        listener = listen(settings.host, settings.port)
    except OSError as error:
        sys.exit(f"Cannot listen on {settings.host} port {settings.port}: {error.strerror or error}")
    os.register_at_fork(after_in_parent=_release_signals)
    Server(settings, listener, load).run()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; made here, since gunicorn would try five times and say so in ten lines."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", STALL, 0))
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


class Server(BaseApplication):  # type: ignore[misc] # gunicorn has no types
    """gunicorn, told everything by our settings."""

    def __init__(self, settings: Settings, listener: socket.socket, load: Callable[[], Flask]) -> None:
        self._settings = settings
        self._url = url_of(listener)
        self._listener = listener.detach()  # gunicorn takes it over by its number
        self._load = load
        super().__init__()

    def load_config(self) -> None:
        """Set what differs from gunicorn's defaults; its files and environment variables are not read."""
        settings = self._settings
        options: dict[str, Any] = {
            "bind": f"fd://{self._listener}",
            "backlog": BACKLOG,
            "workers": settings.workers,
            "worker_class": Worker,
            "threads": settings.threads,
            "worker_connections": settings.threads + IDLE,
            "keepalive": settings.idle_timeout,
            "timeout": HEARTBEAT,
            "graceful_timeout": math.ceil(settings.grace) + MARGIN,
            "control_socket_disable": True,
            "loglevel": "error",
            "logger_class": QuietLogger,
            "pre_fork": _hold_signals,
            "post_worker_init": self._ready,
            "worker_exit": _close,
        }
        if Path(SHARED_MEMORY).is_dir():
            options["worker_tmp_dir"] = SHARED_MEMORY
        for name, value in options.items():
            if name in self.cfg.settings:  # older releases have no control socket
                self.cfg.set(name, value)

    def load(self) -> Flask:
        """The application; gunicorn calls this in the worker."""
        return self._load()

    def _ready(self, worker: ThreadWorker) -> None:
        gc.freeze()  # what is loaded stays: no collection has to look at it again
        if worker.age == 1:
            log.info("Listening at %s", self._url)


class QuietLogger(Logger):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's log without a traceback for each client that stalls."""

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log the exception in flight, unless it is only that a client took too long."""
        if not isinstance(sys.exc_info()[1], BlockingIOError):
            super().exception(msg, *args, **kwargs)


class Worker(Intake):
    """A threaded worker that refuses connections while it drains, and ends what outlives the grace period."""

    def init_signals(self) -> None:
        """Handle signals the worker's way, those that came before it could included."""
        super().init_signals()
        _release_signals()

    def set_accept_enabled(self, enabled: bool) -> None:
        """Also called once when the worker stops: the moment to drain."""
        super().set_accept_enabled(enabled)
        if enabled or self.alive:
            return
        for listener in self.sockets:
            listener.close()  # or new clients would wait in its queue for nobody
        state = state_of(self.wsgi)
        state.draining = True
        self._close_after(state.settings.grace)

    def handle_quit(self, *_: object) -> None:
        """End without grace: SIGINT and SIGQUIT.

        gunicorn's own shuts the thread pool here, inside the signal handler: when the signal interrupts the
        pool while that holds its lock, the process hangs.
        """
        self.alive = False
        self.method_queue.defer(self._hurry)

    def _hurry(self) -> None:
        self.murder_keepalived(force=True)
        self.turn_away()
        self._close_after(0)

    def _close_after(self, seconds: float) -> None:
        timer = threading.Timer(seconds, state_of(self.wsgi).close)
        timer.daemon = True
        timer.start()


def url_of(listener: socket.socket) -> str:
    """Where a client finds a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family is socket.AF_INET6 else f"http://{host}:{port}"


def _hold_signals(_: object, __: object) -> None:
    """Keep signals for the worker about to be forked: until it has its own handlers, they would be lost on it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)


def _release_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)


def _close(_: object, worker: ThreadWorker) -> None:
    """Close a worker's engine and loop; gunicorn calls this in the worker, and in the parent for one it reaped."""
    app = getattr(worker, "wsgi", None)
    if isinstance(app, Flask):
        state_of(app).close()
