"""A store of traces that holds documents made by hand."""

from __future__ import annotations

from typing import Any

from optillm.observe.traces.filters import Filters, Page
from tests.server.fakes import FakeTraces, forbid_on_loop

Document = dict[str, Any]


class Documents(FakeTraces):
    """Lists what it holds by the filters, newest first; a cursor is the id of the last trace shown."""

    def page(self, filters: Filters, owner: str | None, limit: int, cursor: str | None) -> Page:
        forbid_on_loop()
        self.queries.append((filters, owner, limit, cursor))
        summaries = sorted(map(summary, self.documents.values()), key=lambda each: -each["created"])
        admitted = [each for each in summaries if owner in (None, each["client"]) and filters.admit(each)]
        if cursor is not None:
            created = float(cursor.partition(":")[0])
            admitted = [each for each in admitted if each["created"] < created]
        return Page.of(admitted, limit)


def summary(document: Document) -> Document:
    """Return what lists show of a document."""
    names = "id request_id created endpoint client technique model stream status http_status stop seconds rounds cost"
    same = {name: document[name] for name in names.split()}
    chosen = [group["answer"] for group in document["groups"] if group["chosen"]]
    return {
        **same,
        "calls": len(document["calls"]),
        "total_tokens": (document["usage"] or {}).get("total_tokens"),
        "question": document["request"]["question"],
        "answer": chosen[0] if chosen else (document["outcome"]["text"] or "")[:80] or None,
    }


def numbered(number: int, document: Document) -> Document:
    """Return a copy of a document with an id of its own, a second younger for each number."""
    return document | {"id": f"trace_{number:024x}", "created": 1764530000.0 + number}
