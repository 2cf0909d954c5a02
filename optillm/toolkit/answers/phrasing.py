"""Rephrase sentences like their question: full names, no quotation marks, markup or openings ("Therefore")."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from optillm.toolkit.answers.questions import Question
from optillm.toolkit.answers.vocabulary import LEADING, NEUTRAL_VERBS, NUMERALS, stem, words_of

_WORD = re.compile(r"[^\W_][\w'.-]*(?<![.'-])")
_MARKUP = re.compile(r"\*\*|\\[()\[\]]|\$(?!\s?\d)")
_OPENING = re.compile(
    r"^(?:in other words|in this case|in the case of|in conclusion|in summary|as a result|in short|to summarize"
    r"|overall|finally|so|thus|however|but|actually|therefore|hence|now|then|(?:this|that) means that"
    r"|we can (?:see|say|conclude) that),?\s",
    re.IGNORECASE,
)
_PARENTHESIS = re.compile(r",\s(?:as of (?:\d{4}|now|today)|of course|indeed),\s|\sin English(?=[.!]?$)")
_ABBREVIATION = re.compile(r"\s?\(([A-Z]{2,5})\)|\b[A-Z]{2,5}\b")
_QUOTED = re.compile(r"(?<!\w)([\"'`])[\w ]{1,40}\1(?!\w)|(?<!\w)\"[\w ]{1,40}[.,]\"")
_OFTEN: Final = {"once": "1 time", "twice": "2 times", "thrice": "3 times"}
_TIMES = re.compile(r"\b(?:once|twice|thrice)\b", re.IGNORECASE)
_HOW_OFTEN = re.compile(r"\bhow (?:many times|often)\b", re.IGNORECASE)


def phrased(sentence: str, question: Question) -> str:
    """Return a sentence rephrased like its question."""
    text = _OPENING.sub("", _MARKUP.sub("", sentence).strip(), count=1)
    text = _PARENTHESIS.sub(" ", text)
    text = _ABBREVIATION.sub(lambda match: _expanded(match, question), text)
    text = _QUOTED.sub(lambda match: match[0][1:-1], text)
    if _HOW_OFTEN.search(question.last):
        text = _TIMES.sub(lambda match: _OFTEN[match[0].casefold()], text.replace("only ", ""))
    return text


def _expanded(match: re.Match[str], question: Question) -> str:
    """Return the words of the question that an abbreviation stands for, nothing for one in brackets."""
    letters = (match[1] or match[0]).casefold()
    words = [word.casefold() for word in _WORD.findall(question.last)]
    for start in range(len(words) - len(letters) + 1):
        run = words[start : start + len(letters)]
        if "".join(word[0] for word in run) == letters:
            return "" if match[1] else " ".join(run)
    return match[0]


_NUMBER = r"\d[\d.,]*(?<![.,])"
_EXPRESSION = re.compile(
    rf"(?<![\w.])(?P<one>{_NUMBER})\s?(?P<sign>[-+*/x×÷])\s?(?P<other>{_NUMBER})(?!\.?\w)"
)
_WHAT = re.compile(
    r"(?:what|how much)(?:'s| is| are| was| were)\s(?:the\s)?(?P<subject>[^?]{4,120}?)\s?\??", re.IGNORECASE
)
_OPERATION = (
    r"\s?(?:[-+*/x×÷−]|\\times|\\cdot"
    r"|\b(?:and|plus|minus|times|by|to|from|multiplied by|divided by|added to)\b)\s?"
)
_OF = r"(?:\b(?:the\s)?(?:\w+\s)?(?:sum|product|result|total|addition|multiplication|operation|value)\sof\s)?"


@lru_cache(maxsize=64)
def subject_of(question: Question) -> re.Pattern[str] | None:
    """Return a pattern for the subject whose value a question asks for, also as sums and products in words."""
    if not question.asks_for_quantity:
        return None
    match = _EXPRESSION.search(question.last)
    if match is None:
        definition = _WHAT.fullmatch(question.last)
        words = r"\s".join(map(re.escape, definition["subject"].split())) if definition else ""
        return re.compile(rf"(?:\bthe\s)?(?<!\w){words}(?![\w.]*\w)", re.IGNORECASE) if words else None
    one, other = (f"(?:{_written(match[side])})" for side in ("one", "other"))
    pair = rf"{one}{_OPERATION}{other}"
    if match["sign"] in "+*x×":
        pair = rf"(?:{pair}|{other}{_OPERATION}{one})"
    return re.compile(rf"{_OF}(?<![\w.]){pair}(?![\w.]*\d)", re.IGNORECASE)


def _written(number: str) -> str:
    """Return the pattern of a number in digits or, if it is one word, in words."""
    words = [word for word, value in NUMERALS.items() if str(value) == number]
    return "|".join([re.escape(number), *words])


_STOP_WORDS: Final = (
    LEADING
    | words_of(
        "how many much far long old often or what which who whom whose when where by from does do did it there"
    )
    | {verb for verb in NEUTRAL_VERBS if len(verb) < 5}
)
_SYNONYMS: Final = {stem("appears"): stem("occurs")}


def stems(text: str) -> frozenset[str]:
    """Return the stems of the words of a text."""
    return frozenset(_SYNONYMS.get(word, word) for word in map(stem, _WORD.findall(text)))


@lru_cache(maxsize=64)
def content_of(question: Question) -> frozenset[str]:
    """Return the stems of the question's content words."""
    # Of "Which is larger, 2 or 3?" an answer repeats only "larger".
    omitted = _STOP_WORDS | question.words.disputed
    return stems(" ".join(word for word in _WORD.findall(question.last) if word.casefold() not in omitted))


def repeats(sentence: str, question: Question, share: float = 1) -> bool:
    """Return whether a sentence has its question's content words, or at least a share of them."""
    text = phrased(sentence, question)
    if subject := subject_of(question):
        return subject.search(text) is not None
    content = content_of(question)
    return bool(content) and len(content & stems(text)) >= share * len(content)
