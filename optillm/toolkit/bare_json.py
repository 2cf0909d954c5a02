"""Extract the JSON from a reply that should be nothing else but has text around it.

>>> bare_json('Here you are:\\n```json\\n{"a": 1}\\n```')
'{"a": 1}'
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Final

from optillm.toolkit.jsontext import is_json

_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([A-Za-z][\w.+-]*)?", re.MULTILINE)
_BRACKET = re.compile(r"^[ \t]*`?[\[{]", re.MULTILINE)
_MOST_TRIES: Final = 16
"""The most lines that are tried as the start of JSON: each try may read the whole text."""
_LONGEST: Final = 1_000_000


def bare_json(text: str, valid: Callable[[str], bool] = is_json) -> str:
    """Return the JSON value in a text, unchanged; the whole text if it has none, or several.

    The value may be the whole text, a fenced block or, if no block is JSON, an object or array on lines of its own.
    If exactly one of several values is `valid`, it is that one.
    """
    if is_json(text):
        return text
    values = [block for block in _fenced(text) if is_json(block)] or list(_on_own_lines(text[:_LONGEST]))
    candidates = dict.fromkeys([value for value in values if valid(value)] or values)
    return next(iter(candidates)) if len(candidates) == 1 else text


def _fenced(text: str) -> Iterator[str]:
    """Yield the contents of the fenced blocks; an unclosed one runs to the end."""
    start, opening = 0, ""
    for match in _FENCE.finditer(text):
        marks, language = match.groups()
        if not opening:
            start, opening = match.end(), marks
        elif marks.startswith(opening) and not language:
            yield text[start : match.start()].strip()
            opening = ""
    if opening:  # closed right after the last bracket, or never
        yield text[start:].strip().rstrip("`~").rstrip()


def _on_own_lines(text: str) -> Iterator[str]:
    """Yield the objects and arrays that begin and end a line."""
    end, decoder = 0, json.JSONDecoder()
    for match in islice(_BRACKET.finditer(text), _MOST_TRIES):
        start = match.end() - 1
        if start < end:  # inside the previous value
            continue
        with suppress(ValueError, RecursionError):
            end = decoder.raw_decode(text, start)[1]
            if not text[end:].partition("\n")[0].strip(" \t\r`") and is_json(text[start:end]):
                yield text[start:end]
