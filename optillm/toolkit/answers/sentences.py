"""An answer that a few words or a value give by themselves, without the rest of their reply."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from optillm.toolkit.answers.choices import choice
from optillm.toolkit.answers.explanations import unexplained
from optillm.toolkit.answers.forms import Form, form, inline_code
from optillm.toolkit.answers.frames import framed, restated, without_kind
from optillm.toolkit.answers.questions import Question
from optillm.toolkit.answers.typography import peel, plain
from optillm.toolkit.answers.vocabulary import CLAUSE_STARTS, LEADING, NO_ANSWER, NUMERALS

LONGEST_SENTENCE: Final = 200


class Reading(NamedTuple):
    """An answer as stated, and its canonical form."""

    text: str
    form: Form


def solid(read: Form) -> bool:
    """Return whether a form is more than words: a text, or a list of texts, may be any part of a sentence."""
    words = read.kind == "collection" and re.search("[a-z]{2}", read.value.replace("\\infty", ""))
    return read.kind != "text" and not words


def solid_value(stated: str, question: Question) -> Reading | None:
    """Return the answer that `stated` gives if it is more than words."""
    read = choice(stated, question) or form(stated, question)
    return Reading(peel(stated), read) if solid(read) else None


def unexcited(sentence: str) -> str:
    """Drop the exclamation mark of "it is 42 apples!" and "it is **42**!", but not a factorial's: "42!"."""
    bare = sentence.rstrip("*_ ")
    return bare[:-1] if re.search(r"[^\W\d_]{2}!$|\*!$", bare) else sentence


def in_words(sentence: str, question: Question, most_words: int, *, marked: bool = False) -> Reading | None:
    """Return an answer in words: short, and no question; unless `marked`, no courtesy and no remark."""
    if code := inline_code(sentence):
        return Reading(code.value, code)
    text = _CONTRAST.sub("", peel(plain(unexplained(sentence))), count=1)
    words = text.split()
    if not words or len(words) > most_words or len(text) > LONGEST_SENTENCE or text[-1] in "?:":
        return None
    if text[0] in "[<_|#" or ": " in text or not re.search(r"\w", text):
        return None
    if not marked and all(word.casefold() in LEADING for word in words):
        return None  # the beginning of a sentence that was cut off
    if not marked and words[0].casefold().strip(",.!") in NO_ANSWER | CLAUSE_STARTS:
        return None
    if (truth := restated(text, question)) is not None:
        return Reading(text, Form("truth", str(truth).casefold()))
    rest, subject = framed(text, question) or (text, None)
    rest = _without_place(without_kind(rest, question), question)
    read = choice(rest, question) or form(rest, question)
    return Reading(text, read._replace(subject=read.subject or subject))


_CONTRAST = re.compile(r"(?<=\w),\snot\s(?:the\s)?[A-Z][\w ]{1,40}$")  # "Ottawa, not Toronto"
_PLACED = re.compile(r"([A-Z][^,]{1,40}),\s([A-Z][\w ]{1,30})")


def _without_place(text: str, question: Question) -> str:
    """Return "Warsaw" for "Warsaw, Poland" where the question is about Poland."""
    placed = _PLACED.fullmatch(text)
    if placed is None or question.asks_for_order or question.asks_for_set or question.words.coordinated:
        return text
    return placed[1] if all(map(question.words.mention, placed[2].split())) else text


_SPOKEN = "|".join(sorted(NUMERALS, key=len, reverse=True))
VALUE_START = re.compile(
    rf"(?<![\w.,/^-])(?:[-+]?[$€£¥₹]?\s?[-+]?\.?\d|\\(?:d?frac|sqrt)|[√π±(\[{{]|(?:{_SPOKEN}|half|minus|negative)\b)",
    re.IGNORECASE,
)
