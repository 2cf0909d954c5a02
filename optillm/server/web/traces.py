"""The list of stored traces, and the page of one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

from flask import Response, request

from optillm.errors import InvalidRequest
from optillm.server.access.guard import owner
from optillm.server.access.origins import own_url
from optillm.server.access.policy import PAGE, VERSION
from optillm.server.api.trace_filters import filters_of, read_cursor
from optillm.server.api.traces import reader
from optillm.server.bridge import in_thread
from optillm.server.state import here
from optillm.server.web.blueprint import views
from optillm.server.web.export import data_block, title
from optillm.server.web.rendering import page

if TYPE_CHECKING:
    from optillm.observe.traces.filters import Page
    from optillm.observe.traces.store import Traces

LENGTH: Final = 50
"""Traces on one page of the list."""
FIELDS: Final = ("q", "technique", "model", "status", "stop", "client", "within", "min_seconds", "min_cost")
"""The filters of the form; all but `within`, seconds until now, are those of the API."""
STATUSES: Final = {"running": "running", "ok": "answered", "failed": "failed", "cancelled": "cancelled"}
STOPS: Final = {
    "complete": "complete",
    "settled": "settled early",
    "budget": "budget",
    "deadline": "deadline",
    "degraded": "degraded",
}
PERIODS: Final = {"3600": "the last hour", "86400": "the last day", "604800": "the last week"}
SIGNS: Final = {"running": "◌", "ok": "✓", "failed": "✕", "cancelled": "–"}
"""What stands beside each status, so that colour is not all that tells them apart."""


@views.get("/traces")
@PAGE
def traces() -> Response:
    """The stored traces, newest first; for htmx only the table."""
    store = here().traces
    chosen = {name: value for name in FIELDS if (value := request.args.get(name, "").strip())}
    values: dict[str, Any] = {"chosen": chosen, "statuses": STATUSES, "stops": STOPS, "periods": PERIODS}
    values["endpoint"] = own_url(f"{VERSION}/chat/completions")
    template = "traces_table.html" if "HX-Request" in request.headers else "traces.html"
    if store is None:
        return page(template, off=True, **values)
    try:
        after = read_cursor(request.args.get("after", ""))
        listed = _page(store, chosen, after)
    except InvalidRequest as error:
        return page(template, HTTPStatus.OK, problem=error.message, rows=[], **values)
    older = listed.next_cursor and _address(chosen | {"after": listed.next_cursor})
    return page(
        template, rows=list(map(row, listed.data)), older=older, newest=after and _address(chosen), **values
    )


@views.get("/traces/<trace_id>")
@PAGE
def trace(trace_id: str) -> Response:
    """The page of one request, with its document, which a script of the page draws."""
    document = in_thread(reader(trace_id))
    return page(
        "trace.html",
        title=title(document),
        address=f"{VERSION}/traces/{quote(trace_id, safe='')}",
        data=in_thread(data_block, document),
    )


def _page(store: Traces, chosen: Mapping[str, str], after: str | None) -> Page:
    """Return the summaries to show; raises `InvalidRequest` for a wrong filter."""
    filters = filters_of({name: value for name, value in chosen.items() if name != "within"})
    within = chosen.get("within")
    if within in PERIODS:
        filters = replace(filters, since=time.time() - int(within))
    return in_thread(partial(store.page, filters, owner(), LENGTH, after))


def _address(arguments: Mapping[str, str]) -> str:
    return f"/traces?{urlencode(arguments)}" if arguments else "/traces"


def row(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return what one line of the list shows of a summary."""
    return {
        **summary,
        "path": f"/traces/{quote(summary['id'], safe='')}",
        "moment": datetime.fromtimestamp(summary["created"], UTC).isoformat(timespec="seconds"),
        "sign": SIGNS.get(summary["status"], ""),
        "time": duration(summary["seconds"]),
        "money": money(summary["cost"]),
        "tokens": "–" if summary["total_tokens"] is None else f"{summary['total_tokens']:,}",
    }


def duration(seconds: float | None) -> str:
    """Return seconds as people read them: `310 ms`, `2.4 s`, `3 min 5 s`; a dash for none."""
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def money(cost: float | None) -> str:
    """Return an amount with two meaningful digits, or a dash."""
    if cost is None:
        return "–"
    if cost >= 0.1:
        return f"${cost:.2f}"
    return f"${float(f'{cost:.2g}'):.10f}".rstrip("0").rstrip(".")
