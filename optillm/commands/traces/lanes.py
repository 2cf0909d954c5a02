"""Where the time of a request went: one bar per upstream call, in lanes by round, with time to the right."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from optillm.commands.traces.judging import placed
from optillm.commands.traces.terminal import Line, Piece, fit, letter, line, safe

ROLES: Final = {"generate": "#56B4E9", "judge": "#E69F00", "write": "#009E73", "verify": "#CC79A7"}
"""The colours of roles, which colour-blind people can tell apart (Okabe and Ito)."""
MORE: Final = ("#D55E00", "#F0E442", "#0072B2")
"""The colours of other roles, in the order in which they appear."""
FULL, CUT, WAITING, FIRST, RUNNING, EIGHTHS = "█", "▒", "─", "◆", "▶", "▏▎▍▌▋▊▉"
RESULT: Final = 24
"""Columns for what came of a call."""
STEPS: Final = (1, 2, 5, 10)
TICKS: Final = 6
"""At most so many times are marked on the axis."""

Call = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scale:
    """Seconds of a request, and the columns that they take."""

    seconds: float
    columns: int

    def at(self, seconds: float) -> float:
        """Return the column of a moment, with its fraction."""
        return min(self.columns, max(0.0, seconds / self.seconds * self.columns))

    def axis(self) -> str:
        """Return a line with the times of round columns."""
        rough = self.seconds / TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(each * power for each in STEPS if each * power >= rough)
        text = ""
        for tick in range(int(self.seconds / step) + 1):
            label, column = f"{tick * step:g}", int(self.at(tick * step))
            if len(text) <= column:
                text = text.ljust(column) + label
        return f"{text} s"


def lanes(document: Mapping[str, Any], width: int) -> list[Line]:
    """Return the chart of a request's calls, and what its signs mean."""
    calls = sorted(document["calls"], key=lambda call: (call["round"], call["start"], call["id"]))
    if not calls:
        return []
    names, digits = max(len(call["role"]) for call in calls), len(str(len(calls) - 1))
    left = len("round 10") + digits + names + 5
    end = max([document["seconds"] or 0.0, *(call["end"] or call["start"] for call in calls), 1e-3])
    scale = Scale(end, max(20, width - left - RESULT - 10))
    colours = role_colours(call["role"] for call in calls)
    lines = [line(" " * left, Piece(scale.axis(), "dim"))]
    for number, members in groupby(calls, key=lambda call: call["round"]):
        for index, call in enumerate(members):
            label = f"round {number}" if index == 0 else ""
            mark = Piece("* " if call["critical"] else "  ", "bold")
            name = f"{call['id']:>{digits}} {call['role']:{names}} "
            lines.append(
                [
                    Piece(f"{label:9}"),
                    mark,
                    Piece(name, "bold" if call["critical"] else ""),
                    Piece(bar(call, scale, unread=_unread(call, document)), colours[call["role"]]),
                    Piece(_seconds(call)),
                    Piece(fit(result(call, document), RESULT).rstrip(), _result_style(call)),
                ]
            )
    return [*lines, _legend(colours)]


def role_colours(roles: Iterable[str]) -> dict[str, str]:
    """Return a colour for each role."""
    names = dict.fromkeys(roles)
    others = [name for name in names if name not in ROLES]
    colours = ROLES | {name: MORE[index % len(MORE)] for index, name in enumerate(others)}
    return {name: colours[name] for name in names}


def bar(call: Call, scale: Scale, *, unread: bool) -> str:
    """Return a call's bar in the columns of the scale."""
    start = scale.at(call["start"])
    end = scale.columns if call["end"] is None else scale.at(call["end"])
    first, last = int(start), max(int(start) + 1, math.ceil(end))
    broken = unread or call["status"] in ("cancelled", "failed") or bool(call["repetitions"])
    drawn = [CUT if broken else FULL] * (last - first)
    if not broken and end % 1 and len(drawn) > 1:
        drawn[-1] = EIGHTHS[int(end % 1 * 8) - 1] if end % 1 >= 1 / 8 else " "
    sent = None if call["sent"] is None else int(scale.at(call["sent"]))
    for column in range(first, min(last - 1, first if sent is None else sent)):
        drawn[column - first] = WAITING
    if call["first_token"] is not None:
        drawn[min(last - 1, int(scale.at(call["first_token"]))) - first] = FIRST
    if call["status"] == "running":
        drawn[-1] = RUNNING
    return (" " * first + "".join(drawn))[: scale.columns].ljust(scale.columns)


def result(call: Call, document: Mapping[str, Any]) -> str:
    """Return in a few words what came of a call, without spaces if that makes it fit."""
    words = safe(", ".join(_results(call, document)))
    return words if len(words) <= RESULT or " > " not in words else words.replace(" ", "")


def _results(call: Call, document: Mapping[str, Any]) -> Iterator[str]:
    if call["status"] == "failed":
        yield call["error"] or "failed"
    elif call["status"] != "ok":
        yield call["status"]
    if call["ballot"] is not None and call["status"] == "ok":
        ballot = document["ballots"][call["ballot"]]
        yield "not readable" if ballot["unread"] is not None else placed(ballot)
    candidates: Sequence[Mapping[str, Any]] = [document["candidates"][index] for index in call["candidates"]]
    for candidate in candidates:
        answer = "" if candidate["answer"] is None else f" {candidate['answer']}"
        yield f"{letter(candidate['index'])}{answer}"
    if call["repetitions"]:
        yield "repeated"
    if call["cached"]:
        yield "from the cache"
    if call["retries"]:
        yield f"retries: {call['retries']}"


def _unread(call: Call, document: Mapping[str, Any]) -> bool:
    return call["ballot"] is not None and document["ballots"][call["ballot"]]["unread"] is not None


def _seconds(call: Call) -> str:
    return " " * 10 if call["end"] is None else f"{call['end'] - call['start']:6.2f} s  "


def _result_style(call: Call) -> str:
    return {"failed": "bold red", "cancelled": "dim", "running": "bold"}.get(call["status"], "")


def _legend(colours: Mapping[str, str]) -> Line:
    roles = [Piece(f"{FULL} {role}  ", colour) for role, colour in colours.items()]
    signs = f"{CUT} cut, failed, repeated or not readable  {WAITING} waiting  {FIRST} first token  * longest chain"
    return [*roles, Piece(signs, "dim")]
