"""Traces in memory: the last ones, bounded by their number and their size."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from optillm.observe.traces.document import document, summary, summary_of
from optillm.observe.traces.filters import Cursor, Filters, Page
from optillm.observe.traces.recording import CALL_SIZE, RECORDING_SIZE, Recording

MOST: Final = 2000
"""Traces that are kept at most."""
ENDED: Final = 2**31
"""What `changes` returns of a request that has ended and left no recording."""


@dataclass(slots=True)
class Shelved:
    """An ended request of which only the document is left; `summary` is what lists show of it."""

    client: str | None
    created: float
    document: dict[str, Any]
    summary: dict[str, Any]
    kept_size: int


class MemoryTraces:
    """The last traces of one process, at most `size` bytes of them; see `Traces`.

    A recording stays what it is until somebody reads it. Without `content`, a document is made of it when the request
    ends, and what the client and the models wrote is let go.
    """

    def __init__(self, size: int, *, content: bool, most: int = MOST) -> None:
        self._size = size
        self._most = most
        self._content = content
        self._kept = OrderedDict[str, Recording | Shelved]()
        self._taken = 0
        self._lock = threading.Lock()

    def begin(self, recording: Recording) -> None:
        """See `Recorder`."""
        with self._lock:
            self._kept[recording.id] = recording
            if len(self._kept) > self._most:
                self._drop_oldest()

    def end(self, recording: Recording) -> None:
        """See `Recorder`."""
        kept: Recording | Shelved = recording
        if not self._content:
            recording.forget()
            if recording.trace is not None:
                kept = _shelved(recording)
        if isinstance(kept, Recording):
            kept.kept_size = kept.size
        with self._lock:
            if recording.id not in self._kept:  # deleted while it ran, or pushed out by newer ones
                return
            self._kept[recording.id] = kept
            self._taken += kept.kept_size
            while self._taken > self._size and self._kept:
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        _, dropped = self._kept.popitem(last=False)
        self._taken -= dropped.kept_size

    def page(self, filters: Filters, owner: str | None, limit: int, cursor: str | None) -> Page:
        """See `Traces`."""
        after = None if cursor is None else Cursor.read(cursor)
        with self._lock:
            entries = list(self._kept.items())
        entries.sort(key=lambda item: (item[1].created, item[0]), reverse=True)
        summaries: list[dict[str, Any]] = []
        for trace_id, kept in entries:
            if owner is not None and kept.client != owner:
                continue
            if after is not None and (kept.created, trace_id) >= (after.created, after.id):
                continue
            listed = self._summary(kept)
            if filters.admit(listed):
                summaries.append(listed)
                if len(summaries) > limit:
                    break
        return Page.of(summaries, limit)

    def _summary(self, kept: Recording | Shelved) -> dict[str, Any]:
        if isinstance(kept, Shelved):
            return kept.summary
        if kept.summary is not None:
            return kept.summary
        ended = kept.record is not None
        listed = summary_of(kept, content=self._content)
        if ended:
            kept.summary = listed
        return listed

    def document(self, trace_id: str, owner: str | None) -> dict[str, Any] | None:
        """See `Traces`."""
        kept = self._owned(trace_id, owner)
        if isinstance(kept, Recording):
            return document(kept, content=self._content)
        return None if kept is None else kept.document

    def delete(self, trace_id: str, owner: str | None) -> bool:
        """See `Traces`."""
        with self._lock:
            kept = self._owned(trace_id, owner)
            if kept is None:
                return False
            del self._kept[trace_id]
            self._taken -= kept.kept_size
            return True

    def recording(self, trace_id: str, owner: str | None) -> Recording | None:
        """Return the recording of a request, `None` if there is none here."""
        kept = self._owned(trace_id, owner)
        return kept if isinstance(kept, Recording) else None

    def _owned(self, trace_id: str, owner: str | None) -> Recording | Shelved | None:
        kept = self._kept.get(trace_id)
        return kept if kept is not None and owner in (None, kept.client) else None

    def changes(self, trace_id: str) -> int:
        """See `Traces`."""
        kept = self._kept.get(trace_id)
        if kept is None:
            return 0
        return kept.changes if isinstance(kept, Recording) else ENDED

    def close(self) -> None:
        """See `Traces`; there is nothing to write down."""


def _shelved(recording: Recording) -> Shelved:
    whole = document(recording, content=False)
    size = RECORDING_SIZE + CALL_SIZE * len(whole["calls"])
    return Shelved(recording.client, recording.created, whole, summary(whole), size)
