"""Recognise a question that stands twice in a text as one question."""

from __future__ import annotations

import re

_START = re.compile(r"(?:\A|(?<=[\n:.?!])\s)\s*(?=\S)")
_HEAD = 24
_MOST_STARTS = 12
_CUE = re.compile(r"\b(?:again|once more|re-?read|repeat\w*)\b", re.IGNORECASE)
_LONGEST_CUE = 90


def once(text: str) -> str:
    """Return the text without a repetition of its question, or all of it if nothing is repeated.

    Everything before the repetition must come again.
    """
    for number, match in enumerate(_START.finditer(text)):
        if number == _MOST_STARTS:
            break
        start = match.end()
        head = text[start : start + _HEAD]
        again = start
        for _ in range(_MOST_STARTS):
            again = text.find(head, again + _HEAD)
            question = _question(text[start:again]) if again > 0 else ""
            if question and _squeezed(text[again:]).startswith(_squeezed(question)):
                return text[:start] + question
            if again < 0:
                break
    return text


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _question(first: str) -> str:
    """Return a question without a closing request to read it again; empty if there is no question."""
    cue = _CUE.search(first, max(0, len(first) - _LONGEST_CUE))
    end = first.rfind("?", 0, cue.start() if cue else len(first)) + 1
    if cue and not end:
        end = max(first.rfind(". ", 0, cue.start()), first.rfind(".\n", 0, cue.start())) + 1
    return first[:end] if end >= _HEAD else ""
