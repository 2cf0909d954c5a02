"""The key by which an answer in words is compared: its spelling, without mere layout."""

from __future__ import annotations

import re
import unicodedata

from optillm.toolkit.answers.typography import plain
from optillm.toolkit.answers.units import unit_of
from optillm.toolkit.answers.vocabulary import NUMERALS, ORDINALS, PARTS

_ARTICLE = re.compile(r"^(?:a|an|the|sir|dame)\s+(?=\S\S)", re.IGNORECASE)
_LEAD = re.compile(
    r"^(?:(?:so|thus|therefore|hence|then|overall|finally),?\s+)?"
    r"(?:(?:it|this|that|they|these|he|she)(?:\s(?:is|are|was|were)|'s|'re)\s+)?",
    re.IGNORECASE,
)
_WRAPPING = " \t\n.,;:!*"
_EMOJI = re.compile(r"[\U0001f000-\U0001faff\u2600-\u27bf\ufe0f\u200d]+")
_SYMBOL_BEHIND = re.compile(
    r"(?<=\w)\s\((?P<symbol>[A-Z][a-z]?|[^\w\s()]{1,2}|[\u0370-\u03ff]|(?=[^()]*\d)(?:[A-Z][a-z]?_?\d{0,2}){1,4})\)$"
)
"""A symbol behind the name that it stands for: "gold (Au)", "yen (¥)"."""
_ALIASES = {
    "there does not exist": "does not exist",
    "there are no real solutions": "no real solution",
    "no real solutions": "no real solution",
    "dne": "does not exist",
    "no solutions": "no solution",
    "there is no solution": "no solution",
    "there are no solutions": "no solution",
    "none of these": "none of the above",
    "empty set": "∅",
    "none of them": "none",
}


def text_key(text: str) -> str:
    """Return a short text without the case of plain words, articles and wrapping punctuation.

    Signs stay ("C#", "A+"), and so does case where it makes the word ("CO" is not "Co").
    """
    bare = _without_symbol(_EMOJI.sub("", plain(text).replace("**", "")).strip() or plain(text))
    words = _share_in_digits(_spelled_out(_without_accents(bare))).split()
    joined = " ".join(words)
    trimmed = joined.strip(_WRAPPING)
    trimmed = _LEAD.sub("", trimmed, count=1) or trimmed
    trimmed = _ARTICLE.sub("", trimmed, count=1) or trimmed
    shouted = trimmed.isupper() and len(trimmed) > 4
    folded = trimmed.casefold() if shouted else " ".join(map(_folded, trimmed.split()))
    return _ALIASES.get(folded.casefold(), folded) or joined.casefold()


def _without_symbol(text: str) -> str:
    """Return a name without the symbol behind it: of an element, a currency, a unit, or a formula of chemistry."""
    match = _SYMBOL_BEHIND.search(text)
    if match is None:
        return text
    name, symbol = text[: match.start()], match["symbol"]
    if len(symbol) == 1 and symbol.isascii() and symbol.isalpha():
        unit = unit_of(symbol)
        return name if unit and unit == unit_of(name.casefold().removeprefix("the ")) else text
    return name


_FULL_NAME = re.compile(r"[A-Z]\w+(?:\s(?:de|da|di|la|del|van|von|y|[A-Z][\w.]*)){1,4}")


def _without_accents(text: str) -> str:
    """Return a name of several words without accents, which many writers leave out; in other words they matter."""
    if text.isascii() or not _FULL_NAME.fullmatch(text):
        return text
    return "".join(char for char in unicodedata.normalize("NFD", text) if not unicodedata.combining(char))


_SHARE = re.compile(
    rf"^({'|'.join(NUMERALS)}|an?\s)?[\s-]?({'|'.join(PARTS)})\s(?:of\s)?(?=(?:the|an?|his|her|all|its)\s)",
    re.IGNORECASE,
)


def _share_in_digits(text: str) -> str:
    """Return "2/3 of the cake" for "two thirds of the cake"."""
    share = _SHARE.match(text)
    if share is None:
        return text
    over = NUMERALS.get((share[1] or "one").casefold().strip(), 1)
    return f"{over}/{PARTS[share[2].casefold()]} of {text[share.end() :]}"


_SPELLINGS = (
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"\bcannot\b"), "can not"),
    (re.compile(r"\s?\bper ?cent\b"), "%"),
    (re.compile(r"(?<=\d)\s(?=°)"), ""),
    (re.compile(r"\bper annum\b"), "per year"),
    (
        re.compile(r"(?<=[\d%a-z])\s(?:an?|each|every)\s(?=(?:year|month|week|day|hour|minute|second)\b)"),
        " per ",
    ),
    (re.compile(r"^(?:(?:just|exactly|precisely)\s)"), ""),
    (re.compile(r"\bMt\.?\s(?=[A-Z])"), "Mount "),
    (re.compile(r"\bSt\.\s(?=[A-Z])"), "Saint "),
    (re.compile(r"(?<=[a-z])(?:,?\s(?:Inc|Corp|Ltd|LLC|Corporation|Incorporated)\.?)$"), ""),
    (re.compile(r"^(?:due to|owing to|on account of)\s", re.IGNORECASE), "because of "),
    (re.compile(r"\b([A-Z])\.\s?(?=[A-Z]\.)"), r"\1"),  # "J. R. R. Tolkien"
    (re.compile(r"\b([A-Z]{1,4})\.(?=\s[A-Z])"), r"\1"),
)
_CHEMICAL = re.compile(r"(?:\(?(?:[A-Z][a-z]?(?:_?\{?\d{1,3}\}?)?)+\)?(?:_?\{?\d\}?)?)+(?:\^?\{?\d?[+-]\}?)?")


def _spelled_out(text: str) -> str:
    """Return a text with one spelling for contractions, percents, initials and formulas of chemistry."""
    for pattern, replacement in _SPELLINGS:
        text = pattern.sub(replacement, text)
    if _CHEMICAL.fullmatch(text):
        return re.sub(r"[_^{}]", "", text)
    return _MONEY.sub(lambda amount: f"{amount[2]} {_CURRENCIES[amount[1]]}", text)


_MONEY = re.compile(r"\\?([$€£])\s?(\d[\d,]*(?:\.\d+)?(?:\s(?:thousand|million|billion|trillion))?)(?![\w/])")
_CURRENCIES = {"$": "dollars", "€": "euros", "£": "pounds"}


def _folded(word: str) -> str:
    capitals = sum(map(str.isupper, word))
    symbol = word[1:] != word[1:].lower() and (capitals < len(word) or len(word) < 5)
    if symbol or (len(word.strip("+-#*")) == 1 and capitals):
        return word
    return ORDINALS.get(word.casefold(), word.casefold())
