"""What all stores have in common: a database for several threads and processes, and rest after a failure."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from optillm.stores import REST, Availability, Database, StoreDown
from tests.e2e.proxy import ROOT

SCHEMA = "CREATE TABLE IF NOT EXISTS notes (text TEXT);"


def add(database: Database, text: str) -> None:
    with database.connection() as connection:
        connection.execute("INSERT INTO notes VALUES (?)", (text,))


def notes(database: Database) -> list[str]:
    with database.connection() as connection:
        return [text for (text,) in connection.execute("SELECT text FROM notes ORDER BY rowid")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "notes.sqlite3"


def test_what_is_written_outlives_the_connection(path: Path) -> None:
    first = Database(path, SCHEMA)
    add(first, "a")
    first.close()
    second = Database(path, SCHEMA)
    assert notes(second) == ["a"]
    second.close()


def test_it_is_opened_when_first_needed_and_for_its_owner_only(path: Path) -> None:
    database = Database(path, SCHEMA)
    assert not path.parent.exists()
    add(database, "a")
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}
    database.close()


def test_without_a_path_it_is_in_memory() -> None:
    database, other = Database(None, SCHEMA), Database(None, SCHEMA)
    add(database, "a")
    assert (notes(database), notes(other)) == (["a"], [])
    database.close()
    other.close()


def test_threads_take_turns(path: Path) -> None:
    database = Database(path, SCHEMA)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: add(database, str(number)), range(100)))
    assert sorted(map(int, notes(database))) == list(range(100))
    database.close()


def test_a_transaction_that_raises_leaves_nothing_behind(path: Path) -> None:
    database = Database(path, SCHEMA)
    with pytest.raises(sqlite3.ProgrammingError), database.transaction() as connection:
        connection.executemany("INSERT INTO notes VALUES (?)", [("a",), ("b", "too many")])
    with database.transaction() as connection:
        connection.execute("INSERT INTO notes VALUES ('b')")
    assert notes(database) == ["b"]
    database.close()


def test_a_closed_database_is_not_opened_again(path: Path) -> None:
    database = Database(path, SCHEMA)
    add(database, "a")
    database.close()
    database.close()
    with pytest.raises(sqlite3.ProgrammingError):
        notes(database)


def test_a_file_that_is_no_database_fails_each_time_until_it_is_replaced(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database at all, " * 100)
    database = Database(path, SCHEMA)
    for _ in range(2):
        with pytest.raises(sqlite3.DatabaseError, match="not a database"):
            notes(database)
    path.unlink()
    assert notes(database) == []
    database.close()


FORKING = """
import os, sys
from pathlib import Path
from optillm.stores import Database
database = Database(Path(sys.argv[1]), "CREATE TABLE IF NOT EXISTS notes (text TEXT);")
def add(text):
    with database.transaction() as connection:
        connection.execute("INSERT INTO notes VALUES (?)", (text,))
        return connection
parents = add("before")
with database.connection():  # whose lock the child must not wait for
    child = os.fork()
    if not child:
        os._exit(0 if add("child") is not parents else 1)
_, status = os.waitpid(child, 0)
assert add("after") is parents
sys.exit(status)
"""


def test_a_forked_child_has_a_connection_of_its_own(path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", FORKING, str(path)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=60)  # noqa: S603 - our own code
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT text FROM notes ORDER BY rowid").fetchall() == [
            ("before",),
            ("child",),
            ("after",),
        ]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_store_that_failed_is_left_alone_for_a_moment() -> None:
    clock = Clock()
    availability = Availability(clock)
    with pytest.raises(StoreDown, match=r"^OSError: unplugged$"), availability.attempt((OSError,)):
        raise OSError("unplugged")
    with pytest.raises(StoreDown, match="a moment ago: OSError: unplugged"), availability.attempt((OSError,)):
        raise AssertionError("it is used")
    clock.now += REST
    with availability.attempt((OSError,)):
        pass


def test_the_cause_of_a_wrapped_failure_is_named() -> None:
    with pytest.raises(StoreDown, match=r"^TimeoutError$"), Availability().attempt(RuntimeError):
        raise RuntimeError("wrapped") from TimeoutError()


def test_a_failure_that_is_not_the_stores_passes_through() -> None:
    availability = Availability()
    with pytest.raises(KeyError), availability.attempt(OSError):
        raise KeyError
    with availability.attempt(OSError):
        pass
