"""Counters in a file and in Redis: both are asked the same."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from optillm.server.access.store import COUNTER_SECONDS, NAMESPACE, FileStorage, Store, open_storage
from optillm.stores import REST, StoreDown
from tests.e2e.proxy import ROOT
from tests.server.access.test_auth import Clock
from tests.shared_store import redis_server


@pytest.fixture(params=["file", "redis"])
def opening(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a store is."""
    if request.param == "file":
        yield str(tmp_path / "state" / "counters.sqlite3")
        return
    with redis_server(tmp_path) as server:
        yield server.url


def test_adds_up_and_remembers(opening: str) -> None:
    store = Store(lambda: open_storage(opening))
    assert [store.add("a", amount) for amount in (5, 0, 7, -4)] == [5, 5, 12, 8]
    assert store.add("b", 1) == 1
    assert Store(lambda: open_storage(opening)).add("a", 0) == 8


def test_keeps_names_and_tells_values(opening: str) -> None:
    store, other = (Store(lambda: open_storage(opening)) for _ in range(2))
    assert store.value("a") == 0
    store.keep("a")
    store.add("b", 7)
    assert (other.value("a"), other.value("b"), other.value("c")) == (1, 7, 0)


def test_gives_away_so_many_places_a_minute(opening: str) -> None:
    store = Store(lambda: open_storage(opening))
    got = [store.hit("a", 3) for _ in range(5)]
    assert [each[:2] for each in got] == [(True, 2), (True, 1), (True, 0), (False, 0), (False, 0)]
    assert len({round(free, 3) for *_, free in got}) == 1
    assert store.hit("b", 3)[0]


WORKER = """
import sys
from optillm.server.access.store import Store, open_storage
store = Store(lambda: open_storage(sys.argv[1]))
print(sum(store.hit("a", 50)[0] for _ in range(40)), store.add("b", 0))
for _ in range(200):
    store.add("b", 3)
"""


def test_processes_that_open_a_new_store_at_once_share_it(opening: str) -> None:
    command = [sys.executable, "-c", WORKER, opening]
    workers = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own code
        for _ in range(3)
    ]
    places = [int(worker.communicate()[0].split()[0]) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    assert sum(places) == 50
    assert Store(lambda: open_storage(opening)).add("b", 0) == 3 * 200 * 3


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "counters.sqlite3"


def test_a_minute_is_the_last_sixty_seconds(file: Path) -> None:
    clock = Clock()
    store = Store(lambda: FileStorage(file, clock))
    for moment in (0, 20, 40):
        clock.now = 1000.0 + moment
        assert store.hit("a", 3) == (True, 2 - moment // 20, 1060.0)
    clock.now = 1059.9
    assert store.hit("a", 3) == (False, 0, 1060.0)
    clock.now = 1060.1
    assert store.hit("a", 3) == (True, 0, 1080.0)
    assert store.hit("a", 3) == (False, 0, 1080.0)


def test_counters_are_forgotten_when_their_time_is_over(file: Path) -> None:
    clock = Clock()
    storage = FileStorage(file, clock)
    store = Store(lambda: storage)
    store.add("a", 5)
    name = f"{NAMESPACE}/a"
    assert (storage.get(name), storage.get_expiry(name)) == (5, 1000.0 + COUNTER_SECONDS)
    clock.now += COUNTER_SECONDS
    assert storage.get(name) == 0
    assert store.add("b", 1) == 1
    with closing(sqlite3.connect(file)) as database, database:
        assert [name for (name,) in database.execute("SELECT name FROM counters")] == [f"{NAMESPACE}/b"]
    assert store.add("a", 2) == 2


def test_windows_of_limits_that_are_no_more_go_with_the_next_start(file: Path) -> None:
    clock = Clock()
    Store(lambda: FileStorage(file, clock)).hit("a", 3)
    clock.now += COUNTER_SECONDS + 1
    FileStorage(file, clock)
    with closing(sqlite3.connect(file)) as database, database:
        assert database.execute("SELECT count(*) FROM hits").fetchall() == [(0,)]


def test_the_file_and_what_sqlite_puts_beside_it_are_for_their_owner(tmp_path: Path) -> None:
    path = tmp_path / "state" / "counters.sqlite3"
    Store(lambda: open_storage(str(path))).add("a", 1)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}


def test_a_storage_keeps_the_rest_of_its_contract(file: Path) -> None:
    storage = FileStorage(file)
    assert storage.check()
    storage.incr("a", 60)
    storage.incr("b", 60, 4)
    assert storage.acquire_entry("a", 1, 60)
    assert storage.get_moving_window("a", 1, 60)[1] == 1
    storage.clear("a")
    assert (storage.get("a"), storage.get("b"), storage.get_moving_window("a", 1, 60)[1]) == (0, 4, 0)
    assert storage.reset() == 1
    assert storage.get("b") == 0
    assert not storage.acquire_entry("a", 1, 60, amount=2)


def test_a_file_that_fails_is_down_and_left_alone_for_a_moment(file: Path) -> None:
    clock = Clock()
    storage = FileStorage(file)
    store = Store(lambda: storage, clock)
    store.add("a", 1)
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("ALTER TABLE counters RENAME TO gone")
    with pytest.raises(StoreDown, match="no such table"):
        store.add("a", 1)
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("ALTER TABLE gone RENAME TO counters")
    with pytest.raises(StoreDown, match="a moment ago"):
        store.add("a", 1)
    clock.now += REST
    assert store.add("a", 1) == 2
    storage.close()
    with pytest.raises(StoreDown):
        store.hit("a", 1)


def test_a_server_that_is_gone_is_down_and_may_come_back_with_what_it_held(tmp_path: Path) -> None:
    with redis_server(tmp_path) as server:
        clock = Clock()
        store = Store(lambda: open_storage(server.url), clock)
        assert store.add("a", 5) == 5
        server.stop()
        with pytest.raises(StoreDown, match="ConnectionError"):
            store.add("a", 1)
        server.start()
        with pytest.raises(StoreDown, match="a moment ago"):
            store.add("a", 1)
        clock.now += REST
        assert store.add("a", 1) == 6


def test_a_file_that_is_none_of_ours_is_refused(file: Path) -> None:
    file.write_text("no database at all, " * 100, encoding="utf-8")
    with pytest.raises(ValueError, match=f"^{file}: file is not a database$"):
        open_storage(str(file))


def test_redis_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.backoff", None)
    with pytest.raises(ValueError, match=r"pip install '\.\[redis\]'"):
        open_storage("redis://127.0.0.1:1/0")
