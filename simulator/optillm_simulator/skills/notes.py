"""Read the outcome of each step back from somebody's worked solution."""

from __future__ import annotations

import re
from collections.abc import Mapping

from optillm_simulator.skills.reasoner import Task, parts
from optillm_simulator.skills.sums import Sum

_MARK = re.compile(r"\b(?:step|claim|line)\s{1,3}(\d{1,2})\s{0,2}[*_]{0,2}[:.)]", re.IGNORECASE)
_OUTCOME = re.compile(r"=\s{0,3}\$?(-?\d[\d,]{0,15}(?:\.\d{1,12}|/[1-9]\d{0,12})?)\b(?!\s{0,3}[-+*×÷/=])")
_READING = re.compile(r", so ([^\n]+?)\.?\s*\Z")


def steps_noted(text: str) -> list[tuple[int, str]]:
    """Return the numbered steps of a text: number and content, up to the line's end or the next step."""
    marks = list(_MARK.finditer(text))
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    return [
        (int(mark[1]), text[mark.end() : end].strip().partition("\n")[0].strip())
        for mark, end in zip(marks, ends, strict=False)
    ]


def outcomes(task: Task, text: str) -> Mapping[int, str]:
    """Return what each numbered step comes to: the number, or the reading of the clue.

    If a step is repeated, the last one counts.
    """
    noted: dict[int, str] = {}
    last = len(parts(task))
    for number, content in steps_noted(text):
        if isinstance(task, Sum):
            numbers = _OUTCOME.findall(content)
            if numbers and number <= last:
                noted[number] = numbers[-1].replace(",", "")
        elif (reading := _READING.search(content)) and number <= last:
            noted[number] = reading[1]
    return noted
