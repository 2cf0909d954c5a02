"""Which traces a list shows, and the pages it comes in: newest first, by cursor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Filters:
    """What a trace must have to be listed; `None` asks for nothing.

    `technique` is a slug that the expression names; `since` and `until` are Unix times of the request's beginning, the
    latter exclusive. `text` is looked for in question, answer and ids, in upper or lower case.
    """

    technique: str | None = None
    model: str | None = None
    status: str | None = None
    stop: str | None = None
    client: str | None = None
    since: float | None = None
    until: float | None = None
    least_seconds: float | None = None
    least_cost: float | None = None
    text: str | None = None

    def admit(self, summary: Mapping[str, Any]) -> bool:
        """Return whether a trace with this summary is to be listed."""
        return self._admit_equals(summary) and self._admit_bounds(summary) and self._admit_text(summary)

    def _admit_equals(self, summary: Mapping[str, Any]) -> bool:
        names = ("model", "status", "stop", "client")
        if any(getattr(self, name) not in (None, summary[name]) for name in names):
            return False
        return self.technique is None or self.technique in slugs(summary["technique"])

    def _admit_bounds(self, summary: Mapping[str, Any]) -> bool:
        lower = (("since", "created"), ("least_seconds", "seconds"), ("least_cost", "cost"))
        for bound_name, name in lower:
            bound = getattr(self, bound_name)
            if bound is not None and (summary[name] is None or summary[name] < bound):
                return False
        return self.until is None or summary["created"] < self.until

    def _admit_text(self, summary: Mapping[str, Any]) -> bool:
        return self.text is None or self.text.casefold() in searched(summary)


def slugs(expression: str) -> frozenset[str]:
    """Return the techniques that an expression names, without their options."""
    bare, depth, start = list[str](), 0, False
    for position, symbol in enumerate(expression):
        if symbol == "(":
            start = position > 0 and (expression[position - 1].isalnum() or expression[position - 1] == "_")
            depth += start or depth > 0
        elif symbol == ")" and depth:
            depth -= 1
            bare.append(" ")
            continue
        bare.append(symbol if not depth and symbol not in "()|&" else " ")
    return frozenset("".join(bare).split())


def searched(summary: Mapping[str, Any]) -> str:
    """Return the text of a trace that is searched."""
    names = ("question", "answer", "id", "request_id", "technique", "model")
    return "\n".join(str(summary[name]) for name in names if summary[name]).casefold()


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A place in a list of traces: behind the one with this time and id."""

    created: float
    id: str

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the cursor that a page ended with; raises `ValueError` for any other text."""
        created, colon, trace_id = text.partition(":")
        if not colon or not trace_id:
            raise ValueError("no cursor of a list of traces")
        return cls(float(created), trace_id)

    def __str__(self) -> str:
        return f"{self.created!r}:{self.id}"


@dataclass(frozen=True, slots=True)
class Page:
    """Summaries of traces, newest first, and the cursor of the next page if there is one."""

    data: list[dict[str, Any]]
    next_cursor: str | None = None

    @classmethod
    def of(cls, summaries: list[dict[str, Any]], limit: int) -> Self:
        """Return the first `limit` of these summaries; one more shows that a page follows."""
        data = summaries[:limit]
        if len(summaries) <= limit or not data:
            return cls(data)
        return cls(data, str(Cursor(data[-1]["created"], data[-1]["id"])))
