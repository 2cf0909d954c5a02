"""Traces in a file: what stays, what goes, and what a broken file or a full disk costs."""

from __future__ import annotations

import logging
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from optillm.observe.traces.database import DatabaseTraces, TracesDown
from optillm.observe.traces.filters import Filters
from optillm.observe.traces.recording import RECORDING_SIZE, Recording
from tests.observe.traces.fakes import QUESTION, answer, in_turn, made, recorded

EVERYTHING = Filters()
NOW = 1_700_000_000.0
DAY = 86_400.0


def opened(path: Path, size: int = 2**26, *, content: bool = True) -> DatabaseTraces:
    return DatabaseTraces(path, size, 7, content=content, clock=lambda: NOW)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "private" / "traces.sqlite3"


def keep(traces: DatabaseTraces, *recordings: Recording) -> None:
    for recording in recordings:
        traces.begin(recording)
        traces.end(recording)
    traces.flush()


def count(traces: DatabaseTraces) -> int:
    return len(traces.page(EVERYTHING, None, 100_000, None).data)


def test_traces_outlive_the_process_that_wrote_them(path: Path) -> None:
    first = opened(path)
    recording = made(NOW)
    first.begin(recording)
    first.end(recording)
    first.close()  # which writes what has ended
    second = opened(path)
    assert second.document(recording.id, None) is not None
    second.close()


def test_another_process_sees_what_one_has_written(path: Path) -> None:
    one, other = opened(path), opened(path)
    recording = made(NOW)
    keep(one, recording)
    assert other.document(recording.id, None) is not None
    assert other.delete(recording.id, None)
    assert count(one) == 0
    one.close()
    other.close()


def test_only_its_owner_can_read_the_file(path: Path) -> None:
    traces = opened(path)
    keep(traces, made(NOW))
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0
    traces.close()


def test_what_is_older_than_its_days_goes(path: Path) -> None:
    traces = opened(path)
    keep(traces, made(NOW - 8 * DAY), made(NOW - 6 * DAY))
    assert [summary["created"] for summary in traces.page(EVERYTHING, None, 5, None).data] == [NOW - 6 * DAY]
    traces.close()


def test_the_oldest_go_when_the_file_is_too_large(path: Path) -> None:
    traces = opened(path, size=2**19)
    noise = [os.urandom(20_000).hex() for _ in range(40)]
    keep(traces, *(made(NOW + number, body=_body(text)) for number, text in enumerate(noise)))
    kept = [summary["created"] for summary in traces.page(EVERYTHING, None, 100, None).data]
    assert 0 < len(kept) < 40
    assert kept == [NOW + 39 - number for number in range(len(kept))]
    assert path.stat().st_size < 2**20
    traces.close()


def _body(text: str) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}]}


def test_without_content_the_file_has_none(path: Path) -> None:
    traces = opened(path, content=False)
    keep(traces, recorded(in_turn(answer("elephant")), "bon(n=2)-m", "What is grey?"), made(NOW))
    assert traces.page(Filters(text="marbles"), None, 5, None).data == []
    whole = sqlite3.connect(path).execute("SELECT * FROM traces").fetchall()
    assert not any(word in repr(row) for row in whole for word in ("elephant", "grey", QUESTION))
    traces.close()


def test_a_file_that_is_no_database_costs_the_traces_and_one_line(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.write_bytes(b"This is no database. " * 1000)
    traces = opened(path)
    with caplog.at_level(logging.WARNING):
        keep(traces, *(made(NOW + number) for number in range(20)))
        with pytest.raises(TracesDown):
            traces.page(EVERYTHING, None, 5, None)
    assert len(caplog.records) == 1
    assert "Traces are lost" in caplog.text
    traces.close()


def test_a_file_that_breaks_later_costs_the_traces_too(path: Path) -> None:
    traces = opened(path)
    recording = made(NOW)
    keep(traces, recording)
    traces.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 8192)
    traces = opened(path)
    keep(traces, made(NOW + 1))
    with pytest.raises(TracesDown):
        traces.document(recording.id, None)
    traces.close()


def test_what_was_written_makes_room_for_what_ends_next(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optillm.observe.traces.database.WAITING_SIZE", 1)
    traces = opened(path)
    for number in range(3):
        keep(traces, made(NOW + number))
    assert count(traces) == 3
    traces.close()


def test_a_summary_that_breaks_later_is_a_file_that_cannot_be_read(path: Path) -> None:
    traces = opened(path)
    keep(traces, made(NOW))
    traces.close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE traces SET summary = x'ff'")
    database.close()
    traces = opened(path)
    with pytest.raises(TracesDown):
        traces.page(EVERYTHING, None, 5, None)
    traces.close()


def test_a_full_disk_costs_the_traces_and_nothing_else(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    traces = opened(path)
    keep(traces, made(NOW))
    with traces._database.connection() as database:
        pages = database.execute("PRAGMA page_count").fetchone()[0]
        database.execute(f"PRAGMA max_page_count = {pages}")
    with caplog.at_level(logging.WARNING):
        keep(traces, *(made(NOW + 1 + number, body=_body(os.urandom(9000).hex())) for number in range(20)))
    assert count(traces) == 1
    assert [record.getMessage() for record in caplog.records] == ["Traces are lost: database or disk is full"]
    with traces._database.connection() as database:
        database.execute("PRAGMA max_page_count = 100000")
    keep(traces, made(NOW + 50))
    assert count(traces) == 2
    traces.close()


def test_a_folder_that_cannot_be_written_costs_the_traces(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    traces = opened(tmp_path / "file" / "traces.sqlite3")
    with caplog.at_level(logging.WARNING):
        keep(traces, made(NOW))
    assert "Traces are lost" in caplog.text
    traces.close()


def test_a_recording_of_which_no_document_can_be_made_is_no_reason_to_write_no_others(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    traces = opened(path)
    broken: Any = made(NOW)
    broken.trace.spans.append("no span")
    keep(traces, broken, made(NOW + 1))
    assert count(traces) == 1
    assert "cannot be written" in caplog.text
    traces.close()


@pytest.mark.parametrize(("limit", "most"), [("WAITING", 3), ("WAITING_SIZE", 3 * RECORDING_SIZE + 1000)])
def test_more_than_can_wait_is_lost(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, limit: str, most: int
) -> None:
    monkeypatch.setattr(f"optillm.observe.traces.database.{limit}", most)
    monkeypatch.setattr(DatabaseTraces, "_write_all", lambda self: None)
    traces = opened(path)
    for number in range(10):
        recording = made(NOW + number)
        traces.begin(recording)
        traces.end(recording)
    assert count(traces) == 3
    assert "more slowly than requests end" in caplog.text
