"""gunicorn's master, with rules of its own for which workers there are.

Workers that serve stay until newer ones do. One that ends before it has served is started again, after a longer
pause each time; it ends the server only if no worker has ever served.
"""

from __future__ import annotations

import logging
import signal
import time
from typing import Any, Final

from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer
from gunicorn.workers.base import Worker

FIRST_PAUSE: Final = 0.5  # seconds until a worker that could not start is tried again, doubled each time
LONGEST_PAUSE: Final = 30.0
TICK: Final = 0.05  # seconds between two looks at workers that are starting
FAILED: Final = 3  # exit status of a server whose first workers could not start

log = logging.getLogger(__name__)


class Master(Arbiter):  # type: ignore[misc] # gunicorn has no types
    """Supervises the workers."""

    # No worker's exit status ends the server: gunicorn would halt at 3 and 4, whoever else serves.
    WORKER_BOOT_ERROR = APP_LOAD_ERROR = -1

    def __init__(self, app: Any) -> None:
        self._outdated = 0  # workers up to this age have settings that are no longer valid
        self._ending = set[int]()  # process ids of workers that have been told to end
        self._has_served = False
        self._failures = 0
        self._last_failed = 0  # age of a worker
        self._next_start = 0.0
        super().__init__(app)

    def reload(self) -> None:
        """Replace all workers by ones with the settings as they are now.

        A mistake in those changes nothing.
        """
        if not self.app.reload():
            return
        self.setup(self.app)
        self._outdated = self.worker_age
        self._failures, self._next_start = 0, 0.0
        self.manage_workers()

    def manage_workers(self) -> None:
        """Start the workers that are missing, and end the oldest as soon as enough newer ones serve."""
        self._ending &= self.WORKERS.keys()
        staying = [worker for pid, worker in self.WORKERS.items() if pid not in self._ending]
        serving = sorted(filter(serves, staying), key=lambda worker: worker.age, reverse=True)
        self._has_served = self._has_served or bool(serving)
        if serving and serving[0].age > self._last_failed:
            self._failures = 0
        current = [worker for worker in staying if worker.age > self._outdated]
        missing = self.num_workers - len(current)
        if self._failures:  # one at a time until one succeeds
            missing = min(missing, int(all(map(serves, current))))
        self._start(missing)
        for worker in serving[self.num_workers :]:
            self._ending.add(worker.pid)
            self.kill_worker(worker.pid, signal.SIGTERM)

    def reap_workers(self) -> None:
        """Take note of the workers that have ended; those that never served have failed to start."""
        starting = {pid: worker for pid, worker in self.WORKERS.items() if not serves(worker)}
        self._has_served = self._has_served or len(starting) < len(self.WORKERS)
        super().reap_workers()
        failed = [worker.age for pid, worker in starting.items() if pid not in self.WORKERS]
        if failed and self.LISTENERS:  # there are none once the server is being stopped
            self._last_failed = max(failed)
            self._postpone()

    def wait_for_signals(self, timeout: float = 1.0) -> list[int]:
        """Return the signals that have come, sooner while workers are starting."""
        starting = not all(map(serves, self.WORKERS.values()))
        signals: list[int] = super().wait_for_signals(TICK if starting else timeout)
        return signals

    def _start(self, count: int) -> None:
        if time.monotonic() < self._next_start:
            return
        for _ in range(count):
            try:
                self.spawn_worker()
            except OSError as error:  # no process, or no file for its heartbeats, can be had
                log.error("A worker cannot start: %s", error)
                self._last_failed = self.worker_age
                self._postpone()
                return

    def _postpone(self) -> None:
        """Try again later; raises `HaltServer` when no worker has ever served."""
        if not self._has_served:
            raise HaltServer("no worker could start", FAILED)
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**self._failures)
        self._failures += 1
        self._next_start = time.monotonic() + pause
        log.warning("The next attempt to start a worker is in %g s", pause)


def serves(worker: Worker) -> bool:
    """Return whether a worker has shown a first sign of life, which it does once it serves."""
    # A heartbeat counts from the start of the machine; before the first one there is a date.
    return bool(worker.tmp.last_update() <= time.monotonic())
