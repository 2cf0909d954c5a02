"""Answers that consist of several items: bracketed lists, matrices, rankings, enumerations in words."""

from __future__ import annotations

import re
from typing import NamedTuple

from optillm.toolkit.answers.quantities import quantity
from optillm.toolkit.answers.typography import peel
from optillm.toolkit.answers.vocabulary import CLAUSE_STARTS

_MATRIX = re.compile(r"\\begin\{([pbB]?matrix)\}(.*)\\end\{\1\}", re.DOTALL)


def matrix_rows(text: str) -> list[list[str]]:
    """Return the rows of a LaTeX matrix; empty for anything else."""
    match = _MATRIX.fullmatch(text)
    if not match:
        return []
    rows = (row for row in match[2].split("\\\\") if row.strip())
    return [[cell.strip() for cell in row.split("&")] for row in rows]


def bracketed(text: str) -> tuple[str, list[str], str] | None:
    """Return opening bracket, items and closing bracket of a text that one pair of brackets encloses."""
    text = text.replace("\\{", "{").replace("\\}", "}")
    if text[:1] not in ("(", "[", "{") or text[-1:] not in (")", "]", "}"):
        return None
    if (text[0] == "{") != (text[-1] == "}"):
        return None
    items = _split_items(text[1:-1])
    return (text[0], items, text[-1]) if items and all(items) else None


def split_top(text: str, separators: str) -> list[str]:
    """Return the pieces between separators outside brackets; empty if the brackets do not balance."""
    pieces: list[str] = []
    depth = start = 0
    for at, char in enumerate(text):
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth < 0:
                return []
        elif char in separators and depth == 0:
            pieces.append(text[start:at].strip())
            start = at + 1
    return [*pieces, text[start:].strip()] if depth == 0 else []


_CHAIN = re.compile(r"\s*(?:->|=>|→|⇒|>|≻|<|\\to(?![a-z])|\\rightarrow|\\succ|\\gt?(?![a-z]))\s*")


def _split_items(text: str) -> list[str]:
    """Return the items of a list: between semicolons, or where there are none between commas or line ends."""
    groups = split_top(text, ";")
    return groups if len(groups) > 1 else split_top(text, ",\n")


_LESS = re.compile(r"<")
_MORE = re.compile(r">|≻|\\succ|\\gt")
_NAME = re.compile(r"[^\W\d_][\w .'&/-]{0,39}")
_JOINER = re.compile(r"^(?:and|then|followed by|finally|lastly|and then|and finally)\s+", re.IGNORECASE)
_THEN = re.compile(r",?\s+(?:and then|then|followed by)\s+", re.IGNORECASE)
_NUMBERING = re.compile(
    r"^(?:(\d{1,2})\s?[.):](?!\d)\s?|(\d{1,2})(?:st|nd|rd|th)\s?(?:place)?\s?[:–-]\s?)(?=\S)"
)
_CLAIM = re.compile(r"\w{1,20} (?:is|are|was|were) ")
_ASSIGNMENT = re.compile(r"\s?([A-Za-z](?:_\{?\w\}?)?)\s?=([^=]+)")


_INLINE_NUMBER = re.compile(r"(?:^|(?<=[\s,;]))\(?(\d{1,2})[.):]\s")


class Items(NamedTuple):
    """The items of a list, the brackets that show its kind, and the variables they are values of."""

    opening: str
    items: list[str]
    closing: str
    subject: str | None = None


def bare_items(
    text: str, *, in_order: bool = False, as_set: bool = False, direction: int = 0
) -> Items | None:
    """Return the items of a list without brackets; prose with commas is no list.

    Commas, arrows, ">" and "then" make a sequence; "or" makes alternatives, and so does "and" between two unless
    the question asks for them `in_order`; `as_set`: the question asks for a set. "x = 1, y = 2" is the tuple of the
    values in the order of their names. If `direction` is known (1 rising, -1 falling), "3 < 7" and "7 > 3" are the
    same list. If it is 0, a list with "<" differs from one with commas.
    """
    return (
        _chain(text, direction)
        or _alternatives(text)
        or _enumeration(text)
        or _sequence(text, in_order=in_order, as_set=as_set)
    )


def _chain(text: str, direction: int) -> Items | None:
    parts = [_without_number(part) for part in _CHAIN.split(text)]
    rising, falling = _LESS.search(text), _MORE.search(text)
    if rising and _CHAIN.search(_LESS.sub("", text)):
        return None
    # Signs say which item is larger; a list needs the question to say at which end it begins.
    if (rising and direction <= 0) or (falling and direction > 0):
        parts.reverse()
    closing = ">)" if rising and not direction else ")"
    if len(parts) > 2 and all(quantity(part) for part in parts):
        return Items("(", parts, closing)
    if len(parts) < 2 or not all(_NAME.fullmatch(part) for part in parts):
        return None
    # "x > y" is an inequality, "Ann > Bob" and "B > A > C" are rankings.
    return Items("(", parts, closing) if len(parts) > 2 or min(map(len, parts)) > 1 else None


def _alternatives(text: str) -> Items | None:
    parts = re.split(r",?\s+or\s+|,\s?", text) if " or " in text else []
    assigned = [_ASSIGNMENT.fullmatch(part) for part in parts]
    names = {match[1] for match in assigned if match}
    if len(parts) > 1 and all(assigned) and len(names) == 1:
        return Items("{", [match[2].strip() for match in assigned if match], "}", names.pop())
    first = _ASSIGNMENT.fullmatch(parts[0]) if parts else None
    values = [first[2].strip(), *parts[1:]] if first else parts
    if len(values) < 2 or not all(quantity(value) for value in values):
        return None
    return Items("{", values, "}", first[1] if first else None)


def _enumeration(text: str) -> Items | None:
    """Return the items of "1. Ann 2. Bob", which nothing but their numbers separates."""
    numbers = list(_INLINE_NUMBER.finditer(text))
    if len(numbers) < 2 or [int(match[1]) for match in numbers] != list(range(1, len(numbers) + 1)):
        return None
    ends = [match.start() for match in numbers[1:]] + [len(text)]
    parts = [text[match.end() : end].strip(" ,;\n") for match, end in zip(numbers, ends, strict=True)]
    listed = not text[: numbers[0].start()].strip() and all(map(_is_item, parts))
    return Items("(", parts, ")") if listed else None


def _sequence(text: str, *, in_order: bool, as_set: bool) -> Items | None:
    text = _THEN.sub(", ", text)
    parts = _split_items(text)
    alone = len(parts) == 1
    head, joined, tail = parts[-1].rpartition(" and ") if parts else ("", "", "")
    if joined and head:
        parts[-1:] = [head.strip(), tail.strip()]
    parts = _unnumbered([peel(_JOINER.sub("", part)) for part in parts])
    if len(parts) < 2 or not all(map(_is_item, parts)):
        return None
    assigned = [_ASSIGNMENT.fullmatch(part) for part in parts]
    pairs = sorted((match[1], match[2].strip()) for match in assigned if match)
    if len(pairs) == len(parts):
        names = [name for name, _ in pairs]
        if len(set(names)) == 1:
            return Items("{", [value for _, value in pairs], "}", names[0])
        return Items("(", [value for _, value in pairs], ")", ",".join(names))
    # "Ann is the knave, Bob is the knight" says the same the other way round, and so does a pair.
    if as_set or all(map(_CLAIM.match, parts)):
        return Items("{", parts, "}")
    if alone and len(parts) == 2 and not in_order:
        return Items("{", parts, " and}")  # both of them, where "2 or 3" leaves it open
    return Items("(", parts, ")")


def _is_item(part: str) -> bool:
    words = part.split()
    if not words or len(words) > 4:
        return False
    # A sentence that happens to contain a comma is not a list.
    return words[0].casefold() not in CLAUSE_STARTS and not part.endswith(("?", "!"))


def _unnumbered(parts: list[str]) -> list[str]:
    """Return the items without their numbers, when they are numbered from one on; else as they are."""
    numbers = [_NUMBERING.match(part) for part in parts]
    if [int(match[1] or match[2]) for match in numbers if match] != list(range(1, len(parts) + 1)):
        return parts
    return [_without_number(part) for part in parts]


def _without_number(part: str) -> str:
    return _NUMBERING.sub("", part.strip())
