"""Where the use of keys is counted: a file that worker processes share, or Redis.

Both are storages of the `limits` package, which has one for Redis and none for a file.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from limits import RateLimitItemPerMinute
from limits.errors import ConfigurationError, StorageError
from limits.storage import MovingWindowSupport, Storage, storage_from_string
from limits.strategies import MovingWindowRateLimiter

from optillm.stores import REDIS_MISSING, Availability, Database, redis_options

COUNTER_SECONDS: Final = 2 * 86_400
"""Seconds until a counter is forgotten: longer than any day it may be for."""
NAME_SECONDS: Final = 30 * 86_400
"""Seconds for which `keep` keeps a name."""
MOST_NAMES: Final = 100_000
"""The most such names in a file; beyond that the oldest are dropped."""
NAMESPACE: Final = "optillm"

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL, expires REAL NOT NULL);
CREATE TABLE IF NOT EXISTS hits (name TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS hits_by_name ON hits (name, at);
CREATE INDEX IF NOT EXISTS counters_by_expiry ON counters (expires);
"""
_MAKE_ROOM: Final = """
DELETE FROM counters WHERE name IN (
  SELECT name FROM counters WHERE expires > :now + :kept ORDER BY expires
  LIMIT max(0, (SELECT count(*) FROM counters WHERE expires > :now + :kept) - :most)
)
"""
_ADD: Final = """
INSERT INTO counters VALUES (:name, :amount, :now + :expiry)
ON CONFLICT (name) DO UPDATE SET
  value = iif(expires > :now, value, 0) + :amount,
  expires = iif(expires > :now, expires, excluded.expires)
RETURNING value
"""


class Store:
    """Counters and windows in a storage; every failure of that is a `StoreDown`.

    `opening` returns the storage, or raises `ValueError`; it is called when first needed, and again after a failure,
    since a file may have been replaced by a sound one.
    """

    def __init__(self, opening: Callable[[], Storage], clock: Callable[[], float] = time.monotonic) -> None:
        self._opening = opening
        self._storage: Storage | None = None
        self._availability = Availability(clock)

    def add(self, name: str, amount: int) -> int:
        """Add to a counter and return its value."""
        with self._opened() as storage:
            return storage.incr(f"{NAMESPACE}/{name}", COUNTER_SECONDS, amount)

    def hit(self, name: str, per_minute: int) -> tuple[bool, int, float]:
        """Try for a place among so many per minute.

        Return whether there was one, how many are left, and the Unix time of the next to be free.
        """
        item = RateLimitItemPerMinute(per_minute, namespace=NAMESPACE)
        with self._opened() as storage:
            windows = MovingWindowRateLimiter(storage)
            got = windows.hit(item, name)
            window = windows.get_window_stats(item, name)
            return got, max(0, window.remaining), window.reset_time

    def value(self, name: str) -> int:
        """Return the value of a counter, or 1 or more for a name that is kept; 0 if there is none."""
        with self._opened() as storage:
            return storage.get(f"{NAMESPACE}/{name}")

    def keep(self, name: str) -> None:
        """Keep a name for 30 days, as long as OpenAI stores the response that it stands for."""
        with self._opened() as storage:
            storage.incr(f"{NAMESPACE}/{name}", NAME_SECONDS, 1)

    @contextmanager
    def _opened(self) -> Iterator[Storage]:
        with self._availability.attempt((StorageError, ValueError)):
            try:
                storage = self._storage = self._storage or self._opening()
                yield storage
            except Exception:
                self._storage = None
                raise


class FileStorage(Storage, MovingWindowSupport):
    """Counters in an SQLite file, for all processes of one machine; `path` `None`: in memory."""

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.time) -> None:
        super().__init__(wrap_exceptions=True)
        self._clock = clock
        self._database = Database(path, _SCHEMA)
        self.close = self._database.close
        with self._database.connection() as database:  # windows of limits that are no more
            database.execute("DELETE FROM hits WHERE at < ?", (clock() - COUNTER_SECONDS,))

    @property
    def base_exceptions(self) -> tuple[type[Exception], ...]:
        """What the database raises."""
        return sqlite3.Error, OSError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add to a counter and return its value."""
        values = {"name": key, "amount": amount, "now": self._clock(), "expiry": expiry}
        with self._database.connection() as database:
            ((value,),) = database.execute(_ADD, values).fetchall()
            if value == amount:  # most likely the first of a day
                database.execute("DELETE FROM counters WHERE expires <= :now", values)
                if expiry > COUNTER_SECONDS:
                    database.execute(_MAKE_ROOM, values | {"kept": COUNTER_SECONDS, "most": MOST_NAMES})
        return int(value)

    def get(self, key: str) -> int:
        """Return the value of a counter."""
        query = "SELECT value FROM counters WHERE name = ? AND expires > ?"
        return int(self._one(query, key, self._clock()) or 0)

    def get_expiry(self, key: str) -> float:
        """Return the Unix time at which a counter is forgotten."""
        return float(self._one("SELECT expires FROM counters WHERE name = ?", key) or self._clock())

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Return whether there was room for `amount` more in the last `expiry` seconds.

        If so, note them.
        """
        now = self._clock()
        with self._database.transaction() as database:
            database.execute("DELETE FROM hits WHERE name = ? AND at < ?", (key, now - expiry))
            ((count,),) = database.execute("SELECT count(*) FROM hits WHERE name = ?", (key,))
            if count + amount > limit:
                return False
            database.executemany("INSERT INTO hits VALUES (?, ?)", [(key, now)] * amount)
            return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:  # noqa: ARG002
        """Return the Unix time of the oldest entry, and how many there are.

        Only those of the last `expiry` seconds count.
        """
        now = self._clock()
        query = "SELECT min(at), count(*) FROM hits WHERE name = ? AND at >= ?"
        with self._database.connection() as database:
            ((oldest, count),) = database.execute(query, (key, now - expiry)).fetchall()
        return (now if oldest is None else float(oldest)), int(count)

    def check(self) -> bool:
        """Return whether the file can be read."""
        return bool(self._one("SELECT 1"))

    def reset(self) -> int:
        """Forget everything; return how many rows that were."""
        with self._database.connection() as database:
            queries = ("DELETE FROM counters", "DELETE FROM hits")
            return sum(database.execute(query).rowcount for query in queries)

    def clear(self, key: str) -> None:
        """Forget one counter."""
        with self._database.connection() as database:
            database.execute("DELETE FROM counters WHERE name = ?", (key,))
            database.execute("DELETE FROM hits WHERE name = ?", (key,))

    def _one(self, query: str, *values: Any) -> Any:
        with self._database.connection() as database:
            row = database.execute(query, values).fetchone()
        return row and row[0]


def open_storage(location: str) -> Storage:
    """Return the storage at a path or a URL; a file is opened here, a server is not asked yet.

    Raises `ValueError`, one line, when the file cannot be used, or the package for a server is not installed.
    """
    if "://" in location:
        return _on_redis(location)
    try:
        return FileStorage(Path(location))
    except (OSError, sqlite3.Error) as error:
        raise ValueError(f"{location}: {getattr(error, 'strerror', None) or error}") from None


def _on_redis(url: str) -> Storage:
    try:
        from redis.retry import Retry

        storage = storage_from_string(url, wrap_exceptions=True, **redis_options(Retry))
    except (ImportError, ConfigurationError):
        raise ValueError(f"a store on Redis {REDIS_MISSING}") from None
    assert isinstance(storage, Storage)  # noqa: S101 - not one of the package's asynchronous ones
    return storage
