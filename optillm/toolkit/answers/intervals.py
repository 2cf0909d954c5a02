"""Read inequalities in one variable as the intervals that they describe.

"x > 3" is (3, ∞), "2 ≤ x < 5" is [2, 5), and "x < -1 or x > 4" is the union of two. An open interval between two
numbers looks like a point: it is written "]2; 5[" here, and "(2, 5)" is one only if the question asks for
intervals.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import Final, Literal, NamedTuple

from optillm.toolkit.answers.quantities import quantity
from optillm.toolkit.answers.questions import Question

_SIGN = r"\s*(<=|>=|<|>|≤|≥)\s*"
_VALUE = r"[-+]?[^<>=≤≥≠\s](?:[^<>=≤≥≠]{0,30}[^<>=≤≥≠\s])?"
_BOUNDED = re.compile(rf"({_VALUE}){_SIGN}([A-Za-z]){_SIGN}({_VALUE})")
_HALF = re.compile(rf"([A-Za-z]){_SIGN}({_VALUE})")
_HALF_TURNED = re.compile(rf"({_VALUE}){_SIGN}([A-Za-z])")
_ALL = re.compile(
    r"(?:for\s)?(?:all|every)\s(?:real\s)?(?:numbers?\s|values?\sof\s)?"
    r"(?:[a-z]\s(?:with|such that|where)\s)?(?=[a-z]\s?[<>≤≥])"
)
_IN_WORDS: Final = (
    (re.compile(r"\s(?:is\s|are\s)?(?:greater|larger|more|bigger) than or equal to\s"), " ≥ "),
    (re.compile(r"\s(?:is\s|are\s)?(?:less|smaller) than or equal to\s"), " ≤ "),
    (re.compile(r"\s(?:is\s|are\s)?(?:greater|larger|more|bigger) than\s"), " > "),
    (re.compile(r"\s(?:is\s|are\s)?(?:less|smaller) than\s"), " < "),
    (re.compile(r"\s(?:is\s)?at least\s"), " ≥ "),
    (re.compile(r"\s(?:is\s)?at most\s"), " ≤ "),
)
_BETWEEN_WORDS = re.compile(r"(?<=[\d)])\s(?:or)\s(?=[A-Za-z-]|\d)|\s?∪\s?|\s?\\cup\s?|\s?\bU\b\s?")
_INTERVAL = re.compile(r"([(\[\]])\s*([^,;()\[\]]{1,30})\s*[,;]\s*([^,;()\[\]]{1,30})\s*([)\]\[])")
_INFINITE: Final = dict.fromkeys(("∞", r"\infty", "+∞", r"+\infty", "infinity"), 1) | dict.fromkeys(
    ("-∞", r"-\infty", "-infinity"), -1
)
_MAX_LENGTH: Final = 120
_MAX_INTERVALS: Final = 4


class Interval(NamedTuple):
    """An interval: its ends, `None` for infinity, and whether each end belongs to it."""

    low: Fraction | None
    high: Fraction | None
    with_low: bool = False
    with_high: bool = False


def intervals_of(text: str, question: Question) -> tuple[str, str | None] | None:
    """Return the canonical form of the intervals in `text`, and their variable if it names one.

    Returns `None` for anything else, and for a pair such as (2, 5) or [2, 5] if the question does not ask for an
    interval.
    """
    if len(text) > _MAX_LENGTH or not re.search(
        r"[<>≤≥∪∞]|\\infty|\\cup|[\[\]]|\bthan\b|\bat (?:least|most)\b|^\(", text
    ):
        return None
    bare = text.replace("$", "")
    subject, bare = _member(bare)
    pieces = _BETWEEN_WORDS.split(bare)
    if not 0 < len(pieces) <= _MAX_INTERVALS:
        return None
    read = [_inequality(piece.strip()) or _written(piece.strip()) for piece in pieces]
    parsed = [entry for entry in read if entry]
    if len(parsed) != len(read):
        return None
    names = {name for _, name in parsed if name}
    if len(names) > 1 or (subject and names):
        return None
    ranges = [interval for interval, _ in parsed]
    if not names and not subject and len(ranges) == 1 and not _means_interval(ranges[0], question):
        return None
    return _canonical(ranges), subject or (names.pop() if names else None)


def _member(text: str) -> tuple[str | None, str]:
    """Return the variable of "x ∈ [2, 5)" and the rest of the text; `None` and all of it if there is none."""
    match = re.match(r"([A-Za-z])\s?(?:∈|\\in(?![a-z]))\s?", text)
    return (match[1], text[match.end() :]) if match else (None, text)


def _means_interval(interval: Interval, question: Question) -> bool:
    """Return whether brackets mean an interval: (2, 5) may also be a point, and [2, 5] a list."""
    if interval.low is None or interval.high is None or interval.with_low != interval.with_high:
        return True
    return question.asks_for_interval


def _inequality(text: str) -> tuple[Interval, str | None] | None:
    """Return the interval of "x > 3" or "2 < x ≤ 5" with its variable."""
    text = _ALL.sub("", text, count=1)
    for pattern, sign in _IN_WORDS:
        text = pattern.sub(sign, text)
    text = re.sub(r"(?<=\d)\sand\s(?=[<>≤≥])", " & ", text)
    if both := re.fullmatch(rf"([A-Za-z]){_SIGN}({_VALUE}) & {_SIGN}({_VALUE})", text):
        return _joint(_half(both[1], both[2], both[3]), _half(both[1], both[4], both[5]))
    if bounded := _BOUNDED.fullmatch(text):
        low, first, name, second, high = bounded.groups()
        return _joint(_half(name, _turned(first), low), _half(name, second, high))
    if half := _HALF.fullmatch(text):
        return _half(*half.groups())
    if turned := _HALF_TURNED.fullmatch(text):
        return _half(turned[3], _turned(turned[2]), turned[1])
    return None


def _turned(sign: str) -> str:
    return sign.translate(str.maketrans("<>≤≥", "><≥≤"))


def _half(name: str, sign: str, value: str) -> tuple[Interval, str] | None:
    """Return the unbounded interval that a variable, a sign and a number describe."""
    amount = quantity(value)
    if amount is None or amount.unit or "%" in value:
        return None
    closed = sign in ("≤", "≥", "<=", ">=")
    if sign[0] in "<≤":
        return Interval(None, amount.value, False, closed), name
    return Interval(amount.value, None, closed, False), name


def _joint(
    one: tuple[Interval, str] | None, other: tuple[Interval, str] | None
) -> tuple[Interval, str] | None:
    """Return the intersection of a lower and an upper bound; `None` if it is empty."""
    if one is None or other is None:
        return None
    low, high = (one[0], other[0]) if one[0].high is None else (other[0], one[0])
    if low.low is None or high.high is None or low.low >= high.high:
        return None
    return Interval(low.low, high.high, low.with_low, high.with_high), one[1]


def _written(text: str) -> tuple[Interval, None] | None:
    """Return the interval of "[2, 5)" or "[2, 5["."""
    match = _INTERVAL.fullmatch(text)
    if match is None:
        return None
    opening, low_text, high_text, closing = match.groups()
    low, high = _end(low_text.strip(), -1), _end(high_text.strip(), 1)
    if low is False or high is False or (low is not None and high is not None and low >= high):
        return None
    with_low, with_high = opening == "[", closing == "]"
    if (low is None and with_low) or (high is None and with_high):
        return None
    return Interval(low, high, with_low, with_high), None


def _end(text: str, side: int) -> Fraction | Literal[False] | None:
    """Return the number at an end, `None` for infinity with the sign of that side, `False` for anything else."""
    if sign := _INFINITE.get("".join(text.split())):
        return None if sign == side else False
    amount = quantity(text)
    return amount.value if amount and amount.unit is None else False


def _canonical(ranges: Sequence[Interval]) -> str:
    ordered = sorted(ranges, key=lambda interval: (interval.low is not None, interval.low or 0))
    return " ∪ ".join(map(_spelled, ordered))


def _spelled(interval: Interval) -> str:
    low, high, with_low, with_high = interval
    like_a_point = low is not None and high is not None and not with_low and not with_high
    opening = "[" if with_low else "]" if like_a_point else "("
    closing = "]" if with_high else "[" if like_a_point else ")"
    return f"{opening}{'-∞' if low is None else low}; {'∞' if high is None else high}{closing}"
