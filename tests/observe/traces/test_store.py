"""Which store the settings describe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from optillm.config.settings import Settings
from optillm.observe.traces.database import DatabaseTraces
from optillm.observe.traces.memory import MemoryTraces
from optillm.observe.traces.store import Traces, open_traces
from tests.observe.traces.fakes import made, texts_in


def opened(**fields: Any) -> Traces | None:
    return open_traces(Settings(**fields))


def kept(traces: Traces) -> dict[str, Any]:
    recording = made(4e9)
    traces.begin(recording)
    traces.end(recording)
    whole = traces.document(recording.id, None)
    assert whole is not None
    return whole


def test_there_may_be_none() -> None:
    assert opened(traces="off") is None


def test_by_default_it_is_in_memory() -> None:
    assert isinstance(opened(), MemoryTraces)


def test_a_path_is_a_file(tmp_path: Path) -> None:
    traces = opened(traces=str(tmp_path / "traces.sqlite3"))
    assert isinstance(traces, DatabaseTraces)
    traces.close()


@pytest.mark.parametrize(("host", "content"), [("127.0.0.1", True), ("0.0.0.0", False)])  # noqa: S104
@pytest.mark.parametrize("location", ["memory", "file"])
def test_it_keeps_texts_as_the_settings_say(host: str, content: bool, location: str, tmp_path: Path) -> None:
    path = "memory" if location == "memory" else str(tmp_path / "traces.sqlite3")
    traces = opened(traces=path, host=host, insecure=True)
    assert traces is not None
    whole = kept(traces)
    assert whole["content"] is content
    assert any("marbles" in text for text in texts_in(whole)) is content
    traces.close()
