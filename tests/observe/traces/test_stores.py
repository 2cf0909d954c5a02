"""What all stores of traces do: pages, filters, owners, documents, deletion, live counters."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from optillm.observe.traces.database import DatabaseTraces
from optillm.observe.traces.document import document
from optillm.observe.traces.filters import Filters
from optillm.observe.traces.memory import MemoryTraces
from optillm.observe.traces.recording import Recording
from optillm.observe.traces.store import Traces
from tests.observe.traces.fakes import answer, finish, in_turn, made, recorded, running

EVERYTHING = Filters()
SIZE = 2**26
NOW = 1_700_000_000.0


class Idle(DatabaseTraces):
    """A store whose thread writes nothing: everything still waits."""

    def _write_all(self) -> None:
        """Leave the queue alone."""

    def flush(self) -> None:
        """Do not wait for it."""


@pytest.fixture(params=["memory", "file", "unwritten"])
def traces(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Traces]:
    if request.param == "memory":
        yield MemoryTraces(SIZE, content=True)
        return
    kind = DatabaseTraces if request.param == "file" else Idle
    store = kind(tmp_path / "traces.sqlite3", SIZE, 7, content=True, clock=lambda: NOW)
    yield store
    store.close()


def keep(traces: Traces, *recordings: Recording) -> None:
    """Record requests that have ended."""
    for recording in recordings:
        traces.begin(recording)
        traces.end(recording)
    if isinstance(traces, DatabaseTraces):
        traces.flush()


def ids(traces: Traces, filters: Filters = EVERYTHING, owner: str | None = None) -> list[str]:
    return [summary["id"] for summary in traces.page(filters, owner, 100, None).data]


def test_the_newest_trace_comes_first(traces: Traces) -> None:
    old, new = made(NOW - 10), made(NOW)
    keep(traces, new, old)
    assert ids(traces) == [new.id, old.id]


def test_pages_follow_each_other_until_the_last(traces: Traces) -> None:
    recordings = [made(NOW - 60 + number // 2) for number in range(25)]  # two each second
    keep(traces, *recordings)
    cursor, pages = None, []
    while True:
        page = traces.page(EVERYTHING, None, 10, cursor)
        pages.append([summary["id"] for summary in page.data])
        cursor = page.next_cursor
        if cursor is None:
            break
    assert [len(page) for page in pages] == [10, 10, 5]
    listed = [trace_id for page in pages for trace_id in page]
    newest_first = sorted(recordings, key=lambda each: (each.created, each.id), reverse=True)
    assert listed == [recording.id for recording in newest_first]


def test_a_trace_that_comes_meanwhile_moves_no_other_to_the_next_page(traces: Traces) -> None:
    keep(traces, *(made(NOW - number) for number in range(1, 5)))
    first = traces.page(EVERYTHING, None, 2, None)
    keep(traces, made(NOW))
    second = traces.page(EVERYTHING, None, 2, first.next_cursor)
    listed = [summary["created"] for summary in (*first.data, *second.data)]
    assert listed == [NOW - 1, NOW - 2, NOW - 3, NOW - 4]


def test_a_cursor_of_no_page_is_an_error(traces: Traces) -> None:
    with pytest.raises(ValueError, match="cursor"):
        traces.page(EVERYTHING, None, 2, "yesterday")


@pytest.mark.parametrize(
    "filters",
    [
        Filters(technique="moa"),
        Filters(model="other"),
        Filters(status="failed"),
        Filters(stop="settled"),
        Filters(client="team-a"),
        Filters(since=NOW - 5),
        Filters(least_seconds=9),
        Filters(least_cost=0.5),
        Filters(text="ELEPHANT"),
    ],
)
def test_each_filter_finds_its_trace(traces: Traces, filters: Filters) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "How heavy is an elephant?"}]}
    record = {"status": 500, "stop": "settled", "seconds": 9.5, "cost": 0.5, "model": "other"}
    match = made(NOW, client="team-a", technique="moa(layers=3)", model="other", body=body, record=record)
    keep(traces, match, made(NOW - 10, record={"cost": 0.01}))
    assert ids(traces, filters) == [match.id]


def test_time_has_an_end_too(traces: Traces) -> None:
    old, new = made(NOW - 10), made(NOW)
    keep(traces, old, new)
    assert ids(traces, Filters(until=NOW)) == [old.id]


def test_an_owner_has_its_own_traces_and_no_others(traces: Traces) -> None:
    own, other, nobodys = made(NOW, client="a"), made(NOW - 1, client="b"), made(NOW - 2)
    keep(traces, own, other, nobodys)
    assert ids(traces, owner="a") == [own.id]
    assert traces.document(own.id, "a") is not None
    assert traces.document(other.id, "a") is None
    assert traces.document(nobodys.id, "a") is None
    assert not traces.delete(other.id, "a")
    assert ids(traces) == [own.id, other.id, nobodys.id]


def test_the_document_is_what_the_recording_says(traces: Traces) -> None:
    recording = recorded(in_turn(answer(86), answer(69)), "bon(n=3)-m")
    whole = document(recording, content=True)
    recording.created = whole["created"] = NOW
    keep(traces, recording)
    assert traces.document(recording.id, None) == whole


def test_an_unknown_trace_is_none(traces: Traces) -> None:
    assert traces.document("trace_0", None) is None
    assert not traces.delete("trace_0", None)
    assert traces.changes("trace_0") == 0


def test_a_deleted_trace_is_gone(traces: Traces) -> None:
    recording = made(NOW)
    keep(traces, recording)
    assert traces.delete(recording.id, None)
    assert (ids(traces), traces.document(recording.id, None)) == ([], None)


def test_a_running_request_is_listed_and_its_end_seen(traces: Traces) -> None:
    recording = running(created=NOW)
    traces.begin(recording)
    assert [each["status"] for each in traces.page(EVERYTHING, None, 5, None).data] == ["running"]
    before = traces.changes(recording.id)
    assert recording.trace is not None
    with recording.trace.call("generate"):
        assert traces.changes(recording.id) > before
    finish(recording)
    traces.end(recording)
    if isinstance(traces, DatabaseTraces):
        traces.flush()
    assert [each["status"] for each in traces.page(EVERYTHING, None, 5, None).data] == ["ok"]


def test_a_request_deleted_while_it_runs_is_not_kept(traces: Traces) -> None:
    recording = running(created=NOW)
    traces.begin(recording)
    assert traces.delete(recording.id, None)
    finish(recording)
    traces.end(recording)
    if isinstance(traces, DatabaseTraces):
        traces.flush()
    assert ids(traces) == []


def test_threads_may_begin_end_and_read_at_the_same_time(traces: Traces) -> None:
    def request(number: int) -> str:
        recording = running(created=NOW - number / 1000)
        traces.begin(recording)
        traces.page(EVERYTHING, None, 5, None)
        finish(recording)
        traces.end(recording)
        traces.page(Filters(text="marbles"), None, 5, None)
        if number % 3 == 0:
            traces.delete(recording.id, None)
            return ""
        return recording.id

    with ThreadPoolExecutor(8) as pool:
        kept = {trace_id for trace_id in pool.map(request, range(90)) if trace_id}
    if isinstance(traces, DatabaseTraces):
        traces.flush()
    assert set(ids(traces)) == kept
