"""The production server: gunicorn with threads, workers that drain on SIGTERM, no configuration but ours."""

from __future__ import annotations

import gc
import logging
import math
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import TConn, ThreadWorker

from optillm.observe.folder import forget
from optillm.server.intake import Intake
from optillm.server.listening import BACKLOG, listener_for, pending, url_of
from optillm.server.state import state_of
from optillm.sources import SettingsError

if TYPE_CHECKING:
    from optillm.config import Settings

HEARTBEAT: Final = 120  # seconds without one until a worker is replaced; requests do not hold it up
MARGIN: Final = 6  # seconds that a worker gets to close, after the grace of its requests
IDLE = 1000  # connections a worker keeps beside those with requests at work or waiting
FILES: Final = 256  # open files beside connections
BOOT: Final = 30  # seconds new workers have to begin before old ones end all the same
ENDINGS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - heartbeat files, on no disk that may stall

log = logging.getLogger(__name__)


def serve(settings: Settings, load: Callable[[Settings], Flask], reread: Callable[[], Settings]) -> None:
    """Serve until a signal ends it; `load` makes the application in each worker.

    SIGHUP replaces the workers by new ones, with the settings that `reread` then gives; when it raises
    `SettingsError`, with those there are. Exits with status 1 and one line on stderr when the address cannot be had.
    """
    try:
        listener = listener_for(settings)
    except OSError as error:
        sys.exit(f"Cannot listen on {settings.host} port {settings.port}: {error.strerror or error}")
    os.register_at_fork(after_in_parent=_release_signals)
    allow_files(connections(settings) + settings.upstream_concurrency + FILES)
    Server(settings, listener, load, reread).run()


def connections(settings: Settings) -> int:
    """How many a worker keeps: its two lanes full, and others that send, or pause between requests."""
    return 2 * (settings.threads + settings.queue) + IDLE


def allow_files(count: int) -> None:
    """Let this process and its children open so many files, if the system lets it: shells often allow 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        count = min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


class Master(Arbiter):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's master, whose old workers serve until the new ones do."""

    def manage_workers(self) -> None:
        """Start the workers that are missing, and end the oldest of too many."""
        limit = time.monotonic() + BOOT
        while len(self.WORKERS) > self.num_workers and not self._renewed() and time.monotonic() < limit:
            self.reap_workers()
            time.sleep(0.02)
        super().manage_workers()

    def _renewed(self) -> bool:
        """Whether as many as are to stay serve, the latest first."""
        latest = sorted(self.WORKERS.values(), key=lambda worker: worker.age)[-self.num_workers :]
        # A heartbeat counts from the start of the machine; before the first one there is a date.
        return all(worker.tmp.last_update() <= time.monotonic() for worker in latest)


class Server(BaseApplication):  # type: ignore[misc] # gunicorn has no types
    """gunicorn, told everything by our settings."""

    def __init__(
        self,
        settings: Settings,
        listener: socket.socket,
        load: Callable[[Settings], Flask],
        reread: Callable[[], Settings],
    ) -> None:
        self._settings = settings
        self._reread = reread
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
            "worker_connections": connections(settings),
            "keepalive": settings.idle_timeout,
            "timeout": HEARTBEAT,
            "graceful_timeout": math.ceil(settings.grace) + MARGIN,
            "control_socket_disable": True,
            "forwarded_allow_ips": "",  # else clients on this machine could say which path is meant
            "loglevel": "error",
            "logger_class": OneLog,
            "pre_fork": _hold_signals,
            "post_worker_init": self._ready,
            "worker_exit": _close,
            "child_exit": _forget,
        }
        if Path(SHARED_MEMORY).is_dir():
            options["worker_tmp_dir"] = SHARED_MEMORY
        for name, value in options.items():
            if name in self.cfg.settings:  # older releases have no control socket
                self.cfg.set(name, value)

    @property
    def queue(self) -> int:
        """Requests that may wait for a thread; gunicorn has no such setting."""
        return self._settings.queue

    def load(self) -> Flask:
        """The application; gunicorn calls this in the worker."""
        return self._load(self._settings)

    def reload(self) -> None:
        """Read the settings again; gunicorn calls this on SIGHUP."""
        try:
            self._settings = self._reread()
        except SettingsError as error:
            log.error("The settings stay as they were: %s", error)
        super().reload()

    def run(self) -> None:
        """Serve until a signal ends it."""
        Master(self).run()

    def _ready(self, worker: ThreadWorker) -> None:
        gc.freeze()  # what is loaded stays: no collection has to look at it again
        if worker.age == 1:
            log.info("Listening at %s", self._url)


class OneLog(Logger):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's log as part of ours."""

    def setup(self, cfg: Any) -> None:
        """Leave the form of lines to the root logger."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class Worker(Intake):
    """A threaded worker that refuses connections while it drains, and ends what outlives the grace period.

    A connection that was kept gets its next request served, if that comes within two seconds: refused, the client
    might try again on another one that leads here.
    """

    _ends = math.inf  # when requests still running are cancelled
    _shown = -math.inf  # when it last showed a sign of life

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
            for _ in pending(listener):  # closing it would reset them
                self.accept(listener)
            listener.close()  # or new clients would wait in its queue for nobody
        state = state_of(self.wsgi)
        state.draining = True
        self._ends = time.monotonic() + state.settings.grace

    def notify(self) -> None:
        """Show the parent a sign of life; gunicorn's own would touch a file for each event."""
        now = time.monotonic()
        if now >= self._shown + HEARTBEAT / 100:
            self._shown = now
            super().notify()

    def murder_pending(self) -> None:
        """Look at the clock: gunicorn calls this at least once a second."""
        super().murder_pending()
        if time.monotonic() >= self._ends:
            self._ends = math.inf
            self._hurry()

    def handle_request(self, req: Any, conn: TConn) -> bool:
        """Serve a request; a reply that begins while the worker drains says that it is the connection's last."""
        closes = req.should_close
        req.should_close = cache(lambda: not self.alive or closes())  # what has been said once, holds
        return bool(super().handle_request(req, conn))

    def handle_quit(self, *_: object) -> None:
        """End without grace: SIGINT and SIGQUIT.

        gunicorn's own shuts the thread pool here, inside the signal handler: when the signal interrupts the
        pool while that holds its lock, the process hangs.
        """
        self.alive = False
        self.method_queue.defer(self._hurry)

    def _hurry(self) -> None:
        """End what runs; first of all what a client could use to ask again, and be refused again."""
        self.murder_keepalived(force=True)
        self.turn_away()
        threading.Thread(target=state_of(self.wsgi).close, daemon=True).start()


def _hold_signals(_: object, __: object) -> None:
    """Keep signals for the worker about to be forked: until it has its own handlers, they would be lost on it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)


def _release_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)


def _forget(_: object, worker: ThreadWorker) -> None:
    """Drop the gauges of a worker that has ended; gunicorn calls this in the parent."""
    forget(worker.pid)


def _close(_: object, worker: ThreadWorker) -> None:
    """Close a worker's engine and loop; gunicorn calls this in the worker, and in the parent for one it reaped."""
    app = getattr(worker, "wsgi", None)
    if isinstance(app, Flask):
        state_of(app).close()
