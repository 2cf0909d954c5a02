"""Numbers in digits and in English words, read exactly."""

from __future__ import annotations

import re
from fractions import Fraction

from optillm.toolkit.answers.vocabulary import NUMERALS, PARTS, SCALES

_MAX_EXPONENT = 1000  # a larger one would fill the memory with the digits of one number
_GROUPED = r"\d{1,3}(?:,\d{3})+(?![\d,])|\d{1,3}(?: \d{3})+(?!\d)|\d{1,2}(?:,\d{2})+,\d{3}(?!\d)"
_DECIMAL = rf"(?:(?:{_GROUPED})(?:\.\d+)?|\d+(?:\.\d*)?|\.\d+)"
_ARGUMENT = rf"\{{\s*([-+]?{_DECIMAL})\s*\}}"
_MIXED = re.compile(
    r"(\d+)\s*\\frac\s?(?:\{\s*(\d+)\s*\}\s?\{\s*(\d+)\s*\}|\s?(\d)\s?(\d))|(\d+)[ -](\d+)\s?/\s?(\d+)"
)
_FRAC = re.compile(rf"\\frac\s?(?:{_ARGUMENT}\s?{_ARGUMENT}|\s?(\d)\s?(\d))")
_RATIO = re.compile(rf"({_DECIMAL})\s?/\s?({_DECIMAL})")
_TIMES_TEN = r"\s?(?:[×*·x]|\\times|\\cdot)\s?10\s?(?:\^|\*\*)\s?(?:\{\s?([-+]?\d+)\s?\}|([-+]?\d+))"
_SCIENTIFIC = re.compile(rf"({_DECIMAL})(?:{_TIMES_TEN}|[eE]([-+]?\d+))")
_PLAIN = re.compile(_DECIMAL)


def number_at_start(text: str) -> tuple[Fraction, int] | None:
    """Return the number at the start of a text, in digits or in words, and where it ends."""
    return _number(text) or _spoken(text)


def _number(text: str) -> tuple[Fraction, int] | None:
    """Return the number in digits at the start of `text`, and where it ends."""
    try:
        if match := _MIXED.match(text):
            whole, over, under = (int(part) for part in match.groups() if part is not None)
            return whole + Fraction(over, under), match.end()
        if match := _FRAC.match(text) or _RATIO.match(text):
            over_text, under_text = (part for part in match.groups() if part is not None)
            return _decimal(over_text) / _decimal(under_text), match.end()
        if match := _SCIENTIFIC.match(text):
            power = int(next(part for part in match.groups()[1:] if part is not None))
            if abs(power) > _MAX_EXPONENT:
                return None
            return _decimal(match[1]) * Fraction(10) ** power, match.end()
        if match := _PLAIN.match(text):
            return _decimal(match[0]), match.end()
    except ZeroDivisionError:
        return None
    return None


def _decimal(digits: str) -> Fraction:
    return Fraction(digits.replace(",", "").replace(" ", "").rstrip(".") or "0")


_WORD = re.compile(r"[\s-]*([A-Za-z]+)")
_SHARE = re.compile(r"(?:an?\s)?(half)\b|an?\s(third|quarter|fifth|tenth)\b", re.IGNORECASE)
_PART = re.compile(rf"[\s-]({'|'.join(sorted(PARTS, key=len, reverse=True))})\b", re.IGNORECASE)
_SPOKEN = "|".join(sorted(NUMERALS, key=len, reverse=True))
_MIXED_WORDS = re.compile(
    rf"(?P<whole>(?:{_SPOKEN})(?:[ -](?:{_SPOKEN}|hundred|thousand)){{0,4}})\s+and\s+(?P<over>{_SPOKEN})"
    rf"[\s-](?P<under>{'|'.join(sorted(PARTS, key=len, reverse=True))})\b",
    re.IGNORECASE,
)
_AND_PART = re.compile(r"\s+and\s+(?:an?|one)\s+(half|third|quarter|fourth|fifth)\b", re.IGNORECASE)


def _spoken(text: str) -> tuple[Fraction, int] | None:
    """Return the number in English words at the start of `text`, and where it ends."""
    if mixed := _MIXED_WORDS.match(text):
        whole = _spoken(mixed["whole"])
        over_under = Fraction(NUMERALS[mixed["over"].casefold()], PARTS[mixed["under"].casefold()])
        return (whole[0] + over_under, mixed.end()) if whole else None
    total = group = end = 0
    has_numeral = False
    while word := _WORD.match(text, end):
        name = word[1].casefold()
        if name in NUMERALS and _extends(group, NUMERALS[name]):
            group += NUMERALS[name]
        elif name == "hundred" and has_numeral:
            group *= 100
        elif name in SCALES and has_numeral and name != "dozen":
            total, group = total + group * SCALES[name], 0
        elif not (name == "and" and has_numeral and _next_is_numeral(text, word.end())):
            break
        has_numeral, end = True, word.end()
    if not has_numeral:
        share = _SHARE.match(text)
        return (Fraction(1, PARTS[(share[1] or share[2]).casefold()]), share.end()) if share else None
    if half := _AND_PART.match(text, end):
        return total + group + Fraction(1, PARTS[half[1].casefold()]), half.end()
    part = _PART.match(text, end)
    if part:
        return Fraction(total + group, PARTS[part[1].casefold()]), part.end()
    return Fraction(total + group), end


def _extends(group: int, numeral: int) -> bool:
    """Return whether a numeral continues a number ("twenty one") rather than starts one ("one two")."""
    return group % 100 == 0 or (group % 10 == 0 and group % 100 >= 20 and numeral < 10)


def _next_is_numeral(text: str, at: int) -> bool:
    word = _WORD.match(text, at)
    return word is not None and word[1].casefold() in NUMERALS
