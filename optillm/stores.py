"""Stores that outlive one process: an SQLite file on one machine, Redis for several.

Here are the connection, its patience and its failures; the tables and keys belong to whoever keeps something. A store
that fails is left alone for a second, so that not every request waits for it in vain.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

STORE_TIMEOUT: Final = 1.0
"""Seconds that a store has to answer."""
REST: Final = 1.0
"""Seconds that a store which failed is left alone."""
REDIS_MISSING: Final = "needs the redis package: pip install '.[redis]' in a checkout"

StoreErrors = type[Exception] | tuple[type[Exception], ...]


class StoreDown(Exception):
    """A store does not answer, or failed a moment ago."""


class Availability:
    """Whether a store can be used, as its latest use has shown."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._down_until = float("-inf")
        self._reason = ""

    @contextmanager
    def attempt(self, failures: StoreErrors) -> Iterator[None]:
        """Raise `StoreDown` for `failures` in the block, and for a second after one at once."""
        if self._clock() < self._down_until:
            raise StoreDown(f"it failed a moment ago: {self._reason}")
        try:
            yield
        except failures as error:
            self._down_until = self._clock() + REST
            cause = error.__cause__ or error
            self._reason = ": ".join(filter(None, (type(cause).__name__, str(cause))))
            raise StoreDown(self._reason) from error


@dataclass
class _Connection:
    """One process's connection to a database, opened when first needed, and its lock.

    Threads take turns by it.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    connection: sqlite3.Connection | None = None


class Database:
    """An SQLite database in a file that a machine's processes share.

    If `path` is `None`, it is in memory. It is opened when first needed, with `schema`, a script that can be run again.
    Only its owner can read the file. `synchronous` is SQLite's setting: with `OFF`, what was written last is lost if
    the machine (not the process) stops. Every use raises `sqlite3.Error` or `OSError` if it fails; waiting longer than
    `STORE_TIMEOUT` for another process is such a failure.
    """

    def __init__(
        self, path: Path | None, schema: str, synchronous: Literal["OFF", "NORMAL"] = "NORMAL"
    ) -> None:
        self._path = path
        self._schema = schema
        self._synchronous = synchronous
        # SQLite forbids carrying a connection across a fork: a child finds none under its own number, and opens one.
        self._connections: dict[int, _Connection] = {}
        self.close = weakref.finalize(self, _close, self._connections)

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """Hold the connection while the block runs.

        This process's threads take turns, and each statement commits.
        """
        own = self._connections.setdefault(os.getpid(), _Connection())
        with own.lock:
            if not self.close.alive:
                raise sqlite3.ProgrammingError("the database is closed")
            if own.connection is None:
                own.connection = self._opened()
            yield own.connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Do the same in one transaction, which is rolled back if the block raises."""
        with self.connection() as connection:
            connection.execute(
                "BEGIN IMMEDIATE"
            )  # a transaction that reads first could not wait for others later
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                connection.execute("ROLLBACK")
                raise

    def _opened(self) -> sqlite3.Connection:
        if self._path is not None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))  # SQLite would let the umask decide
        connection = sqlite3.connect(
            self._path or ":memory:", timeout=STORE_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            connection.executescript(self._schema)
        except BaseException:
            connection.close()
            raise
        return connection


def _close(connections: dict[int, _Connection]) -> None:
    own = connections.get(os.getpid())
    if own is not None and own.connection is not None:
        own.connection.close()


def redis_options(retry: Callable[..., Any]) -> dict[str, Any]:
    """Return how any client of Redis connects.

    `retry` is the class `Retry` of the client's kind. Raises `ImportError` without the redis package.
    """
    from redis.backoff import NoBackoff

    return {
        "socket_timeout": STORE_TIMEOUT,
        "socket_connect_timeout": STORE_TIMEOUT,
        "retry": retry(NoBackoff(), 1),  # for a connection that the server has closed in the meantime
    }
