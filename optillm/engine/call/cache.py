"""Keep upstream replies for the next call that is exactly the same.

This is off unless the operator asks for it. A key covers everything that determines a reply: the upstream, the
credential, every field of the body, and the number of the call among equal calls of one request, since those are meant
to differ. It also covers the client key, unless clients share the cache. Replies are stored as JSON, in a file that
several processes may share, or in Redis.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import orjson

from optillm.chat import ChatRequest
from optillm.logs import RareWarnings
from optillm.stores import STORE_TIMEOUT, Availability, Database, StoreDown, redis_options

T = TypeVar("T")

SECRET: Final = b"fence"
SWEEP: Final = 256
"""Replies kept between two looks at the size of the file."""
PREFIX: Final = b"optillm:reply:"

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS replies (key BLOB PRIMARY KEY, value BLOB, until REAL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS ages ON replies (until);
"""
_PUT: Final = {
    False: "INSERT OR REPLACE INTO replies VALUES (?, ?, ?)",
    True: "INSERT OR IGNORE INTO replies VALUES (?, ?, ?)",
}
_DROP_OLDEST: Final = """
DELETE FROM replies WHERE key IN (SELECT key FROM replies WHERE until < 9e999 ORDER BY until LIMIT ?)
"""

log = logging.getLogger(__name__)


class ReplyStore(Protocol):
    """Bytes by key; what is old may be gone.

    Raises `OSError` or `sqlite3.Error` when it cannot be reached.
    """

    async def get(self, key: bytes) -> bytes | None:
        """Return what is kept under a key."""

    async def put(self, key: bytes, value: bytes, *, lasting: bool = False) -> None:
        """Keep something; `lasting` things are kept for good, the first one counts."""

    async def close(self) -> None:
        """Close the connection."""


class Cache:
    """The replies in a store; if the store fails, an upstream call is made instead.

    Each client key gets only its own replies, unless the cache is `shared`.
    """

    def __init__(self, store: ReplyStore, *, shared: bool = False) -> None:
        self._store = store
        self._shared = shared
        self._availability = Availability()
        self._warnings = RareWarnings(log)

    def owner(self, request: ChatRequest) -> str | None:
        """Return whose replies a request may get, `None` for those that all clients share.

        That is its own upstream credential's or, without one, its client key's.
        """
        return request.authorization or (None if self._shared else request.grant.key_digest)

    async def recall(self, key: bytes) -> Any | None:
        """Return the reply kept under a key."""
        stored = await self._trying(lambda: self._store.get(key))
        try:
            return None if stored is None else orjson.loads(stored)
        except orjson.JSONDecodeError:  # somebody else's bytes in our place
            return None

    async def remember(self, key: bytes, reply: Any) -> None:
        """Keep a reply."""
        content = orjson.dumps(reply)
        await self._trying(lambda: self._store.put(key, content))

    async def secret(self) -> bytes:
        """Return a secret that all who share the store share.

        Equal requests must be put in equal words.
        """
        fresh = secrets.token_bytes(32)
        await self._trying(lambda: self._store.put(SECRET, fresh, lasting=True))
        return await self._trying(lambda: self._store.get(SECRET)) or fresh

    async def close(self) -> None:
        """Close the store, even one that failed a moment ago."""
        self._availability = Availability()
        await self._trying(self._store.close)

    async def _trying(self, use: Callable[[], Awaitable[T]]) -> T | None:
        """Return what a use of the store gives; `None` if it fails or takes too long."""
        try:
            with self._availability.attempt((OSError, sqlite3.Error)):
                async with asyncio.timeout(STORE_TIMEOUT):  # the wait for others who use it included
                    return await use()
        except StoreDown as error:
            self._warnings.warn("The cache of replies cannot be used: %s", error)
            return None


def key_of(address: str, owner: str | None, body: Mapping[str, Any]) -> bytes:
    """Return a key that is equal only for calls that may get each other's replies."""
    parts = [address, owner or "", body]
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).digest()


class FileStore:
    """A store in an SQLite file, shared by the processes of one machine.

    What is older than `seconds` is not given, and the oldest goes when all of it exceeds `size` bytes.
    """

    def __init__(self, path: Path, seconds: float, size: int, clock: Callable[[], float] = time.time) -> None:
        self._database = Database(path, _SCHEMA, synchronous="OFF")  # losing a cache costs nothing but calls
        self._seconds = seconds
        self._size = size
        self._clock = clock
        self._written = 0
        self._turn = asyncio.Lock()

    async def get(self, key: bytes) -> bytes | None:
        """Return what is kept under a key."""
        return await self._run(lambda: self._get(key))

    async def put(self, key: bytes, value: bytes, *, lasting: bool = False) -> None:
        """Keep something."""
        await self._run(lambda: self._put(key, value, lasting))

    async def close(self) -> None:
        """Close the file."""
        await self._run(self._database.close)

    async def _run(self, work: Callable[[], T]) -> T:
        async with self._turn:  # here, so that only one thread waits for the file
            return await asyncio.to_thread(work)

    def _get(self, key: bytes) -> bytes | None:
        query = "SELECT value FROM replies WHERE key = ? AND until > ?"
        with self._database.connection() as database:
            row = database.execute(query, (key, self._clock())).fetchone()
        return row[0] if row else None

    def _put(self, key: bytes, value: bytes, lasting: bool) -> None:
        until = float("inf") if lasting else self._clock() + self._seconds
        with self._database.connection() as database:
            database.execute(_PUT[lasting], (key, value, until))
            self._written += 1
            if self._written % SWEEP == 1:
                self._sweep(database)

    def _sweep(self, database: sqlite3.Connection) -> None:
        """Drop what has had its time, then the oldest quarter for as long as all of it is too large."""
        database.execute("DELETE FROM replies WHERE until <= ?", (self._clock(),))
        while database.execute("SELECT total(length(value)) FROM replies").fetchone()[0] > self._size:
            count = database.execute("SELECT count(*) FROM replies WHERE until < 9e999").fetchone()[0]
            if not count:
                return
            database.execute(_DROP_OLDEST, (-(-count // 4),))


class RedisStore:
    """A store in Redis, shared by several machines; how much it keeps is Redis's own setting."""

    def __init__(self, url: str, seconds: float) -> None:
        from redis.asyncio import Redis  # an extra
        from redis.asyncio.retry import Retry

        url = url.removeprefix("redis+")  # of a socket, as the store of counters has it
        self._redis = Redis.from_url(url, **redis_options(Retry))
        self._milliseconds = round(seconds * 1000)

    async def get(self, key: bytes) -> bytes | None:
        """Return what is kept under a key."""
        with self._named_errors():
            value = await self._redis.get(PREFIX + key)
        return value if isinstance(value, bytes) else None

    async def put(self, key: bytes, value: bytes, *, lasting: bool = False) -> None:
        """Keep something."""
        with self._named_errors():
            await self._redis.set(PREFIX + key, value, px=None if lasting else self._milliseconds, nx=lasting)

    async def close(self) -> None:
        """Close the connections."""
        with self._named_errors():
            await self._redis.aclose()

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        from redis.exceptions import RedisError

        try:
            yield
        except RedisError as error:
            raise OSError from error


def open_cache(location: str, seconds: float, size: int, *, shared: bool = False) -> Cache:
    """Return the cache at a Redis URL or in a file."""
    store: ReplyStore = (
        RedisStore(location, seconds) if "://" in location else FileStore(Path(location), seconds, size)
    )
    return Cache(store, shared=shared)
