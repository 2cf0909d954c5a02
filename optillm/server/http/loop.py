"""`--server loop`: workers whose event loop serves clients and runs views and engine."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import uvloop
from gunicorn.workers.base import Worker as BaseWorker

from optillm.server.http.front import Front
from optillm.server.http.master import Master, serves
from optillm.server.http.supervisor import (
    ENDINGS,
    THREADS,
    Server,
    connections,
    release_signals,
    settle_memory,
)
from optillm.server.state import state_of

AT_ONCE: Final = 16  # connections accepted in one go
FULL_PAUSE: Final = 0.5  # seconds without accepting any, when there are no file descriptors left

log = logging.getLogger(__name__)


class LoopServer(Server):
    """gunicorn with workers and a master of ours."""

    @property
    def options(self) -> dict[str, Any]:
        """gunicorn's settings that are peculiar to this server."""
        return {"worker_class": Worker, "post_worker_init": self._ready}

    def reload(self) -> bool:
        """Read the settings again; return whether they can be used. The master calls this on SIGHUP."""
        usable = self.reread()
        if usable:
            super().reload()
        return usable

    def run(self) -> None:
        """Serve until a signal ends it."""
        Master(self).run()

    def _ready(self, worker: Worker) -> None:
        settle_memory()
        if worker.age == 1:
            self.announce()


class Worker(BaseWorker):  # type: ignore[misc] # gunicorn has no types
    """A worker with one event loop for its clients, the application and the engine.

    While it drains it refuses connections, and it ends what outlives the grace period. A connection that is being kept
    has its next request served if that comes within two seconds: if it were refused, the client might try again on
    another connection that leads here.
    """

    def init_process(self) -> None:
        """Load the application and serve; if the worker cannot start, one line in the log says why."""
        try:
            super().init_process()
        except Exception as error:  # the process boundary: plugins, files and libraries may raise anything
            if serves(self):
                raise
            traceback = log.isEnabledFor(logging.DEBUG)
            log.error("A worker cannot start: %s: %s", type(error).__name__, error, exc_info=traceback)
            raise SystemExit(0) from None  # the master sees that it never served

    def init_signals(self) -> None:
        """Leave the signals that end the worker to its loop; they are held back until that runs."""
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
        self._connecting = set[asyncio.Task[Any]]()  # tasks that give accepted clients a protocol
        for number in ENDINGS:
            loop.add_signal_handler(number, self._end, number)
        beating = loop.create_task(self._beat())
        front = Front(self.wsgi, connections(self.app.settings))
        for listener in self.sockets:
            listener.setblocking(False)
            self._listen(front, listener)
        release_signals()
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
        """Accept some of the waiting clients, and return whether there may be more.

        A busy loop that accepted one client each time round would keep the others waiting.
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
                loop.call_later(FULL_PAUSE, self._listen, front, listener)
                return False
            connecting = loop.create_task(loop.connect_accepted_socket(front, client))
            self._connecting.add(connecting)
            connecting.add_done_callback(self._connecting.discard)
        return True

    async def _refuse(self, front: Front) -> None:
        """Stop listening once all waiting clients are accepted.

        Closing would reset their connections.
        """
        for listener in self.sockets:
            asyncio.get_running_loop().remove_reader(listener)
            while self._accept(front, listener):
                pass
            listener.close()
        while self._connecting:
            await asyncio.wait(self._connecting)

    async def _beat(self) -> None:
        """Send heartbeats to the master, and end when it is gone."""
        while True:
            self.notify()
            if os.getppid() != self.ppid:
                self._end(signal.SIGTERM)
            await asyncio.sleep(1)
