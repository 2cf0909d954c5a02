"""How a request ended: without an answer, passed through, or cut short."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from optillm.chat import NONE
from optillm.observe.traces.explain.words import Document, counted, listed, none_or, number, share, verb

STOPS: Final = {
    "budget": "the budget allowed no further calls: this is the best answer found by then",
    "deadline": "time ran out before all the work was done: this is the best answer found by then",
    "degraded": "part of the work was lost: this is the best answer from the rest",
}
"""Sentences for work that was cut short, by stop reason."""
LOSSES: Final = {
    "truncated": ("reply was cut off at its length limit", "replies were cut off at their length limits"),
    "refusal": ("reply declined to answer", "replies declined to answer"),
    "empty": ("reply was empty", "replies were empty"),
    "invalid": ("reply lacked the required format", "replies lacked the required format"),
}
"""Phrases for replies that could not be used, singular and plural."""


def without_answer(document: Document) -> list[str]:
    """Explain a request that is still running, or ended without an answer."""
    status, calls = document["status"], document["calls"]
    if status == "running":
        ended = sum(call["status"] != "running" for call in calls)
        so_far = f"{counted(len(calls), 'call')} so far, of which {none_or(ended)} {_has(ended)} ended"
        return [f"the request is running: {so_far}" if calls else "the request is running"]
    if status == "cancelled":
        return [
            f"the client disconnected, or the request was cancelled, after {counted(len(calls), 'call')}: "
            "there is no answer"
        ]
    if status == "ok":
        return []
    failed = sum(call["status"] == "failed" for call in calls)
    reason = f"the request failed: {document['error']}"
    return [reason, *([f"{share(failed, len(calls), 'call')} failed"] if failed and calls else [])]


def _has(count: int) -> str:
    return verb(count or 1, "has", "have")


def passed_on(document: Document) -> list[str]:
    """Explain a request without a technique."""
    if document["technique"] != NONE:
        return []
    if document["calls"] and all(call["cached"] for call in document["calls"]):
        return ["the reply came from the cache: no call was made"]
    calls = len(document["calls"])
    if document["steps"] or (document["candidates"] and document["candidates"][0]["origin"] != "answer"):
        if _acts(document):
            return [
                f"{counted(calls, 'plain call')}: the reply is a tool call, passed through without a technique"
            ]
        return [f"{counted(calls, 'plain call')}, without a technique"]
    return [f"{counted(calls, 'call')}, passed through unchanged"]


def _acts(document: Document) -> bool:
    replies = (reply for call in document["calls"] for reply in call["replies"] or ())
    return any(reply["tool_calls"] for reply in replies)


def limits(document: Document) -> list[str]:
    """Explain what cut the work short, and which options were reduced from the start."""
    sentences = []
    smaller = _smaller(document["requested_options"], document["options"])
    if smaller:
        sentences.append(f"to fit the budget, {listed(smaller)}")
    if document["stop"] in STOPS:
        sentences.append(STOPS[document["stop"]])
        calls = document["calls"]
        failed = sum(call["status"] == "failed" for call in calls)
        ended = sum(call["status"] == "cancelled" for call in calls)
        if failed:
            sentences.append(f"{share(failed, len(calls), 'call')} failed")
        if ended and document["stop"] == "deadline":
            was = verb(ended, "was", "were")
            sentences.append(
                f"{counted(ended, 'call')} {was} cancelled before {verb(ended, 'it', 'they')} replied"
            )
    return sentences


def _smaller(requested: Mapping[str, Any] | None, options: Mapping[str, Any]) -> list[str]:
    """Return which options were reduced, of one technique or of several."""
    changes = []
    for name, value in (requested or {}).items():
        reduced = options.get(name)
        if isinstance(value, Mapping) and isinstance(reduced, Mapping):
            changes += [f"{name}'s {change}" for change in _smaller(value, reduced)]
        elif value != reduced:
            changes.append(f"{name} was reduced from {value} to {reduced}")
    return changes


def losses(document: Document) -> list[str]:
    """Explain which replies could not be used."""
    counts = Counter({name: count for name, count in document["losses"].items() if name in LOSSES})
    return [
        f"{number(count)} {LOSSES[name][count != 1]} and {verb(count, 'was', 'were')} not used"
        for name, count in sorted(counts.items())
    ]


def parts(document: Document) -> Sequence[str]:
    """Explain which techniques took part, and which of them stopped early or failed."""
    composition = document["composition"]
    if composition is None:
        return []
    techniques = [node["label"] for node in composition["nodes"] if node["kind"] == "technique"]
    sentences = [f"{counted(len(techniques), 'technique')} took part: {listed(techniques)}"]
    return [*sentences, *(d["text"] for d in document["decisions"] if d["kind"] in ("settled", "degraded"))]
