"""The answer at the end of a reply that has no box and no explicit statement: an option, or a last line."""

from __future__ import annotations

import re
from collections.abc import Mapping

from optillm.toolkit.extraction import last_line, sentences
from optillm.toolkit.forms import Form, form
from optillm.toolkit.questions import Question
from optillm.toolkit.sentence import (
    LONGEST_SENTENCE,
    Found,
    concluded,
    in_words,
    only_value,
    ordered,
    result,
    solid_value,
    unexcited,
)
from optillm.toolkit.typography import plain

_LONGEST_LINE = 400
_MOST_WORDS_ALONE = 6
_FEW_WORDS = 3

_BARE_LETTER = re.compile(r"[(\[*_]{0,4}([A-Za-z])[)\].:*_]{0,4}")
_LETTER_AND_TEXT = re.compile(r"[(\[*_]{0,4}([A-Z])(?:[*_]{0,3}[)\].:][*_]{0,3}|[*_]{0,3}\s[-–—])\s+\S.*")
_NAMED = re.compile(r"\b(?i:option|choice|answer|letter)\s[*_]{0,3}\(?([A-Z])\)?(?![\w'])")
_CALLED_RIGHT = re.compile(
    r"(?<![\w'])\(?([A-Z])\)?[*_]{0,3}\s(?:is|must be)\s(?:the\s)?(?:correct|right|best|answer|true)\b"
)
_IN_BRACKETS = re.compile(r"(?<!\w)\(([A-Z])\)")
_REJECTION = re.compile(r"\b(?:not|wrong|incorrect|false|isn't|except|rule|eliminate)\b", re.IGNORECASE)


def chosen(prose: str, question: Question) -> Found | None:
    """The letter of an option in an answer position: the last line, or failing that the first."""
    listed = question.options
    if not listed:
        return None
    line, before = last_line(prose)
    first, _, rest = prose.lstrip().partition("\n")
    after = rest.lstrip().partition("\n")[0]
    for place, neighbour in ((line, before), (first, after)):
        label = _label(place.strip(), neighbour, listed)
        if label:
            return Found(label, Form("choice", label))
    return None


def _label(line: str, neighbour: str, listed: Mapping[str, str]) -> str | None:
    line = plain(line)
    bare = _BARE_LETTER.fullmatch(line)
    if bare and bare[1].upper() in listed:
        return bare[1].upper()
    # Two options on two lines are a list of them, not a choice.
    stated = _LETTER_AND_TEXT.fullmatch(line)
    if stated and stated[1] in listed and not _LETTER_AND_TEXT.fullmatch(plain(neighbour)):
        return stated[1]
    sentence = (sentences(line[-_LONGEST_LINE:]) or [""])[-1]
    if _REJECTION.search(sentence):
        return None
    named = {m[1] for pattern in (_NAMED, _CALLED_RIGHT, _IN_BRACKETS) for m in pattern.finditer(sentence)}
    return named.pop() if len(named) == 1 and named <= listed.keys() else None


_NO_ANSWER_LINE = re.compile(r"#|[-*•+]\s|\d{1,3}[.)]\s|>|\||```|~~~|---|===|\[\d")


def last(prose: str, question: Question) -> Found | None:
    """The answer on the last line, when that line is an answer rather than the end of an essay."""
    line, before = last_line(prose)
    if not line or _NO_ANSWER_LINE.match(line) or "\\boxed" in line:
        return _polar(prose, question)
    if len(line) <= LONGEST_SENTENCE and (found := _whole_line(line, question)):
        return found
    pieces = sentences(plain(line[-_LONGEST_LINE:]))
    if pieces and (found := _last_sentence(unexcited(pieces[-1]), question)):
        return found
    if len(pieces) == 1 and line[-1] not in "!?:," and _may_be_words(line, before, question):
        most_words = _MOST_WORDS_ALONE if question.asks_for_fact or question.asks_for_order else _FEW_WORDS
        if found := in_words(line, question, most_words):
            return found
    return _polar(prose, question)


_LABELLED = re.compile(r"[*_]{0,3}[A-Za-z][A-Za-z ]{0,30}[*_]{0,3}:[*_]{0,3}\s(.+)")


def _whole_line(line: str, question: Question) -> Found | None:
    """The value a line consists of, or carries after "Total:"."""
    found = solid_value(line, question)
    if found is None:
        labelled = _LABELLED.fullmatch(line)
        found = solid_value(labelled[1], question) if labelled else None
        return found if found and found.form.kind in ("number", "date", "choice") else None
    kind = found.form.kind
    if kind == "choice" and _LETTER_AND_TEXT.fullmatch(line):
        return None
    if kind == "truth" and len(line.split()) > 1 and not question.asks_yes_or_no:
        return None  # "Yes, I can help with that."
    if kind == "expression" and question and not (question.asks_for_quantity or line[0] in "$\\"):
        return None
    return found


def _last_sentence(sentence: str, question: Question) -> Found | None:
    if len(sentence) > LONGEST_SENTENCE:
        return None
    if found := result(sentence, question):
        return found
    if question.asks_for_quantity and (found := only_value(sentence)):
        return found
    if question.asks_for_order and (found := ordered(sentence, question)):
        return found
    return concluded(sentence, question)


def _may_be_words(line: str, before: str, question: Question) -> bool:
    """Whether a last line of words may answer: not what could be an option, a signature or a refrain."""
    if question.options:
        return False
    if not before:
        return True
    emphasised = line.startswith("**") and line.rstrip(".").endswith("**")
    listed = question.asks_for_order and form(line).kind == "collection"
    return emphasised or listed or (question.asks_for_fact and not before.endswith(","))


_OPENING = re.compile(r"[*_\s]{0,4}(yes|no)\b[*_]{0,3}(?=[\s,.!;:—–-]|$)(?!\s+\w)", re.IGNORECASE)


def _polar(prose: str, question: Question) -> Found | None:
    """The yes or no that a reply to a polar question starts with."""
    opening = _OPENING.match(prose) if question.asks_yes_or_no else None
    return Found(opening[1], form(opening[1])) if opening else None
