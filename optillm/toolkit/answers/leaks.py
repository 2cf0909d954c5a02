"""Detect texts that give an answer away, so that reaching the answer from them proves nothing.

>>> answer = canonical("24")
>>> gives_away("Three spiders have 24 legs. How many legs is that?", answer, "How many legs do 3 spiders have?")
True
>>> gives_away("How many legs do three spiders have?", answer, "How many legs do 3 spiders have?")
False
"""

from __future__ import annotations

import re
from typing import Final

from optillm.toolkit.answers import FinalAnswer, canonical, extract
from optillm.toolkit.answers.typography import plain
from optillm.toolkit.answers.vocabulary import NUMERALS

_VALUE: Final = re.compile(r"(?<!\d)-?\d[\d,]*(?:\.\d+)?(?:/\d+)?%?|[A-Za-z]+(?:-[A-Za-z]+)*")
_WORD: Final = re.compile(r"\w+")
_NO_VALUES: Final = frozenset({"choice", "truth", "json", "code", "tools"})
"""Kinds of answers whose words ("A", "no") also occur in texts that say something else."""


def gives_away(text: str, answer: FinalAnswer, question: str = "") -> bool:
    """Return whether a text states an answer, or contains it as a value that the question lacks.

    A value of the question may well be the answer ("Who is first: Tom, Ann or Bob?"), so it gives nothing away.
    """
    stated = extract(text, question)
    if stated is not None and stated.matches(answer):
        return True
    return _holds(text, answer) and not _holds(question, answer)


def _holds(text: str, answer: FinalAnswer) -> bool:
    if answer.kind in _NO_VALUES:
        return False
    if answer.kind == "number":
        return any(canonical(value).value == answer.value for value in _values(plain(text)))
    words = _folded(answer.text)
    return bool(words) and f" {words} " in f" {_folded(text)} "


def _values(text: str) -> set[str]:
    """Return the numbers of a text as written, in digits or in words."""
    tokens = {token.rstrip(",") for token in _VALUE.findall(text)}
    return {token for token in tokens if not token[0].isalpha() or token.casefold().split("-")[0] in NUMERALS}


def _folded(text: str) -> str:
    return " ".join(_WORD.findall(plain(text).casefold()))
