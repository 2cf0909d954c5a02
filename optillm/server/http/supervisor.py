"""gunicorn as the supervisor of our workers: what both kinds of server share.

Our settings tell it everything. Only gunicorn's documented interface is used here: custom applications, settings and
server hooks.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import math
import signal
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from flask import Flask
from gunicorn.app.base import BaseApplication

from optillm.config.sources import SettingsError
from optillm.errors import ShuttingDown
from optillm.observe.folder import forget
from optillm.server.http.listener import BACKLOG, url_of

if TYPE_CHECKING:
    from optillm.config.settings import Settings
    from optillm.server.bridge import ViewTask
    from optillm.server.state import State

HEARTBEAT: Final = 120  # seconds without one until a worker is replaced
THREADS: Final = 32  # for what blocks: stores of counters, a cache in a file, large bodies, metrics
PARTING: Final = 1.0  # seconds for running techniques to return their best answers
CLEANUP: Final = 5.0  # seconds for interrupted requests to end
LINGER: Final = 2.0  # seconds a client has to read the end of its last reply, or to send a last request
MARGIN: Final = math.ceil(PARTING + CLEANUP + LINGER) + 1  # seconds to close, after the grace of requests
IDLE = 1000  # connections that a worker keeps beside those with running requests
TICK: Final = 0.025  # seconds between two looks at whether everything has ended
COLLECTED: Final = (5_000, 5, 5)  # objects until a collection: Python's 700 are those of one request
ENDINGS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
MAX_LINE: Final = 8190  # bytes a request line may have
MAX_FIELD: Final = 8192  # bytes a header may have; must differ from the other, which aiohttp's error quotes
SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - heartbeat files, on no disk that may stall

log = logging.getLogger(__name__)


class Server(BaseApplication, ABC):  # type: ignore[misc] # gunicorn has no types
    """A gunicorn application whose workers serve on `listener`.

    `load` makes the Flask application in each.
    """

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

    @property
    def settings(self) -> Settings:
        """The settings with which the next workers serve."""
        return self._settings

    @property
    @abstractmethod
    def options(self) -> dict[str, Any]:
        """gunicorn's settings that are peculiar to this kind of server."""

    def load_config(self) -> None:
        """Set what differs from gunicorn's defaults.

        Its files and environment variables are not read.
        """
        options: dict[str, Any] = {
            "bind": f"fd://{self._listener}",
            "backlog": BACKLOG,
            "workers": self._settings.workers,
            "timeout": HEARTBEAT,
            "graceful_timeout": math.ceil(self._settings.grace) + MARGIN,
            "control_socket_disable": True,
            "forwarded_allow_ips": "",  # or clients on this machine could say which path is meant
            "loglevel": "error",
            "errorlog": None,
            "on_starting": _share_the_log,
            "pre_fork": _hold_signals,
            "child_exit": _forget,
        }
        if Path(SHARED_MEMORY).is_dir():
            options["worker_tmp_dir"] = SHARED_MEMORY
        for name, value in (options | self.options).items():
            if name in self.cfg.settings:  # older releases have no control socket
                self.cfg.set(name, value)

    def load(self) -> Any:
        """Return the WSGI application; gunicorn calls this in the worker."""
        return self._load(self._settings)

    def reread(self) -> bool:
        """Read the settings again; return whether they can be used. If not, they stay as they were."""
        try:
            self._settings = self._reread()
        except SettingsError as error:
            log.error("The settings stay as they were: %s", error)
            return False
        log.info("The settings have been read again; new workers take over from the old ones")
        return True

    def announce(self) -> None:
        """Log the line by which others see that the server can be reached."""
        log.info("Listening at %s", self._url)


def connections(settings: Settings) -> int:
    """Return how many connections a worker keeps.

    That is all that may have requests, and others that send or pause.
    """
    return 2 * settings.concurrency + IDLE


def settle_memory() -> None:
    """Exempt what is loaded from garbage collection, and collect seldom."""
    gc.freeze()
    gc.set_threshold(*COLLECTED)


async def end_requests(state: State, tasks: Collection[ViewTask]) -> None:
    """End running requests.

    Techniques return their best answers so far, and everything else gets a 503.
    """
    state.draining = True
    if tasks and state.engine.wind_down():
        await until(lambda: not tasks, PARTING)
    for task in list(tasks):
        task.interrupt(ShuttingDown("The server is shutting down"))
    await until(lambda: not tasks, CLEANUP)


async def until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait until a condition holds, at most so many seconds."""
    loop = asyncio.get_running_loop()
    limit = loop.time() + seconds
    while not condition() and loop.time() < limit:  # noqa: ASYNC110 - at the end only, for several kinds of things
        await asyncio.sleep(TICK)


def release_signals() -> None:
    """Let the signals through that `pre_fork` has held back."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDINGS)


def _hold_signals(_: object, __: object) -> None:
    """Keep signals for the worker about to be forked.

    Until it has its own handlers, they would be lost on it.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDINGS)


def _share_the_log(_: object) -> None:
    """Have the root logger write gunicorn's lines, in our form."""
    logging.getLogger("gunicorn.error").propagate = True


def _forget(_: object, worker: Any) -> None:
    """Drop the gauges of a worker that has ended; gunicorn calls this in the parent."""
    forget(worker.pid)
