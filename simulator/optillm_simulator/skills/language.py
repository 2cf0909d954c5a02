"""Enough English for the demo model: sentences, words, and numbers as digits or words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from optillm_simulator.vocabulary import in_order

_SENTENCE_END = re.compile(r"(?<=[.?!;:])\s|\n")
_WORD = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?|[^\W\d_]+(?:['’][a-z]+)?|[^\w\s]")
_NUMBER = re.compile(r"\d+(?:\.\d+)?\Z", re.ASCII)

_SMALL_NUMBERS = in_order(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
    " seventeen eighteen nineteen"
)
_TENS = in_order("twenty thirty forty fifty sixty seventy eighty ninety")
_UNITS = {word: value for value, word in enumerate(_SMALL_NUMBERS)}
_UNITS |= {word: 20 + 10 * index for index, word in enumerate(_TENS)}
_MULTIPLES = {"dozen": 12, "hundred": 100, "thousand": 1000}
_CURRENCIES = {"$": "dollars", "€": "euros", "£": "pounds"}
MONEY = frozenset({"dollar", "euro", "pound", "money", "buck"})


class Word(NamedTuple):
    """One word: `text` in lower case with numbers as digits, `shown` as written."""

    text: str
    shown: str


def sentences(text: str) -> list[str]:
    """Return the sentences of a text; a line break or a colon ends one as well."""
    return [part for piece in _SENTENCE_END.split(text) if (part := piece.strip())]


def words(sentence: str) -> list[Word]:
    """Return the words of a sentence: `$5` and `five dollars` both become `5 dollars`."""
    raw = [Word(piece.lower().replace("’", "'"), piece) for piece in _WORD.findall(sentence)]
    read: list[Word] = []
    at = 0
    while at < len(raw):
        word, used = _merged(raw, at)
        read.append(word)
        at += used
        if word.shown in _CURRENCIES and at < len(raw):
            amount, used = _merged(raw, at)
            read[-1:] = [amount, Word(_CURRENCIES[word.shown], _CURRENCIES[word.shown])]
            at += used
    return read


def _merged(raw: Sequence[Word], at: int) -> tuple[Word, int]:
    """Return the word at `at` with spelled numbers merged ("twenty-five"), and its length."""
    word = raw[at]
    if word.text[0].isdigit():
        word = Word(word.text.replace(",", ""), word.shown)
        value, used = number(word.text), 1
    elif word.text == "a" and _at(raw, at + 1) in _MULTIPLES:
        value, used = Fraction(1), 1
    elif word.text in _UNITS:
        value, used = Fraction(_UNITS[word.text]), 1
        tail = at + (2 if _at(raw, at + 1) == "-" else 1)
        if word.text in _TENS and 0 < _UNITS.get(_at(raw, tail), 0) < 10:
            value, used = value + _UNITS[_at(raw, tail)], tail + 1 - at
        word = Word(str(value), word.shown)
    else:
        return (Word("percent", word.shown), 1) if word.text == "%" else (word, 1)
    if value is not None and _at(raw, at + used) in _MULTIPLES:
        word = Word(str(value * _MULTIPLES[_at(raw, at + used)]), word.shown)
        used += 1
    return Word(word.text, " ".join(piece.shown for piece in raw[at : at + used])), used


def _at(raw: Sequence[Word], at: int) -> str:
    return raw[at].text if at < len(raw) else ""


def number(text: str) -> Fraction | None:
    """Return the number a word stands for, if it is one."""
    return Fraction(text) if _NUMBER.match(text) else None


def singular(noun: str) -> str:
    """Return a noun without its plural ending, well enough to compare two words."""
    irregular = _IRREGULAR.get(noun)
    if irregular:
        return irregular
    if noun.endswith("ies") and len(noun) > 4:
        return noun[:-3] + "y"
    if noun.endswith(("ches", "shes", "xes", "sses", "oes")):
        return noun[:-2]
    return noun[:-1] if noun.endswith("s") and not noun.endswith("ss") and len(noun) > 3 else noun


_IRREGULAR = {
    "children": "child",
    "people": "person",
    "loaves": "loaf",
    "shelves": "shelf",
    "knives": "knife",
    "cookies": "cookie",
    "brownies": "brownie",
    "movies": "movie",
    "men": "man",
    "women": "woman",
    "mice": "mouse",
    "geese": "goose",
    "bus": "bus",
    "shoes": "shoe",
    "bucks": "buck",
}


def as_written(clause: Sequence[Word]) -> str:
    """Join words into a clause again, with a capital at the front."""
    text = " ".join(word.shown for word in clause)
    for mark in (",", ".", "?", "!", "%"):
        text = text.replace(f" {mark}", mark)
    for mark in _CURRENCIES.values():
        text = text.replace(f" {mark} {mark}", f" {mark}")
    text = text.replace(" - ", "-").strip(" ,.;:?!")
    return text[:1].upper() + text[1:]
