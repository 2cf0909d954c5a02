"""Traces in an SQLite file, which the workers of one machine share and which outlives them.

A thread writes what a bounded queue holds. Where the file is broken or the disk is full, traces are lost, and a
warning is logged, one a minute at most; requests notice nothing.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import orjson

from optillm.errors import OptillmError
from optillm.logs import RareWarnings
from optillm.observe.traces.document import document, summary
from optillm.observe.traces.filters import Cursor, Filters, Page, searched, slugs
from optillm.observe.traces.memory import MemoryTraces
from optillm.observe.traces.recording import Recording
from optillm.stores import Database

WAITING: Final = 1000
"""Ended requests that may wait to be written down; further ones are lost."""
WAITING_SIZE: Final = 64 * 2**20
"""Bytes of several of them that may wait."""
MOST_UNWRITTEN: Final = 10_000
"""Requests that run or wait to be written; of more than that, the oldest are lost."""
CLOSE_SECONDS: Final = 10.0
"""Seconds that the end of the process waits for traces to be written."""
LEVEL: Final = 1
"""How hard documents are compressed: the fastest level, which makes a fifth of them."""
SWEEP: Final = 8
"""The first of so many writes, the file is looked through for what is old or too much."""
DROPPED: Final = 16
"""Each time the file is too large, one in so many traces goes, the oldest."""
DAY: Final = 86_400.0

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS traces (
    id TEXT PRIMARY KEY, created REAL NOT NULL, client TEXT, techniques TEXT NOT NULL, model TEXT NOT NULL,
    status TEXT NOT NULL, stop TEXT, seconds REAL NOT NULL, cost REAL, searched TEXT NOT NULL,
    summary BLOB NOT NULL, document BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_age ON traces (created, id);
"""
_INSERT: Final = f"INSERT OR REPLACE INTO traces VALUES ({', '.join('?' * 12)})"  # noqa: S608 - as many marks
_FITTING: Final = (
    ("model = ?", "model"),
    ("status = ?", "status"),
    ("stop = ?", "stop"),
    ("client = ?", "client"),
    ("created >= ?", "since"),
    ("created < ?", "until"),
    ("seconds >= ?", "least_seconds"),
    ("cost >= ?", "least_cost"),
)
"""Conditions on a row, and the filters that have their values."""

log = logging.getLogger(__name__)


class TracesDown(OptillmError):
    """The stored traces cannot be read right now."""

    status: int = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("The stored traces cannot be read right now; the log says why")


class DatabaseTraces:
    """Traces in the file at `path`, see `optillm.observe.traces.store.Traces`.

    They are kept for `days`, and the oldest go when the file has more than `size` bytes. Requests that run are listed
    by the process that serves them.
    """

    def __init__(
        self, path: Path, size: int, days: float, *, content: bool, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = Database(path, _SCHEMA, synchronous="OFF")
        self._size = size
        self._days = days
        self._content = content
        self._clock = clock
        self._warnings = RareWarnings(log)
        self._written = 0
        self._unwritten = MemoryTraces(0, content=content, most=MOST_UNWRITTEN)
        self._ended: queue.Queue[tuple[Recording, int] | None] = queue.Queue(WAITING)
        self._waiting = 0  # bytes
        self._waiting_lock = threading.Lock()
        self._thread = threading.Thread(target=self._write_all, name="traces", daemon=True)
        self._thread.start()

    # What requests do.

    def begin(self, recording: Recording) -> None:
        """See `Recorder`."""
        self._unwritten.begin(recording)

    def end(self, recording: Recording) -> None:
        """See `Recorder`."""
        try:
            self._queue(recording)
        except queue.Full:
            self._unwritten.delete(recording.id, None)
            self._warnings.warn("Traces are lost: they are written more slowly than requests end")

    def _queue(self, recording: Recording) -> None:
        """Have a recording written; raises `queue.Full` if too many or too large ones wait."""
        size = recording.size
        if self._waiting and self._waiting + size > WAITING_SIZE:
            raise queue.Full
        self._ended.put_nowait((recording, size))
        self._wait(size)

    def _wait(self, size: int) -> None:
        """Account for bytes that wait to be written, or with a minus for those that do no longer."""
        with self._waiting_lock:
            self._waiting += size

    # The thread that writes.

    def _write_all(self) -> None:
        for recording, size in iter(self._ended.get, None):
            try:
                if self._unwritten.changes(recording.id):  # else it has been deleted
                    self._write(recording)
            except (sqlite3.Error, OSError) as error:
                self._warnings.warn("Traces are lost: %s", error)
            except Exception:  # a document that cannot be made is no reason to write no others
                log.exception("The trace of request %s cannot be written", recording.request_id)
            finally:
                self._unwritten.delete(recording.id, None)
                self._wait(-size)
                self._ended.task_done()

    def _write(self, recording: Recording) -> None:
        row = _row(document(recording, content=self._content))
        with self._database.connection() as database:
            database.execute(_INSERT, row)
            if not self._unwritten.delete(recording.id, None):  # deleted while it was being written
                database.execute("DELETE FROM traces WHERE id = ?", (recording.id,))
            self._written += 1
            if self._written % SWEEP == 1:
                self._sweep(database)

    def _sweep(self, database: sqlite3.Connection) -> None:
        """Drop what is too old, then the oldest for as long as the file holds too much."""
        database.execute("DELETE FROM traces WHERE created < ?", (self._clock() - self._days * DAY,))
        while _size(database) > self._size:
            count = database.execute("SELECT count(*) FROM traces").fetchone()[0]
            if not count:
                return
            oldest = "SELECT id FROM traces ORDER BY created, id LIMIT ?"
            database.execute(f"DELETE FROM traces WHERE id IN ({oldest})", (-(-count // DROPPED),))  # noqa: S608 - constant

    def flush(self) -> None:
        """Wait until all that has ended is written, or lost."""
        self._ended.join()

    def close(self) -> None:
        """Write down what has ended, and close the file."""
        with suppress(queue.Full):
            self._ended.put(None, timeout=CLOSE_SECONDS)
            self._thread.join(CLOSE_SECONDS)
        self._database.close()

    # What readers do.

    def page(self, filters: Filters, owner: str | None, limit: int, cursor: str | None) -> Page:
        """See `Traces`."""
        fresh = self._unwritten.page(filters, owner, limit + 1, cursor).data
        names = {summary["id"] for summary in fresh}
        conditions, values = _conditions(filters, owner, cursor)
        query = f"SELECT summary FROM traces WHERE {conditions} ORDER BY created DESC, id DESC LIMIT ?"  # noqa: S608 - ours
        with self._reading() as database:
            rows = database.execute(query, (*values, limit + 1)).fetchall()
            written = [summary for (row,) in rows if (summary := orjson.loads(row))["id"] not in names]
        both = sorted(
            [*fresh, *written], key=lambda summary: (summary["created"], summary["id"]), reverse=True
        )
        return Page.of(both, limit)

    def document(self, trace_id: str, owner: str | None) -> dict[str, Any] | None:
        """See `Traces`."""
        recording = self._unwritten.recording(trace_id, owner)
        if recording is not None:
            return document(recording, content=self._content)
        with self._reading() as database:
            row = database.execute(
                "SELECT document FROM traces WHERE id = ? AND (? IS NULL OR client = ?)",
                (trace_id, owner, owner),
            ).fetchone()
            whole: dict[str, Any] | None = None if row is None else orjson.loads(zlib.decompress(row[0]))
        return whole

    def delete(self, trace_id: str, owner: str | None) -> bool:
        """See `Traces`."""
        running = self._unwritten.delete(trace_id, owner)
        with self._reading() as database:
            deleted = database.execute(
                "DELETE FROM traces WHERE id = ? AND (? IS NULL OR client = ?)", (trace_id, owner, owner)
            ).rowcount
        return running or bool(deleted)

    def changes(self, trace_id: str) -> int:
        """See `Traces`."""
        return self._unwritten.changes(trace_id)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._database.connection() as database:
                yield database
        except (sqlite3.Error, OSError, zlib.error, orjson.JSONDecodeError) as error:
            self._warnings.warn("The stored traces cannot be read: %s", error)
            raise TracesDown from error


def _row(whole: dict[str, Any]) -> tuple[Any, ...]:
    listed = summary(whole)
    return (
        *(whole["id"], whole["created"], whole["client"], f" {' '.join(slugs(whole['technique']))} "),
        *(whole["model"], whole["status"], whole["stop"], whole["seconds"], whole["cost"], searched(listed)),
        orjson.dumps(listed),
        zlib.compress(orjson.dumps(whole), LEVEL),
    )


def _size(database: sqlite3.Connection) -> int:
    """Return how many bytes of the file are in use.

    What is free is written again before the file grows.
    """
    pages, free, size = (
        database.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _conditions(filters: Filters, owner: str | None, cursor: str | None) -> tuple[str, list[Any]]:
    """Return what a row must fulfil, and the values for it."""
    terms, values = ["TRUE"], list[Any]()
    for term, name in _FITTING:
        if (value := getattr(filters, name)) is not None:
            terms.append(term)
            values.append(value)
    if filters.technique is not None:
        terms.append("instr(techniques, ?)")
        values.append(f" {filters.technique} ")
    if filters.text is not None:
        terms.append("instr(searched, ?)")
        values.append(filters.text.casefold())
    if owner is not None:
        terms.append("client = ?")
        values.append(owner)
    if cursor is not None:
        after = Cursor.read(cursor)
        terms.append("(created, id) < (?, ?)")
        values += [after.created, after.id]
    return " AND ".join(terms), values
