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
class Kept:
    """A trace: its recording, or its document where no content may be kept; `listed` is its summary once it is final."""

    client: str | None
    created: float
    recording: Recording | None = None
    document: dict[str, Any] | None = None
    listed: dict[str, Any] | None = None
    size: int = 0


class MemoryTraces:
    """The last traces of one process, at most `size` bytes of them; see `optillm.observe.traces.store.Traces`.

    A recording stays what it is until somebody reads it. Without `content`, a document is made of it when the request
    ends, and what the client and the models wrote is let go.
    """

    def __init__(self, size: int, *, content: bool, most: int = MOST) -> None:
        self._size = size
        self._most = most
        self._content = content
        self._kept = OrderedDict[str, Kept]()
        self._taken = 0
        self._lock = threading.Lock()

    def begin(self, recording: Recording) -> None:
        """See `Recorder`."""
        with self._lock:
            self._kept[recording.id] = Kept(recording.client, recording.created, recording)
            if len(self._kept) > self._most:
                self._drop_oldest()

    def end(self, recording: Recording) -> None:
        """See `Recorder`."""
        kept = self._kept.get(recording.id)
        if kept is None:  # deleted while it ran, or pushed out by newer ones
            return
        whole = None if self._content else document(recording, content=False)
        with self._lock:
            if whole is None:
                kept.size = recording.size
            else:
                kept.document = whole
                kept.recording = None  # last, for those who read meanwhile
                kept.size = RECORDING_SIZE + CALL_SIZE * len(whole["calls"])
            self._taken += kept.size
            while self._taken > self._size and self._kept:
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        _, dropped = self._kept.popitem(last=False)
        self._taken -= dropped.size

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

    def _summary(self, kept: Kept) -> dict[str, Any]:
        if kept.listed is not None:
            return kept.listed
        recording, whole = kept.recording, kept.document
        listed = summary(whole) if recording is None and whole is not None else None
        if listed is None:
            assert recording is not None
            listed = summary_of(recording, content=self._content)
            if recording.record is None:
                return listed
        kept.listed = listed
        return listed

    def document(self, trace_id: str, owner: str | None) -> dict[str, Any] | None:
        """See `Traces`."""
        kept = self._owned(trace_id, owner)
        if kept is None:
            return None
        recording = kept.recording
        return kept.document if recording is None else document(recording, content=self._content)

    def delete(self, trace_id: str, owner: str | None) -> bool:
        """See `Traces`."""
        with self._lock:
            kept = self._owned(trace_id, owner)
            if kept is None:
                return False
            del self._kept[trace_id]
            self._taken -= kept.size
            return True

    def recording(self, trace_id: str, owner: str | None) -> Recording | None:
        """Return the recording of a request, `None` if there is none here."""
        kept = self._owned(trace_id, owner)
        return None if kept is None else kept.recording

    def _owned(self, trace_id: str, owner: str | None) -> Kept | None:
        kept = self._kept.get(trace_id)
        return kept if kept is not None and owner in (None, kept.client) else None

    def changes(self, trace_id: str) -> int:
        """See `Traces`."""
        kept = self._kept.get(trace_id)
        if kept is None:
            return 0
        recording = kept.recording
        return ENDED if recording is None else recording.changes

    def close(self) -> None:
        """See `Traces`; there is nothing to write down."""
