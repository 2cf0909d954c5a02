"""What one sentence or statement answers: its value, its conclusion, or a few words.

Conservative on purpose. A missed answer costs one call that groups the replies; a wrong one lets replies
agree on a heading.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from optillm.toolkit.forms import Form, form
from optillm.toolkit.quantities import quantity, unit_in_sentence
from optillm.toolkit.questions import Question
from optillm.toolkit.typography import delatex, peel, plain
from optillm.toolkit.vocabulary import CLAUSE_STARTS, NO_ANSWER

LONGEST_SENTENCE = 200
_MOST_WORDS_CONCLUDED = 4


class Found(NamedTuple):
    """An answer as stated, and its canonical form."""

    text: str
    form: Form


def solid(found: Form) -> bool:
    """Whether a form is more than words: a text, or a list of texts, may be any part of a sentence."""
    words = found.kind == "collection" and re.search("[a-z]{2}", found.value.replace("oo", ""))
    return found.kind != "text" and not words


def solid_value(stated: str, question: Question) -> Found | None:
    """The answer `stated` gives when it is more than words."""
    found = form(stated, question)
    return Found(peel(stated), found) if solid(found) else None


def unexcited(sentence: str) -> str:
    """Without the exclamation mark of "the answer is 42!": factorials are stated in boxes and formulas."""
    bare = sentence.rstrip("*_ ")
    return bare.removesuffix("!") if bare.endswith("!") else sentence


_EXPLAINING = re.compile(r",?\s(?:because|since|but|which|as it|as he|as she|as they)\b")


def in_words(sentence: str, question: Question, most_words: int) -> Found | None:
    """An answer in words: short, no question, no courtesy, no remark about the answer."""
    text = peel(plain(_EXPLAINING.split(sentence, maxsplit=1)[0]))
    words = text.split()
    if not words or len(words) > most_words or len(text) > LONGEST_SENTENCE or text[-1] in "?:":
        return None
    if text[0] in "[<_|#" or ": " in text or not re.search(r"\w", text):
        return None
    if words[0].casefold().strip(",.!") in NO_ANSWER | CLAUSE_STARTS:
        return None
    return Found(text, form(text, question))


def result(sentence: str, question: Question) -> Found | None:
    """The number after the last equals sign."""
    left, sign, right = sentence.rpartition("=")
    if not sign or left[-1:] in ("<", ">", "!", "=", ":"):
        return None
    found = form(right)
    if found.kind == "number":
        return Found(peel(right), found)
    return only_value(right) if question.asks_for_quantity else None


_MATHS = re.compile(r"\$([^$]{1,200})\$|\\\(([^$]{1,200}?)\\\)")
_BOLD = re.compile(r"\*\*([^*]{1,100})\*\*")
_NUMBER = re.compile(
    r"(?<![\w.])(?:[-+](?=[\d.$€£]))?[$€£]?(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)?(?:\.\d+|(?<=\d))"
    r"(?:/\d+)?(?:\s?(?:%|percent\b))?"
)
_DIGITS = re.compile(r"\d[\d.,/]*")


def only_value(sentence: str) -> Found | None:
    """The one value a sentence holds: the one formula, else the one emphasised value, else the one number."""
    for pattern in (_MATHS, _BOLD):
        spans = [span[1] or span[2] if pattern is _MATHS else span[1] for span in pattern.finditer(sentence)]
        if len(spans) == 1 and solid(found := form(spans[0])):
            return Found(peel(spans[0]), found)
    sentence = delatex(sentence.replace("**", ""))
    numbers = list(_NUMBER.finditer(sentence))
    if len(numbers) != 1 or len(_DIGITS.findall(sentence)) != 1:
        return None
    value = quantity(numbers[0][0])
    if value is None:
        return None
    name = value.unit or unit_in_sentence(sentence[numbers[0].end() :])
    return Found(numbers[0][0], Form("number", str(value.value), name))


_VERB = re.compile(r"\b(?:is|are|was|were|equals|be)\s(?:(?:about|exactly|on|at|in)\s)?")
_CONCLUDING = re.compile(r"(?:the|its|so|thus|therefore|hence)\b", re.IGNORECASE)


def concluded(sentence: str, question: Question) -> Found | None:
    """What a sentence says its subject is: "The capital of France is **Paris**."."""
    verbs = list(_VERB.finditer(sentence))
    if not verbs or not (question.asks_for_fact or question.asks_for_quantity or question.options):
        return None
    value = sentence[verbs[-1].end() :]
    found = solid_value(value, question)
    if found and found.form.kind != "truth":
        return found
    if not question.asks_for_fact or question.options or not _CONCLUDING.match(sentence):
        return None
    bold = _BOLD.match(value)
    return in_words(bold[1] if bold else value, question, _MOST_WORDS_CONCLUDED)


_ORDERED = re.compile(
    r"\b(?:order|ranking|sequence)\b[^:.]{0,80}?(?:\b(?:is|was|be)\b:?|:)\s*(.+)|:\s*([^:]+)$", re.IGNORECASE
)


def ordered(sentence: str, question: Question) -> Found | None:
    """The list after "the order is" or a colon."""
    stated = _ORDERED.search(sentence)
    found = in_words(stated[1] or stated[2], question, 12) if stated else None
    return found if found and found.form.kind == "collection" else None
