"""Ballots as a matrix of judges and candidates, and search trees as outlines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from optillm.commands.traces.terminal import Line, Piece, fit, letter, line, safe

CELL: Final = 6
LABEL: Final = 24
ABSENT: Final = "·"
"""What stands in the matrix for a candidate that a judge was not shown."""
DECIMALS: Final = 3

Ballot = Mapping[str, Any]


def placed(ballot: Ballot) -> str:
    """Return how a ballot places the candidates: `A > B = C`, or their scores."""
    if ballot["order"]:
        return " > ".join(" = ".join(map(letter, group)) for group in ballot["order"])
    scores = ballot["scores"] or {}
    return ", ".join(f"{letter(int(index))} {score:.{DECIMALS}g}" for index, score in scores.items())


def ballots(document: Mapping[str, Any], width: int) -> list[Line]:
    """Return one line per ballot: each candidate's rank or score, and why some do not count."""
    listed: Sequence[Ballot] = document["ballots"]
    if not listed:
        return []
    judged = sorted({index for ballot in listed for index in ballot["shown"]})
    room = max(1, (width - LABEL) // CELL - 3)  # three more for the words at the end
    cells = judged if len(judged) <= room else []
    head = [line(" " * LABEL, Piece("".join(letter(index).ljust(CELL) for index in cells), "bold"))]
    rows = [
        line(
            fit(_judge(ballot), LABEL),
            *((_cell(ballot, index) for index in cells) if cells else (f"{placed(ballot)}  ",)),
            *_remark(ballot, document["calls"][ballot["call"]]),
        )
        for ballot in listed
    ]
    return [*head, *rows] if cells else rows


def _judge(ballot: Ballot) -> str:
    return f"{ballot['call']:>3}  {safe(ballot['kind'])} of {''.join(map(letter, ballot['shown']))}"


def _cell(ballot: Ballot, candidate: int) -> Piece:
    first = candidate in (ballot["order"] or [[]])[0]
    return Piece(fit(_mark(ballot, candidate), CELL), "bold green" if first else "")


def _mark(ballot: Ballot, candidate: int) -> str:
    """Return a candidate's score, or its rank, with `=` if it shares it."""
    if candidate not in ballot["shown"]:
        return ABSENT
    score = (ballot["scores"] or {}).get(str(candidate))
    if score is not None:
        return f"{score:.{DECIMALS}g}"
    rank = 1
    for group in ballot["order"] or ():
        if candidate in group:
            return f"#{rank}" + "=" * (len(group) > 1)
        rank += len(group)
    return "?"


def _remark(ballot: Ballot, judge: Mapping[str, Any]) -> Iterator[Piece]:
    """Yield why a ballot is not counted; `judge` is its call."""
    if judge["status"] == "cancelled":
        yield Piece("not waited for", "dim")
    elif ballot["unread"] is not None:
        yield Piece(f"not readable: {safe(ballot['unread'])}", "bold yellow")
    elif not ballot["counted"]:
        yield Piece(f"not counted: {safe(ballot['note'] or 'no reason on record')}", "yellow")


def tree(searched: Mapping[str, Any]) -> list[Line]:
    """Return a search tree as an outline, with the path to the winner marked."""
    below: defaultdict[int | None, list[Mapping[str, Any]]] = defaultdict(list)
    for node in searched["nodes"]:
        below[node["parent"]].append(node)
    best = set(searched["best"])
    lines: list[Line] = []
    # Not recursive: a path through a tree may be longer than Python's stack.
    waiting = [(node, "", "") for node in reversed(below[None])]
    while waiting:
        node, lead, branch = waiting.pop()
        won = node["id"] in best
        lines.append(line(Piece(lead + branch, "dim"), Piece(_node(node, won), "bold" if won else "")))
        deeper = lead + {"": "", "├─ ": "│  ", "└─ ": "   "}[branch]
        members = below[node["id"]]
        branches = ["├─ "] * (len(members) - 1) + ["└─ "] * bool(members)
        waiting += [
            (member, deeper, sign) for member, sign in reversed(list(zip(members, branches, strict=True)))
        ]
    return lines


def _node(node: Mapping[str, Any], won: bool) -> str:
    value = "" if node["value"] is None else f", value {node['value']:.{DECIMALS}g}"
    visits = "" if node["visits"] is None else f", visits {node['visits']}"
    name = "" if node["candidate"] is None else f" {letter(node['candidate'])}"
    answer = "" if node["answer"] is None else f": {safe(node['answer'])}"
    return f"{'* ' if won else ''}{safe(node['label'])}{name}{answer}{value}{visits}"
