"""Replies kept for the next call that is exactly the same."""

from __future__ import annotations

import asyncio
import logging
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from optillm.engine.call.cache import SWEEP, Cache, FileStore, RedisStore, ReplyStore, key_of, open_cache
from optillm.stores import STORE_TIMEOUT
from tests.fakes import run
from tests.shared_store import Redis, redis_server

BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": 0.5}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def kept(path: Path, test: Callable[[ReplyStore], Awaitable[None]], size: int = 10**6) -> Clock:
    clock = Clock()

    async def main() -> None:
        store = FileStore(path, 60.0, size, clock)
        try:
            await test(store)
        finally:
            await store.close()

    asyncio.run(main())
    return clock


def test_gives_back_what_was_kept_also_after_a_restart(tmp_path: Path) -> None:
    async def put(store: ReplyStore) -> None:
        assert await store.get(b"k") is None
        await store.put(b"k", b"old")
        await store.put(b"k", b"new")
        assert await store.get(b"k") == b"new"

    async def get(store: ReplyStore) -> None:
        assert await store.get(b"k") == b"new"

    kept(tmp_path / "deep" / "cache.sqlite3", put)
    kept(tmp_path / "deep" / "cache.sqlite3", get)


def test_two_processes_may_share_a_file(tmp_path: Path) -> None:
    async def test(one: ReplyStore) -> None:
        other = FileStore(tmp_path / "c", 60.0, 10**6, Clock())
        await asyncio.gather(*(store.put(bytes([i]), b"x") for i in range(50) for store in (one, other)))
        assert await other.get(bytes([49])) == b"x"
        await other.close()

    kept(tmp_path / "c", test)


def test_what_is_old_is_not_given(tmp_path: Path) -> None:
    async def test(store: Any) -> None:
        await store.put(b"k", b"v")
        store._clock.now += 61
        assert await store.get(b"k") is None

    kept(tmp_path / "c", test)


def test_a_file_that_grows_too_large_loses_its_oldest(tmp_path: Path) -> None:
    async def test(store: Any) -> None:
        await store.put(b"secret", b"s", lasting=True)
        for i in range(SWEEP):
            store._clock.now += 0.01
            await store.put(i.to_bytes(2, "big"), b"x" * 100)
        assert await store.get((0).to_bytes(2, "big")) is None
        assert await store.get((SWEEP - 1).to_bytes(2, "big")) == b"x" * 100
        assert await store.get(b"secret") == b"s"

    kept(tmp_path / "c", test, size=10_000)


def test_nobody_else_may_read_the_file(tmp_path: Path) -> None:
    async def test(store: ReplyStore) -> None:
        await store.put(b"k", b"v")

    kept(tmp_path / "c", test)
    assert stat.S_IMODE((tmp_path / "c").stat().st_mode) == 0o600


def test_the_first_of_two_lasting_values_counts(tmp_path: Path) -> None:
    async def test(store: ReplyStore) -> None:
        one, other = Cache(store), Cache(store)
        assert await one.secret() == await other.secret()

    kept(tmp_path / "c", test)


class Broken:
    """A store that cannot be reached."""

    async def get(self, key: bytes) -> bytes | None:
        raise OSError

    async def put(self, key: bytes, value: bytes, *, lasting: bool = False) -> None:
        raise OSError

    async def close(self) -> None:
        raise OSError


def test_a_broken_store_costs_no_answer_and_is_complained_of_once(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        cache = Cache(Broken())
        for _ in range(3):
            assert await cache.recall(b"k") is None
            await cache.remember(b"k", {})
        assert len(await cache.secret()) == 32
        await cache.close()

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    assert len(caplog.records) == 1


class Hanging(Broken):
    """A store that takes for ever."""

    asked = 0

    async def get(self, key: bytes) -> bytes | None:
        self.asked += 1
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        return await future


def test_a_store_that_hangs_is_given_up_then_left_alone() -> None:
    store = Hanging()

    async def main() -> float:
        cache = Cache(store)
        assert await asyncio.gather(*(cache.recall(b"k") for _ in range(64))) == [None] * 64
        for _ in range(64):
            assert await cache.recall(b"k") is None
        return asyncio.get_running_loop().time()

    assert run(main()) == STORE_TIMEOUT
    assert store.asked == 64


def test_a_file_that_is_none_costs_no_answer(tmp_path: Path) -> None:
    (tmp_path / "c").write_bytes(b"this is not a database" * 100)

    async def main() -> None:
        cache = open_cache(str(tmp_path / "c"), 60.0, 10**6)
        await cache.remember(b"k", {"a": 1})
        assert await cache.recall(b"k") is None

    asyncio.run(main())


@pytest.mark.parametrize(
    ("address", "credential", "body"),
    [
        ("http://b", None, BODY),
        ("http://a", "Bearer x", BODY),
        ("http://a", None, {**BODY, "temperature": 0.6}),
        ("http://a", None, {**BODY, "user": "u"}),
        ("http://a", None, {**BODY, "messages": []}),
    ],
)
def test_whatever_shapes_a_reply_is_in_the_key(address: str, credential: Any, body: Any) -> None:
    assert key_of(address, credential, body) != key_of("http://a", None, BODY)


def test_the_order_of_fields_is_not() -> None:
    assert key_of("a", None, dict(reversed(BODY.items()))) == key_of("a", None, BODY)


def test_a_real_redis_keeps_replies_and_its_end_costs_no_answer(tmp_path: Path) -> None:
    async def main(server: Redis) -> None:
        cache, other = open_cache(server.socket_url, 60.0, 0), Cache(RedisStore(server.url, 60.0))
        assert await cache.recall(b"k") is None
        await cache.remember(b"k", {"choices": [1]})
        assert await other.recall(b"k") == {"choices": [1]}
        assert await cache.secret() == await other.secret()
        server.stop()
        assert await cache.recall(b"k") is None
        await cache.remember(b"k", {})
        await cache.close()
        await other.close()

    with redis_server(tmp_path) as server:
        asyncio.run(main(server))
