"""The line that an instruction wants between a reply's thoughts and its answer."""

from __future__ import annotations

import re

_WANTED = re.compile(r"\b(?:line|marker|delimiter|separator|divider|fence)s?\b", re.IGNORECASE)
_SIGNS = r"[=#~*@%+|<>\[\]{}§_-]"
_ALONE = re.compile(rf"^[ \t]*({_SIGNS}{{2,}}[^\n]{{0,60}}{_SIGNS}{{2,}})[ \t]*$", re.MULTILINE)
_QUOTED = re.compile(
    r"\b(?:line|marker|delimiter|separator|divider)\b[^\n\"'`“]{0,80}[\"'`“]{1,3}([^\n\"'`”]{2,80})[\"'`”]",
    re.IGNORECASE,
)
_INLINE = re.compile(rf"(?<![\w*])({_SIGNS}{{2,}}[ ]?[\w.:/ -]{{1,40}}?[ ]?{_SIGNS}{{2,}})(?!\w)")
_NAMED = re.compile(
    r"\b(?:line|marker|delimiter|separator|divider)\b[^\n:]{0,60}:[ ]{0,2}([^\s\"'`]{3,40})(?=[.,;]?\s|\Z)",
    re.IGNORECASE,
)
_SIGN = re.compile(_SIGNS)
_ONLY = re.compile(
    r"\b(?:only|just|alone|exactly|solely|nothing|reads?|consist\w*|contain\w*|marker)\b", re.IGNORECASE
)


def marker_in(instruction: str) -> str:
    """Return the marker exactly as it is to be written, or an empty string if none is requested."""
    if not _WANTED.search(instruction):
        return ""
    for pattern in (_ALONE, _QUOTED, _INLINE, _NAMED):
        for match in pattern.finditer(instruction):
            marker = match[1].strip()
            firm = (
                pattern in (_ALONE, _INLINE) or _SIGN.match(marker) or _ONLY.search(match[0][: -len(marker)])
            )
            if firm and re.search(r"\w", marker) and not marker.startswith("{"):
                return marker.rstrip(".,;") if pattern is _NAMED else marker
    return ""
