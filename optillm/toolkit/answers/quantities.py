"""Numbers as people write them, read exactly, with their units; no other word beside them is ignored."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise
from typing import NamedTuple

from optillm.toolkit.answers.languages import counter as _counter
from optillm.toolkit.answers.numerals import number_at_start
from optillm.toolkit.answers.question_words import NO_WORDS, QuestionWords
from optillm.toolkit.answers.units import ARCS, CENTS, Unit, conversion, currency, unit_of
from optillm.toolkit.answers.vocabulary import (
    EXTREMES,
    NEVER_ACCOUNTED,
    SCALES,
    TRAILING,
    stem,
)


class Quantity(NamedTuple):
    """A number and, if one is stated, its unit in the singular."""

    value: Fraction
    unit: str | None


_NO_AMOUNT = re.compile(r"(?:\d+0s|[\d.,]+-?[ABCFK]|0\d+)\b(?!\.\d)|'\d")
"""Decades, thousands, rooms and codes that would pass for seconds, kelvins, amperes and numbers."""
_ABOUT = re.compile(
    r"(?:≈|~|\\approx\b|(?:about|approximately|approx\.?|around|roughly|exactly|precisely|only|just|simply"
    r"|a total of|the total of)\b)\s*",
    re.IGNORECASE,
)
_CURRENCY = re.compile(
    r"(?:(?:US|CA|AU)?\$|€|£|¥|₹|₽|₩|R\$|Rs\.?(?=\s?\d)|USD\b|EUR\b|GBP\b|JPY\b|INR\b|CAD\b|AUD\b|CHF\b)\s?"
)
_SCALE = re.compile(r"\s?(hundred|thousand|million|billion|trillion|dozen)\b(?:\s+of\b)?", re.IGNORECASE)
_PERCENT = re.compile(r"\s?(?:%|per ?cent\b)(?!\s+points?\b)", re.IGNORECASE)
_ARC_SIGNS = re.compile(r"(\d)\s?('{1,2}|\")")
_POUNDS = re.compile(r"\bpounds?\b", re.IGNORECASE)
_BETWEEN = re.compile(r"\s*(?:,\s*(?:and\s+)?|\band\s+)?")
_MOST_PARTS = 4
_DECIMAL_COMMA = re.compile(
    r"(\d{1,3}(?:\.\d{3})*|\d+),(\d{1,2})(?=\s?[^\W\d_]|\s?[%€$£°])(?!\s?(?:and|or|then)\b)"
)
"""A comma before one or two digits and a unit is a decimal point: thousands have three digits, lists a space."""
_CENTS_AFTER_COMMA = re.compile(r"(\d{1,3}(?:\.\d{3})*|\d+),(\d{2})")


def quantity(text: str, words: QuestionWords = NO_WORDS) -> Quantity | None:
    """Return the number that `text` consists of, with its unit; `None` if `text` says anything else.

    `text` is plain and without LaTeX layout (see `typography`); `words` are those of the question. "50%" is one
    half: a percentage equals its fraction and differs from the bare number. "2 3/4" is a mixed number, "2 hours 30
    minutes" a sum, in its first unit.
    """
    rest = _ABOUT.sub("", text.strip(), count=1)
    sign, rest = _sign(rest)
    if _NO_AMOUNT.match(rest):
        return None
    if "°" in rest:  # there, ' and " are minutes and seconds of arc, not feet and inches
        rest = _ARC_SIGNS.sub(
            lambda arc: f"{arc[1]} {'arcminutes' if arc[2] == chr(39) else 'arcseconds'}", rest
        )
    if "pence" in rest:  # beside pence, pounds are money
        rest = _POUNDS.sub("GBP", rest)
    symbol = _CURRENCY.match(rest)
    if symbol:
        inner, rest = _sign(rest[symbol.end() :])
        sign *= inner
    if comma := _DECIMAL_COMMA.match(rest) or (symbol and _CENTS_AFTER_COMMA.fullmatch(rest)):
        rest = comma[1].replace(".", "") + "." + comma[2] + rest[comma.end() :]
    number = number_at_start(rest)
    if number is None:
        return None
    value, end = number
    value, rest = _scaled(value, rest[end:])
    if symbol:
        return _money(sign * value, symbol[0].strip(), rest, words)
    if percent := _PERCENT.match(rest):
        rest = rest[percent.end() :]
        return Quantity(sign * value / 100, None) if accounted_tail(rest, words) else None
    return _measure(sign, value, rest, words)


def same_amount(one: Quantity, other: Quantity) -> bool:
    """Return whether two quantities are equal, converting between their units where both have one."""
    if one.unit is None or other.unit is None or one.unit == other.unit:
        return one.value == other.value
    ratio = conversion(one.unit, other.unit)
    return ratio is not None and one.value * ratio == other.value


def _scaled(value: Fraction, rest: str) -> tuple[Fraction, str]:
    """Take in the "million" behind a number."""
    while scale := _SCALE.match(rest):
        value *= SCALES[scale[1].casefold()]
        rest = rest[scale.end() :]
    return value, rest


def _money(value: Fraction, symbol: str, rest: str, words: QuestionWords) -> Quantity | None:
    """Return an amount of money; what follows it may only name its currency again, or what it is paid for."""
    unit = currency(symbol)
    per = _PER.match(rest)
    if per:
        rate = _longest_unit(unit.name + rest, words, len(unit.name))
        return (
            None
            if rate is None
            else Quantity(value, rate[0].name)
            if accounted_tail(rate[1], words)
            else None
        )
    again = _longest_unit(rest, words)
    if again and again[0].dimension == unit.dimension:
        rest = again[1]
    return Quantity(value, unit.name) if accounted_tail(rest, words) else None


def _measure(sign: int, value: Fraction, rest: str, words: QuestionWords) -> Quantity | None:
    """Return a number with the unit behind it, or a compound measure such as "2 hours 30 minutes"."""
    if accounted_tail(rest, words) and (not rest.strip() or _longest_unit(rest, words) is None):
        return Quantity(sign * value, None)
    if not rest.isascii() and (counter := _counter().match(rest)):
        return _counted(sign * value, rest[counter.end() :], words)
    read = _longest_unit(rest, words)
    if read is None:
        return None
    unit, rest = read
    total, smallest = value, unit
    for _ in range(_MOST_PARTS):
        following = _part(rest, smallest, words)
        if following is None:
            break
        amount, smallest, rest = following
        total += amount * smallest.factor / unit.factor
    return Quantity(sign * total, unit.name) if accounted_tail(rest, words, unit) else None


_CHARACTERS = re.compile(r"[^\W\d_a-zA-Z]{1,8}")
_NO_NOUN = frozenset("以上下内外前后後多少余餘满滿超未至左右约約不没無无非미만이상이하초과")
"""Characters for "more", "less", "at least" and "not", which are not part of a noun."""


def _counted(value: Fraction, rest: str, words: QuestionWords) -> Quantity | None:
    """Return a number that a counter followed; its unit is the noun counted, unless that is in the question."""
    noun = rest.strip(" 。.")
    if not noun or (words.unspaced and accounted_tail(noun, words)):
        return Quantity(value, None)
    if words.unspaced:
        return None
    is_noun = _CHARACTERS.fullmatch(noun) and not _NO_NOUN.intersection(noun)
    return Quantity(value, noun) if is_noun else None


def _part(rest: str, before: Unit, words: QuestionWords) -> tuple[Fraction, Unit, str] | None:
    """Return the next part of a compound measure, in a smaller unit of the same kind, and what follows it."""
    separator = _BETWEEN.match(rest)
    start = separator.end() if separator else 0
    number = number_at_start(rest[start:])
    if number is None:
        return None
    value, end = number
    read = _longest_unit(rest[start + end :], words)
    if read is None:
        return None
    unit, rest = read
    if before.dimension == "angle" and unit.name in ("minute", "second"):
        unit = ARCS[unit.name]
    if unit.name == "cent" and before.name in CENTS:
        unit = Unit("cent", before.dimension, Fraction(1, 100))
    if unit.name == "penny" and before.name == "pound-sterling":
        unit = Unit("penny", before.dimension, Fraction(1, 100))
    fits = unit.dimension == before.dimension and unit.factor < before.factor and not unit.counted
    return (value, unit, rest) if fits else None


_WORDS_AHEAD = re.compile(r"[ -]?[^\s\d,;:.()]+\.?(?:\^?\d(?![\d.])|\^?\{\d\})?")
_PER = re.compile(r"\s*(?:/|\bper\b|\ban?\b\s)")


def _longest_unit(rest: str, words: QuestionWords, prefix: int = 0) -> tuple[Unit, str] | None:
    """Return the longest unit that `rest` begins with, and what follows it.

    The first `prefix` characters belong to the unit. A unit right behind a digit must be a symbol: "5cm" is a
    length, "5x" a product.
    """
    best: tuple[Unit, str] | None = None
    end = prefix
    attached = not prefix and rest[:1].isalpha()
    for _ in range(6):
        word = _WORDS_AHEAD.match(rest, end)
        if word is None:
            break
        end = word.end()
        name = rest[:end].strip().lstrip("-").strip()
        unit = unit_of(name, words) or unit_of(name.rstrip("."), words)
        if unit is not None and not (attached and unit.counted):
            best = unit, rest[end:]
    return best


def _sign(text: str) -> tuple[int, str]:
    if text[:1] in ("-", "+"):
        return (-1 if text[0] == "-" else 1), text[1:].lstrip()
    for word in ("minus ", "negative "):
        if text.casefold().startswith(word):
            return -1, text[len(word) :]
    return 1, text


def _links(word: str, behind: str) -> bool:
    """Return whether a word is "of" with another word after it: "5 metres of rope"."""
    return word == "of" and bool(behind)


_TAIL_WORD = re.compile(r"[^\W\d_][\w'-]*")


def accounted_tail(rest: str, words: QuestionWords, unit: Unit | None = None) -> bool:
    """Return whether the words behind a value add nothing: "in total", "left", words of the question.

    Behind a length or an angle "left" is a direction.
    """
    tail = _TAIL_WORD.findall(rest)
    if tail and rest[0].isalpha() and not words.unspaced:
        return False  # "16π"
    if not tail:
        return not rest.strip(" \t\n,.")
    if re.sub(r"[^\W\d_][\w'-]*|[\s,.]", "", rest):
        return False  # a digit, or a sign that means something
    folded = [word.casefold() for word in tail]
    if not words.limits and any(
        word == "over" and before != "left" for before, word in pairwise(["", *folded])
    ):
        return False  # "left over" adds nothing, "3 over" does
    directed = unit is not None and unit.dimension in ("length", "angle")
    harmless = TRAILING - {"left", "over"} if directed else TRAILING
    if any(
        word in NEVER_ACCOUNTED | EXTREMES
        or stem(word) in words.coordinated
        or not (words.account_for(word, harmless) or _links(word, behind))
        for word, behind in zip(folded, [*folded[1:], ""], strict=True)
    ):
        return False
    return tail[0].casefold() not in ("it", "this", "that") or len(tail) > 1
