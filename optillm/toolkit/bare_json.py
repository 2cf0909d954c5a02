"""The JSON in a reply that was to be nothing but JSON, out of the Markdown and the prose that models put around it.

>>> bare_json('Here you are:\\n```json\\n{"a": 1}\\n```')
'{"a": 1}'
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from optillm.toolkit.jsontext import is_json

_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([A-Za-z][\w.+-]*)?", re.MULTILINE)


def bare_json(text: str, valid: Callable[[str], bool] = is_json) -> str:
    """Return the one JSON value in a text, as it stands there; the text itself if it is JSON or leaves a choice.

    The value is a fenced block or, without such a block, an object or an array on lines of its own. Among
    several values the only one that is `valid` counts.
    """
    if is_json(text):
        return text
    values = [block for block in _fenced(text) if is_json(block)] or list(_on_own_lines(text))
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
    if opening:
        yield (
            text[start:].strip().rstrip("`~").rstrip()
        )  # closed on the line of the last bracket, or not at all


def _on_own_lines(text: str) -> Iterator[str]:
    """Yield what stands from the first bracket of a kind to the last, if it is JSON with no text beside it."""
    covered = -1
    for start, end in sorted(
        (text.find(opening), text.rfind(closing) + 1) for opening, closing in ("{}", "[]")
    ):
        before, after = text[:start].rpartition("\n")[2], text[end:].partition("\n")[0]
        beside = before.strip(" \t`") or after.strip(" \t\r`")
        if 0 <= start < end and covered < end and not beside and is_json(text[start:end]):
            covered = end
            yield text[start:end]
