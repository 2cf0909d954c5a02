"""The stored traces: list them, look at one, follow one, delete it."""

from __future__ import annotations

import asyncio
import re
from asyncio import sleep
from collections.abc import AsyncGenerator, Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint, Response, request

from optillm.errors import InvalidRequest, NotFound, OptillmError
from optillm.server.access.guard import owner
from optillm.server.access.origins import refuse_other_sites
from optillm.server.access.policy import READING
from optillm.server.api import sse
from optillm.server.api.responses import JSON
from optillm.server.api.trace_filters import PARAMETERS, filters_of, read_cursor, read_limit
from optillm.server.api.wire import dumps
from optillm.server.batches import Batches
from optillm.server.bridge import ClientGone, in_thread
from optillm.server.state import here

if TYPE_CHECKING:
    from optillm.observe.traces.store import Traces

Document = dict[str, Any]

FORMATS: Final = ("json", "otlp", "html")
PAUSE: Final = 0.2  # seconds between two looks at a running request
PRIVATE: Final = {"Cache-Control": "no-store"}
"""Prompts and answers are kept nowhere on their way."""

_ID = re.compile(r"trace_[0-9a-f]{24}")

views = Blueprint("traces", __name__)


@views.get("/v1/traces")
@READING
def page() -> Response:
    """The sender's traces, newest first, a page at a time."""
    store, query = traces(), request.args
    for name in query:
        if name not in PARAMETERS and name not in ("limit", "after"):
            raise InvalidRequest(
                f"{name} is unknown; there are {', '.join(PARAMETERS)}, limit and after", param=name
            )
    limit, after = read_limit(query.get("limit", "")), read_cursor(query.get("after", ""))
    listed = in_thread(store.page, filters_of(query), owner(), limit, after)
    body = {
        "object": "list",
        "data": listed.data,
        "has_more": listed.next_cursor is not None,
        "next_cursor": listed.next_cursor,
    }
    return _json(dumps(body))


@views.get("/v1/traces/<trace_id>")
@READING
def trace(trace_id: str) -> Response:
    """One trace, as JSON, as OTLP JSON, or as a page that needs no server."""
    name = request.args.get("format", "json")
    if name not in FORMATS:
        raise InvalidRequest(f"format must be one of {', '.join(FORMATS)}", param="format")
    read = reader(trace_id)
    if name == "html":
        headers = PRIVATE | {"Content-Disposition": f'attachment; filename="{trace_id}.html"'}
        return Response(in_thread(lambda: _html(read())), headers=headers, mimetype="text/html")
    return _json(in_thread(lambda: dumps(_otlp(read()) if name == "otlp" else read())))


@views.delete("/v1/traces/<trace_id>")
@READING
def delete(trace_id: str) -> Response:
    """Delete a trace."""
    refuse_other_sites()
    if not (_ID.fullmatch(trace_id) and in_thread(traces().delete, trace_id, owner())):
        raise missing(trace_id)
    return _json(dumps({"id": trace_id, "object": "optillm.trace.deleted", "deleted": True}))


@views.get("/v1/traces/<trace_id>/events")
@READING
def events(trace_id: str) -> Response:
    """One trace again and again while its request runs."""
    read, store = reader(trace_id), traces()
    in_thread(read)  # or it is not there
    # One ahead: each event is a whole trace, and a client that does not read would have many of them wait.
    batches = Batches(_changing(store, trace_id, read), here().settings.keep_alive, ahead=1)
    response = Response(_followed(batches), headers=sse.HEADERS | PRIVATE, content_type=sse.MEDIA_TYPE)
    response.call_on_close(batches.close)
    return response


def traces() -> Traces:
    """Return the store of traces; raises `NotFound` if none are kept."""
    store = here().traces
    if store is None:
        raise NotFound("No traces are kept here; --traces memory or a file keeps them", code="traces_off")
    return store


def reader(trace_id: str) -> Callable[[], Document]:
    """Return what reads a trace for the sender of this request; it may block.

    It raises `NotFound` for somebody else's as for one that there is not.
    """
    store, client = traces(), owner()

    def read() -> Document:
        document = store.document(trace_id, client) if _ID.fullmatch(trace_id) else None
        if document is None:
            raise missing(trace_id)
        return document

    return read


def missing(trace_id: str) -> NotFound:
    """Return the error for a trace that the sender cannot see."""
    return NotFound(f"There is no trace {trace_id[:100]!r} here", code="trace_not_found")


async def _changing(
    store: Traces, trace_id: str, read: Callable[[], Document]
) -> AsyncGenerator[bytes, None]:
    """Yield an event with the trace whenever it has changed.

    That goes on until its request has ended, or the trace is gone.
    """

    def look(before: int | None) -> tuple[int, Document | None]:
        changes = store.changes(trace_id)
        return changes, None if changes == before else read()

    changes: int | None = None
    while True:
        try:
            changes, document = await asyncio.to_thread(look, changes)
        except NotFound:  # deleted, or made room for others
            return
        if document is not None:
            yield b"event: trace\ndata: " + await asyncio.to_thread(dumps, document) + b"\n\n"
            if document["status"] != "running":
                return
        await sleep(PAUSE)


def _followed(batches: Batches[bytes]) -> Iterator[bytes]:
    try:
        for batch in batches:
            yield b"".join(batch) if batch else sse.KEEP_ALIVE
    except (ClientGone, OptillmError):  # what would be said comes too late for a status
        return
    yield b"event: end\ndata: {}\n\n"


def _json(content: bytes) -> Response:
    return Response(content, headers=PRIVATE, content_type=JSON)


# Not imported, and so not paid for, before somebody exports a trace.


def _otlp(document: Document) -> Document:
    from optillm.observe.traces.otlp import otlp

    return otlp(document)


def _html(document: Document) -> str:
    from optillm.server.web.export import self_contained

    return self_contained(document)
