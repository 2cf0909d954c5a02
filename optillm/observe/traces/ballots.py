"""The ballots of a trace document: what judges were shown, and their verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from optillm.observe.traces.roster import Roster
from optillm.toolkit.judging.verdicts import (
    Examination,
    Groups,
    Preference,
    Ranking,
    Rating,
    is_endless,
)
from optillm.trace import CallSpan, Judgement

KINDS: Final[Mapping[type, str]] = {
    Ranking: "ranking",
    Examination: "examination",
    Rating: "rating",
    Preference: "preference",
    Groups: "groups",
}
"""What kinds of verdicts are called; any other is "other"."""
SOURCES: Final = {
    "reasoned": "The verdict follows the judge's reasons.",
    "direct": "The judge gave its verdict directly.",
    "answered": "The judge answered the question instead of judging, which counts as a vote for that answer.",
}
"""How a verdict was given."""
NOT_COUNTED: Final = "The ballot was not counted."


def ballots_of(roster: Roster, *, content: bool) -> list[dict[str, Any]]:
    """Return the ballots in the order in which they went out."""
    ballots = [
        _ballot(judgement, call, roster, content=content) for judgement, call in list(roster.judgements)
    ]
    for ballot in ballots:
        ballot["call"] = max(
            (call for call, number in roster.ballots.items() if ballots[number] is ballot),
            default=ballot["call"],
        )
    return ballots


def _ballot(judgement: Judgement, call: CallSpan, roster: Roster, *, content: bool) -> dict[str, Any]:
    verdict = judgement.verdict
    shown = [roster.index(candidate) for candidate in judgement.candidates]
    kind = KINDS.get(judgement.kind, "other")
    readable = content or kind in ("ranking", "preference", "rating", "groups")
    unread = None if verdict is not None else _unread(judgement, call)
    return {
        "call": call.id,
        "step": None,
        "kind": kind,
        "shown": shown,
        "labels": judgement.labels,
        "verdict": verdict.model_dump(mode="json") if verdict is not None and readable else None,
        "order": _order(verdict, shown, judgement.labels),
        "scores": _scores(verdict, shown),
        "source": judgement.source,
        "unread": unread,
        "counted": verdict is not None,
        "note": NOT_COUNTED if verdict is None else SOURCES.get(judgement.source or ""),
    }


def _unread(judgement: Judgement, call: CallSpan) -> str:
    if call.status == "running":
        return "the judge has not answered yet"
    if call.status == "cancelled":
        return "the call was cancelled before its verdict, since it was no longer needed"
    if not call.replies or judgement.unread == "no reply":
        return "the call failed"
    if judgement.unread == "other answer":
        return "the judge gave an answer of its own, which matches no single candidate"
    reply = call.replies[0]
    if is_endless(reply.text):
        return "the reply only repeats itself"
    if reply.cut:
        return "the reply was cut off before its verdict"
    if not reply.text.strip():
        return "the reply is empty"
    return "the reply states no verdict"


def _order(verdict: Any, shown: Sequence[int], labels: str) -> list[list[int]] | None:
    """Return the candidates best first, those together that the judge did not tell apart."""
    if isinstance(verdict, Ranking):
        ranked = [labels.find(label) for label in verdict.ranking]
        order = [[shown[position]] for position in dict.fromkeys(ranked) if 0 <= position < len(shown)]
        rest = [index for index in shown if [index] not in order]
        return [*order, rest] if rest else order
    if isinstance(verdict, Preference) and len(shown) == 2:
        if verdict.better == "tie":
            return [list(shown)]
        return [[shown[0]], [shown[1]]] if verdict.better == "A" else [[shown[1]], [shown[0]]]
    return None


def _scores(verdict: Any, shown: Sequence[int]) -> dict[str, float] | None:
    if isinstance(verdict, Rating) and len(shown) == 1:
        return {str(shown[0]): round(verdict.score / 10, 4)}
    return None
