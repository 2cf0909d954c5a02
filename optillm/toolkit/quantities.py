"""Numbers as people write them, read exactly: `Fraction` values with their units and currencies split off."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

from optillm.toolkit.vocabulary import CURRENCIES, NEVER_UNITS, NUMERALS, PARTS, SCALES, UNITS

_MAX_EXPONENT = 1000  # beyond it the digits of one "number" would fill the memory


class Quantity(NamedTuple):
    """A number and, when one is stated, its unit in the singular."""

    value: Fraction
    unit: str | None


_DECIMAL = r"(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d*)?|\.\d+)"
_ARGUMENT = rf"\{{\s*([-+]?{_DECIMAL})\s*\}}"
_MIXED = re.compile(
    r"(\d+)\s*\\frac\s?(?:\{\s*(\d+)\s*\}\s?\{\s*(\d+)\s*\}|\s?(\d)\s?(\d))|(\d+)[ -](\d+)\s?/\s?(\d+)"
)
_FRAC = re.compile(rf"\\frac\s?(?:{_ARGUMENT}\s?{_ARGUMENT}|\s?(\d)\s?(\d))")
_RATIO = re.compile(rf"({_DECIMAL})\s?/\s?({_DECIMAL})")
_TIMES_TEN = r"\s?(?:[×*·x]|\\times|\\cdot)\s?10\s?(?:\^|\*\*)\s?(?:\{\s?([-+]?\d+)\s?\}|([-+]?\d+))"
_SCIENTIFIC = re.compile(rf"({_DECIMAL})(?:{_TIMES_TEN}|[eE]([-+]?\d+))")
_PLAIN = re.compile(_DECIMAL)
_ABOUT = re.compile(
    r"(?:≈|~|\\approx\b|about|approximately|approx\.?|around|roughly|exactly|only|just|nearly|almost)\s*",
    re.IGNORECASE,
)
_CURRENCY = re.compile(r"(?:(?:US|CA|AU)?\$|€|£|¥|₹|USD\b|EUR\b|GBP\b|JPY\b|INR\b)\s?")
_SCALE = re.compile(r"\s?(hundred|thousand|million|billion|trillion)\b", re.IGNORECASE)
_PERCENT = re.compile(r"\s?(?:%|per ?cent\b)(?:\s+of\b.*|\s+\w+)?", re.IGNORECASE)


def quantity(text: str) -> Quantity | None:
    """The number `text` consists of, with its unit; `None` when `text` says anything else besides.

    `text` is plain and without LaTeX looks (see `typography`). "50%" is one half: a percentage equals its
    fraction and differs from the bare number. "2 3/4" and `2\\frac{3}{4}` are mixed numbers.
    """
    text = text.strip()
    about = _ABOUT.match(text)
    rest = text[about.end() :] if about else text
    sign, rest = _sign(rest)
    currency = _CURRENCY.match(rest)
    if currency:
        rest = rest[currency.end() :]
        inner, rest = _sign(rest)
        sign *= inner
    number = _number(rest) or _spoken(rest)
    if number is None:
        return None
    value, end = number
    tail = _tail(sign * value, rest[end:])
    if tail is None or not currency:
        return tail
    return Quantity(tail.value, UNITS.get(currency[0].strip(), "dollar"))


def _sign(text: str) -> tuple[int, str]:
    if text[:1] in ("-", "+"):
        return (-1 if text[0] == "-" else 1), text[1:].lstrip()
    for word in ("minus ", "negative "):
        if text.casefold().startswith(word):
            return -1, text[len(word) :]
    return 1, text


def _tail(value: Fraction, rest: str) -> Quantity | None:
    """The quantity a number and the text after it make; `None` when that text is no unit."""
    while scale := _SCALE.match(rest):
        value *= SCALES[scale[1].casefold()]
        rest = rest[scale.end() :]
    if _PERCENT.fullmatch(rest):
        return Quantity(value / 100, None)
    if not rest.strip():
        return Quantity(value, None)
    name = unit(rest)
    return None if name is None else Quantity(value, name)


def _number(text: str) -> tuple[Fraction, int] | None:
    """The number in digits at the start of `text` and where it ends."""
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
    return Fraction(digits.replace(",", "").rstrip(".") or "0")


_WORD = re.compile(r"[\s-]*([A-Za-z]+)")
_SHARE = re.compile(r"(?:an?\s)?(half)\b|an?\s(third|quarter|fifth|tenth)\b", re.IGNORECASE)
_PART = re.compile(rf"[\s-]({'|'.join(sorted(PARTS, key=len, reverse=True))})\b", re.IGNORECASE)


def _spoken(text: str) -> tuple[Fraction, int] | None:
    """The number in English words at the start of `text` and where it ends."""
    total = group = end = 0
    seen = False
    while word := _WORD.match(text, end):
        name = word[1].casefold()
        if name in NUMERALS:
            group += NUMERALS[name]
        elif name == "hundred" and seen:
            group *= 100
        elif name in SCALES and seen:
            total, group = total + group * SCALES[name], 0
        elif not (name == "and" and seen and _next_is_numeral(text, word.end())):
            break
        seen, end = True, word.end()
    if not seen:
        share = _SHARE.match(text)
        return (Fraction(1, PARTS[(share[1] or share[2]).casefold()]), share.end()) if share else None
    part = _PART.match(text, end)
    if part:
        return Fraction(total + group, PARTS[part[1].casefold()]), part.end()
    return Fraction(total + group), end


def _next_is_numeral(text: str, at: int) -> bool:
    word = _WORD.match(text, at)
    return word is not None and word[1].casefold() in NUMERALS


_NEXT_WORD = re.compile(r"[ -]([A-Za-z°][A-Za-z°'-]*)")
_COMPOUND = re.compile(r"\b(?:per|square|squared|cubic|cubed)\b|[/^]", re.IGNORECASE)
_UNIT_SHAPE = re.compile(r"[A-Za-z°][A-Za-z°' /^0-9*-]{0,39}")
_FILLERS = re.compile(
    r"\s+(?:in total|in all|in the end|altogether|total|left|left over|remaining|more|each|overall|away|old)$",
    re.IGNORECASE,
)


def unit(text: str) -> str | None:
    """The unit that `text`, which follows a number, names; `None` when it is something else.

    Of a noun phrase ("red apples") the noun stands for the whole, so that adjectives do not split a vote.
    """
    attached = text[:1] not in (" ", "-", "\t", "(") and bool(text)
    text = _FILLERS.sub("", text.strip().lstrip("-"))
    if not _UNIT_SHAPE.fullmatch(text):
        return None
    words = text.split()
    if attached:
        # "5cm" is a length, "5x" a product.
        return UNITS.get(text) if len(words) == 1 else None
    if text in UNITS:
        return UNITS[text]
    if len(words) > 4 or words[0].casefold() in NEVER_UNITS or len(words[0]) == 1:
        return None
    if _singular(words[0]) in CURRENCIES:
        return _singular(words[0])  # "18 dollars per day" is what others call $18
    if _COMPOUND.search(text):
        return " ".join(_singular(word) for word in words)
    if any(word.casefold() in NEVER_UNITS for word in words):
        return None
    return _noun(words)


def unit_in_sentence(text: str) -> str | None:
    """The unit named by the words that follow a number in running text, as far as the noun phrase reaches."""
    symbol = re.match(r"\s?(%|°[CF]?|[A-Za-z]+/[A-Za-z]+)", text)
    if symbol:
        return UNITS.get(symbol[1], symbol[1])
    words: list[str] = []
    end = 0
    while len(words) < 3 and (word := _NEXT_WORD.match(text, end)):
        if word[1].casefold() in NEVER_UNITS:
            break
        words.append(word[1])
        end = word.end()
    return _noun(words) if words else None


def _noun(words: list[str]) -> str:
    """The word of a noun phrase that is most likely its noun: a known unit, else a plural, else the last."""
    known = next((word for word in words if word in UNITS), None)
    plural = next((word for word in words if word.endswith("s") and not word.endswith("ss")), None)
    return _singular(known or plural or words[-1])


def _singular(word: str) -> str:
    if word in UNITS:
        return UNITS[word]
    word = word.casefold()
    if word.endswith(("sses", "shes", "ches", "xes", "zes")):
        word = word[:-2]
    elif word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith("s") and not word.endswith("ss") and len(word) > 2:
        word = word[:-1]
    return UNITS.get(word, word)
