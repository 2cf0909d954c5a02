"""The production server: gunicorn's master, workers of ours that drain on SIGTERM, no configuration but ours."""

from __future__ import annotations

import asyncio
import errno
import gc
import logging
import math
import os
import resource
import signal
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import uvloop
from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.workers.base import Worker as BaseWorker

from optillm.config.sources import SettingsError
from optillm.observe.folder import forget
from optillm.server.http.front import CLEANUP, LINGER, PARTING, Front
from optillm.server.http.listener import BACKLOG, url_of
from optillm.server.http.master import Master, serves
from optillm.server.state import state_of

if TYPE_CHECKING:
    from optillm.config.settings import Settings

HEARTBEAT: Final = 120  # seconds without one until a worker is replaced
THREADS: Final = 32  # for what blocks: stores of counters, a cache in a file, large bodies, metrics
MARGIN: Final = math.ceil(PARTING + CLEANUP + LINGER) + 1  # seconds to close, after the grace of requests
IDLE = 1000  # connections a worker keeps beside those with requests at work
AT_ONCE: Final = 16  # connections accepted in one go
PAUSE: Final = 0.5  # seconds without accepting any, when there are no file descriptors left
FILES: Final = 256  # open files beside connections
COLLECTED: Final = (5_000, 5, 5)  # objects until a collection: Python's 700 are those of one request
ENDINGS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - heartbeat files, on no disk that may stall

log = logging.getLogger(__name__)


def serve(
    settings: Settings,
    listener: socket.socket,
    load: Callable[[Settings], Flask],
    reread: Callable[[], Settings],
) -> None:
    """Serve on `listener` until a signal ends it; `load` makes the application in each worker.

    SIGHUP replaces the workers by new ones, with the settings that `reread` then gives; when that raises
    `SettingsError`, nothing changes. Exits with status 3 when the first workers cannot start.
    """
    os.register_at_fork(after_in_parent=_release_signals)
    allow_files(connections(settings) + settings.upstream_concurrency + FILES)
    gc.collect()
    gc.freeze()  # or the first collection of each worker would copy what it shares with the others
    Server(settings, listener, load, reread).run()


def connections(settings: Settings) -> int:
    """How many a worker keeps: its two lanes full, and others that send, or pause between requests."""
    return 2 * settings.concurrency + IDLE


def allow_files(count: int) -> None:
    """Let this process and its children open so many files, if the system lets it: shells often allow 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        count = min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


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
            "timeout": HEARTBEAT,
            "graceful_timeout": math.ceil(settings.grace) + MARGIN,
            "control_socket_disable": True,
            "forwarded_allow_ips": "",  # else clients on this machine could say which path is meant
            "loglevel": "error",
            "logger_class": OneLog,
            "pre_fork": _hold_signals,
            "post_worker_init": self._ready,
            "child_exit": _forget,
        }
        if Path(SHARED_MEMORY).is_dir():
            options["worker_tmp_dir"] = SHARED_MEMORY
        for name, value in options.items():
            if name in self.cfg.settings:  # older releases have no control socket
                self.cfg.set(name, value)

    @property
    def settings(self) -> Settings:
        """What the next workers serve with."""
        return self._settings

    def load(self) -> Flask:
        """The application; gunicorn calls this in the worker."""
        return self._load(self._settings)

    def reload(self) -> bool:
        """Read the settings again; return whether they can be used. The master calls this on SIGHUP."""
        try:
            self._settings = self._reread()
        except SettingsError as error:
            log.error("The settings stay as they were: %s", error)
            return False
        super().reload()
        log.info("The settings have been read again; new workers take over from the old ones")
        return True

    def run(self) -> None:
        """Serve until a signal ends it."""
        Master(self).run()

    def _ready(self, worker: Worker) -> None:
        gc.freeze()  # what is loaded stays: no collection has to look at it again
        gc.set_threshold(*COLLECTED)
        if worker.age == 1:
            log.info("Listening at %s", self._url)


class OneLog(Logger):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's log as part of ours."""

    def setup(self, cfg: Any) -> None:
        """Leave the form of lines to the root logger."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class Worker(BaseWorker):  # type: ignore[misc] # gunicorn has no types
    """A worker with one event loop for its clients, the application and the engine.

    It refuses connections while it drains, and ends what outlives the grace period. A connection that was kept
    gets its next request served, if that comes within two seconds: refused, the client might try again on
    another one that leads here.
    """

    def init_process(self) -> None:
        """Load the application and serve; one line in the log says what keeps the worker from starting."""
        try:
            super().init_process()
        except Exception as error:  # the process boundary: plugins, files and libraries may raise anything
            if serves(self):
                raise
            traceback = log.isEnabledFor(logging.DEBUG)
            log.error("A worker cannot start: %s: %s", type(error).__name__, error, exc_info=traceback)
            raise SystemExit(0) from None  # the master sees that it never served

    def init_signals(self) -> None:
        """Leave the signals that end the worker to its loop; until that runs, they are held."""
        for number in self.SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGWINCH, self.handle_winch)
        signal.signal(signal.SIGABRT, self.handle_abort)

    def run(self) -> None:
        """Serve until a signal ends it."""
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        loop, state = asyncio.get_running_loop(), state_of(self.wsgi)
        loop.set_default_executor(ThreadPoolExecutor(THREADS, "in_thread"))
        self._ending, self._over = asyncio.Event(), asyncio.Event()
        self._greetings = set[asyncio.Task[Any]]()  # of clients just accepted
        for number in ENDINGS:
            loop.add_signal_handler(number, self._end, number)
        beating = loop.create_task(self._beat())
        front = Front(self.wsgi, connections(self.app.settings))
        for listener in self.sockets:
            listener.setblocking(False)
            self._listen(front, listener)
        _release_signals()
        try:
            await self._ending.wait()
            await self._refuse(front)
            draining = loop.create_task(front.drain(state.settings.grace))
            over = loop.create_task(self._over.wait())
            await asyncio.wait([draining, over], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await front.close()
            await state.close()
            beating.cancel()

    def _end(self, number: signal.Signals) -> None:
        """SIGTERM begins the grace period, the others end it."""
        self.alive = False
        self._ending.set()
        if number != signal.SIGTERM:
            self._over.set()

    def _listen(self, front: Front, listener: Any) -> None:
        if self.alive:
            asyncio.get_running_loop().add_reader(listener, self._accept, front, listener)

    def _accept(self, front: Front, listener: Any) -> bool:
        """Accept who waits, some at once: a busy loop that took one each time round would keep them waiting.

        Gives whether there may be more.
        """
        loop = asyncio.get_running_loop()
        for _ in range(AT_ONCE):
            try:
                client, _ = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):  # or another worker was faster
                return False
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    raise
                loop.remove_reader(listener)
                loop.call_later(PAUSE, self._listen, front, listener)
                return False
            greeting = loop.create_task(loop.connect_accepted_socket(front, client))
            self._greetings.add(greeting)
            greeting.add_done_callback(self._greetings.discard)
        return True

    async def _refuse(self, front: Front) -> None:
        """Stop to listen, once all who wait have been accepted: closing would reset their connections."""
        for listener in self.sockets:
            asyncio.get_running_loop().remove_reader(listener)
            while self._accept(front, listener):
                pass
            listener.close()
        while self._greetings:
            await asyncio.wait(self._greetings)

    async def _beat(self) -> None:
        """Show the parent signs of life, and notice when it is gone."""
        while True:
            self.notify()
            if os.getppid() != self.ppid:
                self._end(signal.SIGTERM)
            await asyncio.sleep(1)


def _hold_signals(_: object, __: object) -> None:
    """Keep signals for the worker about to be forked: until it has its own handlers, they would be lost on it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)


def _release_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)


def _forget(_: object, worker: Worker) -> None:
    """Drop the gauges of a worker that has ended; gunicorn calls this in the parent."""
    forget(worker.pid)
