"""`optillm traces [ACTION] [ID] [flags]`: list the kept traces of requests, or draw one."""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from optillm.commands import Invocation
from optillm.commands.traces.listing import listing
from optillm.commands.traces.page import call_sections, sections
from optillm.commands.traces.source import File, NoServer, Server, Source, address
from optillm.commands.traces.terminal import columns, safe, write
from optillm.config.flags import add_flags_of
from optillm.config.settings import Settings
from optillm.config.sources import SettingsError, nearest, variable

TAKES_SETTINGS: Final = False
LATEST: Final = "last"
UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
STATUSES: Final = ("running", "ok", "failed", "cancelled")
KEPT_BY_SERVER: Final = ("off", "memory")
"""The settings of traces with which there is no file."""
FORMATS: Final = ("json", "otlp", "html")

_AGE = re.compile(r"(\d+(?:\.\d+)?)([smhd])")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    parser.add_argument(
        "action", nargs="?", default="list", metavar="list|show|export|delete", help="list by default"
    )
    parser.add_argument("id", nargs="?", metavar="ID", help="a trace; `last` is the newest")
    listed = parser.add_argument_group("Which traces to list")
    listed.add_argument("--technique", metavar="SLUG", help="of this technique")
    listed.add_argument("--model", metavar="NAME", help="of this model")
    listed.add_argument("--status", choices=STATUSES, help="of requests with this status")
    listed.add_argument(
        "--slow", type=float, metavar="SECONDS", help="of requests that took at least this long"
    )
    listed.add_argument(
        "--since", metavar="WHEN", help="no older than an age like 30m, 2h or 7d, or since a date"
    )
    listed.add_argument("--text", metavar="WORDS", help="with this text in the question or answer")
    listed.add_argument("--limit", type=int, default=20, metavar="N", help="at most this many (default 20)")
    shown = parser.add_argument_group("How to show them")
    shown.add_argument(
        "--call", type=int, metavar="N", help="with show: one upstream call, with prompt and reply"
    )
    shown.add_argument("--json", action="store_true", help="print JSON, for scripts")
    shown.add_argument(
        "--format",
        choices=FORMATS,
        default="json",
        help="with export: the document, OTLP JSON, or a page in one file",
    )
    shown.add_argument("-o", "--output", metavar="FILE", help="with export: the file to write")
    server = parser.add_argument_group(
        "Where to read them: from the server that these settings describe, if it is running, else from its file"
    )
    server.add_argument("--server", metavar="URL", help="read from this server instead")
    server.add_argument(
        "--key", help="the key for the server; other users can see it here, but not in OPTILLM_API_KEY"
    )
    add_flags_of(server, Settings, ("config", "host", "port", "traces"))


def run(invocation: Invocation) -> None:
    """List traces, or show, export or delete one."""
    arguments = invocation.arguments
    actions: Mapping[str, Callable[[Source, argparse.Namespace], None]] = {
        "list": _list,
        "show": _show,
        "export": _export,
        "delete": _delete,
    }
    action = actions.get(arguments.action)
    if action is None:
        hint = nearest(arguments.action, actions, f"there are {', '.join(actions)}")
        raise SettingsError(f"unknown action {arguments.action}{hint}")
    if action is not _list and arguments.id is None:
        raise SettingsError(
            f"name the trace: optillm traces {arguments.action} ID, or `{LATEST}` for the newest"
        )
    first, *others = _sources(invocation)
    try:
        action(first, arguments)
    except NoServer:
        if not others:
            raise
        action(others[0], arguments)


def _sources(invocation: Invocation) -> Iterator[Source]:
    """Yield where to look: a server, then the file that the settings name."""
    arguments = invocation.arguments
    if arguments.server is not None:
        yield Server(arguments.server, arguments.key or _first_key(variable("OPTILLM_API_KEY") or ""))
        return
    settings = invocation.read()
    keys = [key.get_secret_value() for key in settings.optillm_api_key]
    yield Server(address(settings), arguments.key or next(iter(keys), None))
    if settings.traces not in KEPT_BY_SERVER:
        yield File(settings)


def _first_key(keys: str) -> str | None:
    """Return the first of the keys in a list with commas."""
    return keys.partition(",")[0].strip() or None


def _filters(arguments: argparse.Namespace, now: float) -> dict[str, Any]:
    """Return the filters that the arguments name."""
    filters = {
        "technique": arguments.technique,
        "model": arguments.model,
        "status": arguments.status,
        "least_seconds": arguments.slow,
        "since": None if arguments.since is None else _moment(arguments.since, now),
        "text": arguments.text,
    }
    return {name: value for name, value in filters.items() if value is not None}


def _moment(text: str, now: float) -> float:
    """Return the Unix time of an age or a date; a date without a zone is local time."""
    age = _AGE.fullmatch(text)
    if age:
        return now - float(age[1]) * UNITS[age[2]]
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise SettingsError(
            f"--since is {text}, which is neither an age like 30m, 2h or 7d nor a date like 2026-11-30"
        ) from None


def _list(source: Source, arguments: argparse.Namespace) -> None:
    now = time.time()
    page = source.page(_filters(arguments, now), arguments.limit)
    if arguments.json:
        print(json.dumps(page.data, indent=2))
        return
    if not page.data:
        print("No trace matches." if _filters(arguments, now) else "There are no traces yet.")
        return
    write([listing(page.data, columns(), now)])
    if page.more:
        print(f"\nThere are more than these {arguments.limit}: raise --limit, or filter with flags.")


def _show(source: Source, arguments: argparse.Namespace) -> None:
    document = _document(source, arguments.id)
    width = columns()
    if arguments.json:
        print(json.dumps(document, indent=2))
    elif arguments.call is not None:
        write(call_sections(document, arguments.call, width))
    else:
        write(sections(document, width))


def _export(source: Source, arguments: argparse.Namespace) -> None:
    text = _exported(_document(source, arguments.id), arguments.format)
    if arguments.output is None:
        print(text)
        return
    try:
        Path(arguments.output).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"cannot write {arguments.output}: {error.strerror}") from None


def _exported(document: dict[str, Any], form: str) -> str:
    """Return a trace in one of the formats."""
    if form == "html":
        from optillm.server.web.export import self_contained

        return self_contained(document)
    if form == "otlp":
        from optillm.observe.traces.otlp import otlp

        document = otlp(document)
    return json.dumps(document, indent=2)


def _delete(source: Source, arguments: argparse.Namespace) -> None:
    trace_id = _named(source, arguments.id)
    source.delete(trace_id)
    print(f"Deleted {safe(trace_id)}.")


def _document(source: Source, name: str) -> dict[str, Any]:
    return source.document(_named(source, name))


def _named(source: Source, name: str) -> str:
    """Return the id of a trace that the operator named."""
    if name != LATEST:
        return name
    newest = source.page({}, 1).data
    if not newest:
        raise SettingsError("there are no traces yet")
    return str(newest[0]["id"])
