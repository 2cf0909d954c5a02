"""Extract the JSON from a reply that should be nothing else but has text around it.

>>> bare_json('Here you are:\\n```json\\n{"a": 1}\\n```')
'{"a": 1}'
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Final

from optillm.toolkit.answers.jsontext import canonical_json, is_json, parse_json

_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([A-Za-z][\w.+-]*)?", re.MULTILINE)
_OPENING_LINE = re.compile(r"^[ \t]*`?[\[{]", re.MULTILINE)
_OPENING = re.compile(r"\{(?=\s*[\"}])|\[")
"""The start of an object or array anywhere; braces of formulas and templates do not count."""
_CODE = re.compile(r"[{}\[\]<>=\\]|`{2}|\w\(")
"""Characters that show a text to be code, or more than prose around one object."""
_MOST_TRIES: Final = 32
"""How many positions are tried as the start of JSON: each try may read the whole text."""
_MAX_SEARCHED: Final = 1_000_000
"""How many characters of a text are searched for JSON without a fence."""


def bare_json(text: str, valid: Callable[[str], bool] = is_json, *, anywhere: bool = False) -> str:
    """Return the JSON value in a text, unchanged; the whole text if it has none, or several.

    The value may be the whole text, a fenced block or, if no block is JSON, an object or array on lines of its own.
    If exactly one of several values is `valid`, it is that one; with `anywhere`, it may also be within a line.
    """
    if is_json(text):
        return text
    blocks = [block for block in _fenced(text) if is_json(block)] or list(_on_own_lines(text[:_MAX_SEARCHED]))
    values = [*blocks, *_top_level(text)] if anywhere else blocks
    candidates = _different(value for value in values if valid(value)) or _different(blocks)
    return candidates[0] if len(candidates) == 1 else text


def object_in_prose(text: str) -> str:
    """Return the only JSON object in a text that is otherwise prose; else the whole text.

    If there is code or other JSON beside the object, it may not be the answer.
    """
    values, prose = _top_level(text), text
    for value in values:
        prose = prose.replace(value, " ")
    different = _different(values)
    alone = len(different) == 1 and different[0].startswith("{") and not _CODE.search(prose)
    return different[0] if alone else text


def _different(values: Iterable[str]) -> list[str]:
    """Return one text for each different value; layout and the order of keys make no difference."""
    different = dict[str, str]()
    for value in values:
        with suppress(ValueError):
            different.setdefault(canonical_json(parse_json(value)), value)
    return list(different.values())


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
    for start, end in _spans(text, _OPENING_LINE):
        if not text[end:].partition("\n")[0].strip(" \t\r`"):
            yield text[start:end]


def _top_level(text: str) -> list[str]:
    """Return the outermost objects and arrays of a text.

    There are none if one of them is inside an unclosed bracket. That one would be a part of JSON that is broken or was
    cut off, and not the answer.
    """
    values, outside, position = list[str](), "", 0
    if len(text) > _MAX_SEARCHED:
        return []
    for start, end in _spans(text, _OPENING):
        outside += text[position:start]
        if outside.count("{") != outside.count("}") or outside.count("[") != outside.count("]"):
            return []
        values.append(text[start:end])
        position = end
    return values


def _spans(text: str, opening: re.Pattern[str]) -> list[tuple[int, int]]:
    """Return starts and ends of JSON objects and arrays that begin where a match ends.

    Empty if there are too many places to try: the rest might hold other values.
    """
    spans, position, decoder = list[tuple[int, int]](), 0, json.JSONDecoder()
    for _ in range(_MOST_TRIES):
        match = opening.search(text, position)
        if match is None:
            return spans
        start, position = match.end() - 1, match.end()
        with suppress(ValueError, RecursionError):
            end = decoder.raw_decode(text, start)[1]
            if is_json(text[start:end]):
                position = end
                spans.append((start, end))
    return []
