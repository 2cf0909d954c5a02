"""Upstream replies kept for the next call that is exactly the same; off unless the operator asks for it.

A key covers everything that determines a reply: the upstream, the credential, every field of the body, and the number
of the call among equal calls of one request, since those are meant to differ. It also covers the client key, unless
clients share the cache. Replies are stored as JSON, in a file that several processes may share, or in Redis.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import sqlite3
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import orjson

from optillm.chat import ChatRequest

T = TypeVar("T")

SECRET: Final = b"fence"
SWEEP: Final = 256
"""Replies kept between two looks at the size of the file."""

PREFIX: Final = b"optillm:reply:"
PATIENCE: Final = 1.0
"""Seconds that a store may take; a cache that is slower is none."""
RESPITE: Final = 1.0
"""Seconds that a store which failed is left alone: calls that wait for it in vain one after the other add up."""

log = logging.getLogger(__name__)


class Store(Protocol):
    """Bytes by key; what is old may be gone. Raises `OSError` when it cannot be reached."""

    async def get(self, key: bytes) -> bytes | None:
        """What is kept under a key."""

    async def put(self, key: bytes, value: bytes, *, lasting: bool = False) -> None:
        """Keep something; `lasting` things are kept for good, the first one counts."""

    async def close(self) -> None:
        """Close the connection."""


class Cache:
    """The replies in a store; if the store fails, an upstream call is made instead.

    Each client key gets only its own replies, unless the cache is `shared`.
    """

    def __init__(self, store: Store, *, shared: bool = False) -> None:
        self._store = store
        self._shared = shared
        self._complained = self._down_until = float("-inf")

    def owner(self, request: ChatRequest) -> str | None:
        """Return whose replies a request may get, `None` for those that all clients share.

        That is its own upstream credential's or, without one, its client key's.
        """
        return request.authorization or (None if self._shared else request.grant.key_digest)

    async def recall(self, key: bytes) -> Any | None:
        """The reply kept under a key."""
        return await self._trying(self._recalled(key))

    async def remember(self, key: bytes, reply: Any) -> None:
        """Keep a reply."""
        await self._trying(self._store.put(key, orjson.dumps(reply)))

    async def secret(self) -> bytes:
        """A secret that all who share the store share: equal requests must be put in equal words."""
        await self._trying(self._store.put(SECRET, secrets.token_bytes(32), lasting=True))
        return await self._trying(self._store.get(SECRET)) or secrets.token_bytes(32)

    async def close(self) -> None:
        """Close the store."""
        self._down_until = float("-inf")
        await self._trying(self._store.close())

    async def _recalled(self, key: bytes) -> Any | None:
        kept = await self._store.get(key)
        return None if kept is None else orjson.loads(kept)

    async def _trying(self, work: Coroutine[Any, Any, T]) -> T | None:
        now = time.monotonic()
        if now < self._down_until:
            work.close()
            return None
        try:
            async with asyncio.timeout(PATIENCE):  # the wait for others who ask included
                return await work
        except (OSError, sqlite3.Error) as error:
            now = time.monotonic()
            self._down_until = now + RESPITE
            if now > self._complained + 60:
                self._complained = now
                log.warning("The cache of replies cannot be used: %s", type(error).__name__)
        except ValueError:  # somebody else's bytes in our place
            return None
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
        self._path = path
        self._seconds = seconds
        self._size = size
        self._clock = clock
        self._connection: sqlite3.Connection | None = None
        self._written = 0
        self._turn = asyncio.Lock()

    async def get(self, key: bytes) -> bytes | None:
        """What is kept under a key."""
        return await self._run(lambda db: self._get(db, key))

    async def put(self, key: bytes, value: bytes, *, lasting: bool = False) -> None:
        """Keep something."""
        await self._run(lambda db: self._put(db, key, value, lasting))

    async def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            await self._run(lambda db: db.close())
            self._connection = None

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        async with self._turn:
            return await asyncio.to_thread(lambda: work(self._connection or self._opened()))

    def _opened(self) -> sqlite3.Connection:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path.touch(mode=0o600)  # prompts and answers are nobody else's business
        db = sqlite3.connect(self._path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = OFF")  # losing a cache costs nothing but calls
        db.execute(
            "CREATE TABLE IF NOT EXISTS replies (key BLOB PRIMARY KEY, value BLOB, until REAL) WITHOUT ROWID"
        )
        db.execute("CREATE INDEX IF NOT EXISTS ages ON replies (until)")
        self._connection = db
        return db

    def _get(self, db: sqlite3.Connection, key: bytes) -> bytes | None:
        row = db.execute(
            "SELECT value FROM replies WHERE key = ? AND until > ?", (key, self._clock())
        ).fetchone()
        return row[0] if row else None

    def _put(self, db: sqlite3.Connection, key: bytes, value: bytes, lasting: bool) -> None:
        until = float("inf") if lasting else self._clock() + self._seconds
        verb = "IGNORE" if lasting else "REPLACE"
        db.execute(f"INSERT OR {verb} INTO replies VALUES (?, ?, ?)", (key, value, until))  # noqa: S608 - two words
        self._written += 1
        if self._written % SWEEP == 1:
            self._sweep(db)

    def _sweep(self, db: sqlite3.Connection) -> None:
        """Drop what has had its time, then the oldest quarter for as long as all of it is too large."""
        db.execute("DELETE FROM replies WHERE until <= ?", (self._clock(),))
        while db.execute("SELECT total(length(value)) FROM replies").fetchone()[0] > self._size:
            count = db.execute("SELECT count(*) FROM replies WHERE until < 9e999").fetchone()[0]
            if not count:
                return
            oldest = "SELECT key FROM replies WHERE until < 9e999 ORDER BY until LIMIT ?"
            db.execute(f"DELETE FROM replies WHERE key IN ({oldest})", (-(-count // 4),))  # noqa: S608 - our own text


class RedisStore:
    """A store in Redis, shared by several machines; how much it keeps is Redis's own setting."""

    def __init__(self, url: str, seconds: float) -> None:
        from redis.asyncio import Redis  # an extra

        url = url.removeprefix("redis+")  # of a socket, as the store of counters has it
        self._redis = Redis.from_url(url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE)
        self._milliseconds = round(seconds * 1000)

    async def get(self, key: bytes) -> bytes | None:
        """What is kept under a key."""
        with self._named_errors():
            kept = await self._redis.get(PREFIX + key)
        return kept if isinstance(kept, bytes) else None

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
            raise OSError(f"Redis: {type(error).__name__}") from error


def open_cache(location: str, seconds: float, size: int, *, shared: bool = False) -> Cache:
    """Return the cache at a Redis URL or in a file."""
    store: Store = (
        RedisStore(location, seconds) if "://" in location else FileStore(Path(location), seconds, size)
    )
    return Cache(store, shared=shared)
