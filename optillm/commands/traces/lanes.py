"""Where the time of a request went: one bar per upstream call, in lanes by round."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, Self

from optillm.commands.traces.judging import placed
from optillm.commands.traces.terminal import Line, Piece, fit, letter, line, safe

ROLES: Final = {"generate": "#56B4E9", "judge": "#E69F00", "write": "#009E73", "verify": "#CC79A7"}
"""The colours of roles, which colour-blind people can tell apart (Okabe and Ito)."""
MORE: Final = ("#D55E00", "#F0E442", "#0072B2")
"""The colours of other roles, in the order in which they appear."""
FULL, CUT, WAITING, FIRST, RUNNING, EIGHTHS = "█", "▒", "─", "◆", "▶", " ▏▎▍▌▋▊▉"
RESULT: Final = 24
"""Columns for what came of a call, or a quarter of the width if that is less."""
ROUND, MARK, SECONDS = 9, 2, 10
"""Columns for the round, the mark of the longest chain, and how long a call took."""
NARROWEST: Final = 20
"""Columns for bars, at least."""
STEPS: Final = (1, 2, 5, 10)
TICK: Final = 10
"""Columns between two times on the axis, at least."""

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
        rough = self.seconds / max(1, self.columns // TICK)
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
    if not document["calls"]:
        return []
    chart = _Chart.of(document, width)
    calls = sorted(document["calls"], key=lambda call: (call["round"], call["start"], call["id"]))
    lines = [line(" " * chart.left, Piece(chart.scale.axis(), "dim"))]
    for number, members in groupby(calls, key=lambda call: call["round"]):
        first, *others = members
        lines += [chart.row(first, f"round {number}"), *(chart.row(call, "") for call in others)]
    return [*lines, *_legend(chart.colours, width)]


@dataclass(frozen=True, slots=True)
class _Chart:
    """What the lines of a chart share: the widths of their parts, and the colours of roles."""

    document: Mapping[str, Any]
    scale: Scale
    digits: int
    names: int
    room: int
    colours: Mapping[str, str]

    @classmethod
    def of(cls, document: Mapping[str, Any], width: int) -> Self:
        """Return the chart of a request that has calls."""
        calls = document["calls"]
        digits, names = len(str(len(calls) - 1)), max(len(call["role"]) for call in calls)
        room = min(RESULT, width // 4)
        columns = max(NARROWEST, width - ROUND - MARK - digits - names - 2 - SECONDS - room)
        end = max([document["seconds"] or 0.0, *(call["end"] or call["start"] for call in calls), 1e-3])
        colours = role_colours(call["role"] for call in calls)
        return cls(document, Scale(end, columns), digits, names, room, colours)

    @property
    def left(self) -> int:
        """Return the column in which bars begin."""
        return ROUND + MARK + self.digits + self.names + 2

    def row(self, call: Call, label: str) -> Line:
        """Return the line of one call."""
        bold = "bold" if call["critical"] else ""
        return [
            Piece(label.ljust(ROUND)),
            Piece("* ".ljust(MARK) if call["critical"] else " " * MARK, bold),
            Piece(f"{call['id']:>{self.digits}} {call['role']:{self.names}} ", bold),
            Piece(bar(call, self.scale, unread=_unread(call, self.document)), self.colours[call["role"]]),
            Piece(_seconds(call)),
            Piece(fit(result(call, self.document, self.room), self.room).rstrip(), _result_style(call)),
        ]


def role_colours(roles: Iterable[str]) -> dict[str, str]:
    """Return a colour for each role."""
    names = dict.fromkeys(roles)
    others = [name for name in names if name not in ROLES]
    colours = ROLES | {name: MORE[index % len(MORE)] for index, name in enumerate(others)}
    return {name: colours[name] for name in names}


def bar(call: Call, scale: Scale, *, unread: bool) -> str:
    """Return a call's bar in the columns of the scale."""
    end = scale.columns if call["end"] is None else scale.at(call["end"])
    first = min(scale.columns - 1, int(scale.at(call["start"])))
    last = max(first + 1, math.ceil(end))
    broken = unread or call["status"] in ("cancelled", "failed") or bool(call["repetitions"])
    drawn = [CUT if broken else FULL] * (last - first)
    if not broken and end % 1 and len(drawn) > 1:
        drawn[-1] = EIGHTHS[int(end % 1 * 8)]
    _mark_moments(drawn, call, scale, first)
    return (" " * first + "".join(drawn)).ljust(scale.columns)


def _mark_moments(drawn: list[str], call: Call, scale: Scale, first: int) -> None:
    """Put the wait, the first token and the present into a bar; it begins in column `first`."""

    def index(seconds: float | None) -> int:
        column = first if seconds is None else int(scale.at(seconds))
        return min(len(drawn) - 1, max(0, column - first))

    waited = index(call["sent"])
    drawn[:waited] = [WAITING] * waited
    if call["first_token"] is not None:
        drawn[index(call["first_token"])] = FIRST
    if call["status"] == "running":
        drawn[-1] = RUNNING


def result(call: Call, document: Mapping[str, Any], room: int = RESULT) -> str:
    """Return in a few words what came of a call; a ranking without room loses its spaces."""
    words = safe(", ".join(_results(call, document)))
    return words if len(words) <= room or " > " not in words else words.replace(" ", "")


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


def _legend(colours: Mapping[str, str], width: int) -> list[Line]:
    """Return what colours and signs mean, on one line if that is wide enough."""
    roles = [Piece(f"{FULL} {role}  ", colour) for role, colour in colours.items()]
    signs = Piece(
        f"{CUT} cut, failed, repeated or unread  {WAITING} waiting  {FIRST} first token  * longest chain",
        "dim",
    )
    fits = sum(len(role.text) for role in roles) + len(signs.text) <= width
    return [[*roles, signs]] if fits else [roles, [signs]]
