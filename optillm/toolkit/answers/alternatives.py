"""Which of the alternatives that a question names a reply asserts: "spam or ham", "Los Angeles or Chicago"."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from optillm.toolkit.answers.asserted import (
    asserted_in,
    is_denied_elsewhere,
    is_qualified,
    is_unsettled,
    units,
)
from optillm.toolkit.answers.concluding import WORD, bare, closing, emphasised
from optillm.toolkit.answers.forms import form
from optillm.toolkit.answers.polarity import leads_with_truth
from optillm.toolkit.answers.quantities import quantity
from optillm.toolkit.answers.questions import Question
from optillm.toolkit.answers.sentences import Reading
from optillm.toolkit.answers.vocabulary import words_of

_ENDINGS: Final = r"(?:s|es|ed|ing|ion|ment|ity|ly)?"
_GREATER: Final = words_of("greater larger bigger higher more heavier taller longer older faster")
_LESSER: Final = words_of("less smaller lower lighter shorter younger slower fewer")
_COMPARATIVE = re.compile(
    r"(?:[a-z]{2,}er|more\s(?!than\b)\w+|less(?:\s(?!than\b)\w+)?|more)(?=\sthan\b|\sone\b|[.!,]|$)",
    re.IGNORECASE,
)
_COMPARED = re.compile(
    r"\bthan\b|\b(?:is|are|was|were|the|has|have)\s(?:\w+\s){0,2}?\w+er\b|\bone\sis\b", re.IGNORECASE
)
_NO_COMPARATIVE: Final = words_of(
    "number answer either other another water paper never later former latter per"
)
_EQUAL = re.compile(r"\bas\s\w+\sas\b", re.IGNORECASE)
_FEWER = re.compile(r"\b(?:fewer|less|smaller|lower)\b[^.,;]{0,40}\bthan\b", re.IGNORECASE)
_NEGATED: Final = words_of(
    "no not never without isn't aren't doesn't don't can't cannot wasn't weren't didn't"
)


def alternative(prose: str, named: tuple[str, ...], question: Question) -> Reading | None:
    """Return the one alternative that the conclusion of a reply asserts; `None` for none and for several."""
    if leads_with_truth(prose):
        return None
    patterns = _patterns(named)
    asking = re.sub(r"\"[^\"]*\"", " ", question.last)
    negated = any(word.casefold() in _NEGATED for word in WORD.findall(asking))
    for text, is_emphasised in units(prose):
        if negated and not any(pattern.fullmatch(text.strip(" .,!")) for pattern in patterns.values()):
            continue  # "Mars has moons." for "Which has no moons?"
        if is_emphasised:
            matches = [name for name, pattern in patterns.items() if pattern.fullmatch(text.strip(" .,!"))]
        elif compared := _larger(text, named, question):
            matches = [compared]
        else:
            matches = list(asserted_in(text, patterns))
            if is_denied_elsewhere(text, patterns):
                continue
        if not matches:
            continue
        around = re.sub(r"\b(?:although|though|while)\b", "", _around(prose, text)) if is_emphasised else text
        qualified = is_qualified(around, patterns[matches[0]], question)
        denied = is_emphasised and matches[0] not in asserted_in(around, patterns)
        denied = denied or (is_emphasised and is_denied_elsewhere(around, patterns))
        if len(matches) > 1 or _is_open(around, question) or qualified or denied:
            return None
        return Reading(matches[0], form(matches[0], question))
    return None


def _around(prose: str, text: str) -> str:
    """Return the clause that emphasises a text, without a reason behind it."""
    sentence = closing(prose)
    for span in emphasised(sentence):
        if text in span[0]:
            before = sentence[: span.end()].rpartition(",")[2]
            return bare(f"{before}{_NEXT_CLAUSE.split(sentence[span.end() :], maxsplit=1)[0]}")
    return text


_NEXT_CLAUSE = re.compile(r"[,;:.(]|\s[—–-]\s|\b(?:because|since|as|due|for|in|with|and|which|that)\b")


def _is_open(text: str, question: Question) -> bool:
    """Return whether a text leaves its alternative open, or compares the other way round than the question."""
    if is_unsettled(text, question) or _EQUAL.search(text):
        return True
    if _FEWER.search(text) and not question.tokens & _LESSER:
        return True
    compared = {word.casefold() for word in _COMPARATIVE.findall(text)} - _NO_COMPARATIVE
    return any(word not in question.text.casefold() for word in compared) and bool(_COMPARED.search(text))


@lru_cache(maxsize=64)
def _patterns(named: tuple[str, ...]) -> dict[str, re.Pattern[str]]:
    return {name: _pattern(name) for name in named}


def _pattern(name: str) -> re.Pattern[str]:
    """Return the pattern of an alternative in any of its inflections; of a letter or a sign as it is written."""
    flags = re.IGNORECASE if len(name) > 3 or name.islower() else 0
    words = re.escape(name)
    if name.isalpha() and len(name) > 4:
        words += _ENDINGS
    return re.compile(rf"(?<![\w.-]){words}(?![\w-]|\.\d)", flags)


_INEQUALITY = re.compile(r"(?P<one>[^<>=,;]{1,40}?)\s?(?P<sign>[<>])\s?(?P<other>[^<>=,;]{1,40})")


def _larger(text: str, named: tuple[str, ...], question: Question) -> str | None:
    """Return the alternative that an inequality says to be the one the question asks for: "5/8 > 3/5"."""
    match = _INEQUALITY.fullmatch(text.strip(" ."))
    if match is None:
        return None
    wanted = {word.casefold() for word in WORD.findall(question.last)}
    if bool(wanted & _GREATER) == bool(wanted & _LESSER):
        return None
    one, other = (_named_by(match[side], named) for side in ("one", "other"))
    if one is None or other is None or one == other:
        return None
    return one if (match["sign"] == ">") is bool(wanted & _GREATER) else other


def _named_by(text: str, named: tuple[str, ...]) -> str | None:
    amount = quantity(text.strip())
    equal = [
        name
        for name in named
        if name.casefold() == text.strip().casefold() or (amount and amount == quantity(name))
    ]
    return equal[0] if len(equal) == 1 else None
