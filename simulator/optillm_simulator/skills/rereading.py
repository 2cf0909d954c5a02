"""A question that stands twice in a text is one question."""

from __future__ import annotations

import re

_START = re.compile(r"(?:\A|(?<=[\n:.?!])\s)\s*(?=\S)")
_HEAD = 24
_MOST_STARTS = 12
_CUE = re.compile(r"\b(?:again|once more|re-?read|repeat\w*)\b", re.IGNORECASE)
_LONGEST_CUE = 90


def once(text: str) -> str:
    """The text up to where it begins to repeat itself, when all that was asked so far comes again, else all of it."""
    for number, match in enumerate(_START.finditer(text)):
        if number == _MOST_STARTS:
            break
        start = match.end()
        head = text[start : start + _HEAD]
        again = start
        for _ in range(_MOST_STARTS):
            again = text.find(head, again + _HEAD)
            asked = _asked(text[start:again]) if again > 0 else ""
            if asked and _said(text[again:]).startswith(_said(asked)):
                return text[:start] + asked
            if again < 0:
                break
    return text


def _said(text: str) -> str:
    return " ".join(text.split())


def _asked(first: str) -> str:
    """A question without the cue at its end to read it again; empty when it is none."""
    cue = _CUE.search(first, max(0, len(first) - _LONGEST_CUE))
    end = first.rfind("?", 0, cue.start() if cue else len(first)) + 1
    if cue and not end:
        end = max(first.rfind(". ", 0, cue.start()), first.rfind(".\n", 0, cue.start())) + 1
    return first[:end] if end >= _HEAD else ""
