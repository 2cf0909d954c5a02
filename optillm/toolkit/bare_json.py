"""The JSON in a reply that was to be nothing but JSON, out of the Markdown and the prose that models put around it.

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
"""Lines that begin with a bracket and are read as JSON: each may be as long as the text."""
_LONGEST: Final = 1_000_000


def bare_json(text: str, valid: Callable[[str], bool] = is_json) -> str:
    """Return the JSON value in a text as it stands there, the text itself if it has none or several.

    The value is the whole text, a fenced block or, without such a block, an object or an array on lines of its
    own. Of several values the only one that is `valid` counts.
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
    if opening:  # closed behind the last bracket, or not at all
        yield text[start:].strip().rstrip("`~").rstrip()


def _on_own_lines(text: str) -> Iterator[str]:
    """Yield the objects and arrays that begin and end a line."""
    end, decoder = 0, json.JSONDecoder()
    for match in islice(_BRACKET.finditer(text), _MOST_TRIES):
        start = match.end() - 1
        if start < end:  # inside the one before
            continue
        with suppress(ValueError, RecursionError):
            end = decoder.raw_decode(text, start)[1]
            if not text[end:].partition("\n")[0].strip(" \t\r`") and is_json(text[start:end]):
                yield text[start:end]
