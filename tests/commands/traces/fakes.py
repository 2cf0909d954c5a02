"""A server that has a few traces, and their summaries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.observe.traces.documents import bon, document, mcts, running
from tests.stub import Call, Stub


def summary(trace: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """What lists show of a document."""
    names = ("id", "request_id", "created", "endpoint", "client", "technique", "model", "stream")
    more = ("status", "http_status", "stop", "seconds", "rounds", "cost")
    usage, chosen = trace["usage"], trace["outcome"]["chosen"]
    return {
        **{name: trace[name] for name in (*names, *more)},
        "calls": len(trace["calls"]),
        "total_tokens": usage and usage["total_tokens"],
        "question": trace["request"]["question"],
        "answer": trace["candidates"][chosen[0]]["answer"] if chosen else trace["outcome"]["text"],
    } | changes


def traces() -> list[dict[str, Any]]:
    """Four traces, newest first."""
    return [
        running() | {"id": "trace_running"},
        bon() | {"id": "trace_bon"},
        mcts() | {"id": "trace_mcts"},
        document(id="trace_plain"),
    ]


class Archive:
    """Answers as the API of traces does; `queries` are those of the lists that were asked for."""

    def __init__(self, kept: Sequence[dict[str, Any]], key: str | None = None) -> None:
        self.kept = {trace["id"]: trace for trace in kept}
        self.key = key
        self.queries: list[dict[str, str]] = []

    def respond(self, call: Call) -> None:
        """Answer one request."""
        path = urlsplit(call.path)
        name = path.path.removeprefix("/v1/traces").removeprefix("/")
        if self.key and call.headers.get("authorization") != f"Bearer {self.key}":
            call.json({"error": {"message": "The API key is missing or wrong"}}, 401)
        elif not name:
            self._list(call, {key: values[0] for key, values in parse_qs(path.query).items()})
        elif name not in self.kept:
            call.json({"error": {"message": f"There is no trace {name}"}}, 404)
        elif call.method == "DELETE":
            del self.kept[name]
            call.json({"id": name, "object": "optillm.trace.deleted", "deleted": True})
        else:
            call.json(self.kept[name])

    def _list(self, call: Call, query: dict[str, str]) -> None:
        self.queries.append(query)
        listed = [summary(trace) for trace in self.kept.values()]
        limit = int(query["limit"])
        more = len(listed) > limit
        call.json({"object": "list", "data": listed[:limit], "has_more": more, "next_cursor": None})


@contextmanager
def archive(*kept: dict[str, Any], key: str | None = None) -> Iterator[tuple[Archive, str]]:
    """A server that has these traces, by default those of `traces`, and its address."""
    answers = Archive(kept or traces(), key)
    with Stub(answers.respond) as stub:
        yield answers, stub.base_url.removesuffix("/v1")
