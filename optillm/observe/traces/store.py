"""The store of traces: what others ask of it, and how one is opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from optillm.observe.traces.database import DatabaseTraces
from optillm.observe.traces.filters import Filters, Page
from optillm.observe.traces.memory import MemoryTraces
from optillm.observe.traces.recording import Recording

if TYPE_CHECKING:
    from optillm.config.settings import Settings

OFF: Final = "off"
MEMORY: Final = "memory"


class Traces(Protocol):
    """The traces of requests, running and ended ones.

    All of it may be called from any thread. `begin` and `end` return at once; the others may wait for a file. For an
    `owner`, the name of a client key, only its own traces exist; `None` sees all. Raises `TracesDown` if a file cannot
    be read.
    """

    def begin(self, recording: Recording) -> None:
        """Take in the recording of a request that begins."""

    def end(self, recording: Recording) -> None:
        """Note that the request has ended."""

    def page(self, filters: Filters, owner: str | None, limit: int, cursor: str | None) -> Page:
        """Return summaries of at most `limit` traces, newest first, from the cursor on.

        Raises `ValueError` for a cursor that no page ended with.
        """

    def document(self, trace_id: str, owner: str | None) -> dict[str, Any] | None:
        """Return the document of a trace, `None` if there is none."""

    def delete(self, trace_id: str, owner: str | None) -> bool:
        """Delete a trace; return whether there was one."""

    def changes(self, trace_id: str) -> int:
        """Return a number that grows with what happens to a request; 0 for no trace."""

    def close(self) -> None:
        """Write down what has ended, and let go of the file."""


def open_traces(settings: Settings) -> Traces | None:
    """Return the store that the settings describe, `None` if traces are off."""
    if settings.traces == OFF:
        return None
    size, content = settings.traces_mb * 2**20, settings.keeps_trace_content
    if settings.traces == MEMORY:
        return MemoryTraces(size, content=content)
    return DatabaseTraces(Path(settings.traces), size, settings.traces_days, content=content)
