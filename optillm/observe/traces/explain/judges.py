"""What judges say: rankings, ratings, groups, comparisons, and unreadable verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any, Final

from optillm.observe.traces.explain.ends import STOPS
from optillm.observe.traces.explain.outcome import winner
from optillm.observe.traces.explain.words import (
    Document,
    answer_name,
    counted,
    mark,
    none_or,
    number,
    share,
    singular_share,
    verb,
)

HEAD_TO_HEAD: Final = "head to head"
"""The step in which two answers are compared until one has proved itself."""
RELEASED: Final = "no longer needed"
"""Words of a ballot that was not waited for."""


def rankings(document: Document) -> list[str]:
    """Explain how many judges rank the chosen answer first."""
    return _placed(document, [ballot for ballot in document["ballots"] if ballot["kind"] == "ranking"])


def _placed(document: Document, ballots: Sequence[Mapping[str, Any]]) -> list[str]:
    group = _group(document)
    shown = [ballot for ballot in ballots if group & set(ballot["shown"])]
    read = [ballot for ballot in shown if ballot["counted"]]
    if not shown:
        return []
    if not read:
        return ["no judge gave a verdict that could be read"]
    first = sum(bool(ballot["order"]) and bool(group & set(ballot["order"][0])) for ballot in read)
    if len(read) == 1 < len(shown):
        return [f"the only judge with a verdict ranks {'it' if first else 'another answer'} first"]
    who = share(first, len(read), "judge")
    if any(ballot["unread"] and not _released(ballot) for ballot in shown):
        who += " that could be read"
    ranks = "ranks" if singular_share(first, len(read)) else "rank"
    split = ["they are split, and more candidates give it than the runner-up"]
    return [f"{who} {ranks} it first", *(split if 2 * first == len(read) and _leads(document) else [])]


def _leads(document: Document) -> bool:
    """Return whether more candidates give the chosen answer than the runner-up."""
    rival = document["outcome"]["runner_up"]
    return rival is not None and len(_group(document)) > len(_members(document, rival))


def ratings(document: Document) -> list[str]:
    """Explain how judges rate the chosen answer and the one after it."""
    rated = [ballot for ballot in document["ballots"] if ballot["kind"] == "rating" and ballot["scores"]]
    own = _scores(rated, _group(document))
    if not own:
        return []
    average = f"judges rate it {mark(mean(own))} out of 1 on average"
    rival = document["outcome"]["runner_up"]
    theirs = [] if rival is None else _scores(rated, _members(document, rival))
    return [f"{average}, and the runner-up {mark(mean(theirs))}" if theirs else average]


def _scores(ballots: Sequence[Mapping[str, Any]], members: set[int]) -> list[float]:
    return [
        score
        for ballot in ballots
        for number_of_candidate, score in ballot["scores"].items()
        if int(number_of_candidate) in members
    ]


def sorting(document: Document) -> list[str]:
    """Explain how a judge grouped texts with the same meaning."""
    sentences = []
    for ballot in document["ballots"]:
        if ballot["kind"] != "groups" or not ballot["shown"] or ballot["verdict"] is None:
            continue
        groups = ballot["verdict"]["groups"]
        largest = max(map(len, groups))
        picked = ballot["labels"].find(ballot["verdict"]["pick"])
        sentences.append(
            f"a judge sorted {counted(len(ballot['shown']), 'text')} into {counted(len(groups), 'group')} "
            f"by meaning; the largest has {counted(largest, 'text')}"
        )
        if 0 <= picked < len(ballot["shown"]) and ballot["shown"][picked] in _group(document):
            sentences.append("the judge picked this text to represent it")
    return sentences


def proof(document: Document) -> list[str]:
    """Explain how the judges' favourite fared against the answer that most samples give."""
    return [
        each
        for step in document["steps"]
        if step["name"] == HEAD_TO_HEAD and {"favourite", "rival"} <= step["attributes"].keys()
        for each in _contest(document, step["attributes"])
    ]


def _contest(document: Document, contest: Mapping[str, Any]) -> list[str]:
    favourite, rival = (
        answer_name(document, document["candidates"][contest[name]]["group"])
        for name in ("favourite", "rival")
    )
    won, lost, tied = (contest.get(name, 0) for name in ("won", "lost", "tied"))
    cast, lead = won + lost + tied, contest["lead"]
    if lead:
        reason = f"{rival} has {counted(lead, 'more vote')} than the judges' favourite, {favourite}"
        needed, planned = number(contest["needed"]), number(contest["comparisons"])
        burden = f"to overrule it, {favourite} had to win {needed} of {planned}"
    else:
        reason = f"{rival} has as many votes as the judges' favourite, {favourite}"
        burden = f"{favourite} only had to win as often as it lost"
    outcome = f"it won {none_or(won)} and lost {none_or(lost)}"
    outcome += f", and {number(tied)} {verb(tied, 'was a tie', 'were ties')}" if tied else ""
    stands = favourite if contest["proved"] else rival
    return [
        f"{reason}, so judges compared the two head to head, {_times(cast)}",
        f"{burden}: {outcome}, so {stands} stands",
    ]


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{number(count)} times")


def unread(document: Document) -> list[str]:
    """Explain which judges were not counted."""
    lost = [b for b in document["ballots"] if b["unread"] and b["kind"] != "other"]
    released = sum(_released(ballot) for ballot in lost)
    unreadable = len(lost) - released
    sentences = []
    if unreadable:
        were = verb(unreadable, "was", "were")
        sentences.append(f"{counted(unreadable, 'judge')} could not be read and {were} not counted")
    if released:
        result = "" if document["stop"] in STOPS else ": the result could no longer change"
        were = verb(released, "was", "were")
        sentences.append(f"{counted(released, 'judge')} {were} not waited for{result}")
    return sentences


def _released(ballot: Mapping[str, Any]) -> bool:
    return RELEASED in (ballot["unread"] or "")


def _group(document: Document) -> set[int]:
    """Return the candidates with the chosen answer."""
    candidate = winner(document)
    return set() if candidate is None else _members(document, candidate["index"])


def _members(document: Document, number_of_candidate: int) -> set[int]:
    group = document["candidates"][number_of_candidate]["group"]
    return {number_of_candidate} if group is None else set(document["groups"][group]["candidates"])
