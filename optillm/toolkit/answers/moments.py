"""The date, time, weekday, month or year that a sentence adds to its question."""

from __future__ import annotations

import re
from typing import Final

from optillm.toolkit.answers.amounts import amounts_in, new_in
from optillm.toolkit.answers.concluding import WORD, bare, clauses
from optillm.toolkit.answers.forms import form
from optillm.toolkit.answers.languages import denying
from optillm.toolkit.answers.questions import Question
from optillm.toolkit.answers.sentences import Reading
from optillm.toolkit.answers.vocabulary import MONTHS, NEVER_ACCOUNTED, stem, words_of

_MONTH: Final = "|".join(sorted((re.escape(name) for name in MONTHS), key=len, reverse=True))
_DAY: Final = r"\d{1,2}(?:st|nd|rd|th)?"
_DATE = re.compile(
    rf"\b(?:(?:the\s)?{_DAY}\s(?:of\s)?(?:{_MONTH})\b\.?(?:,?\s\d{{4}})?|(?:{_MONTH})\b\.?\s{_DAY}(?:,?\s\d{{4}})?\b(?!\d)"
    rf"|(?:{_MONTH})\.?(?:\sof)?,?\s\d{{4}}|\d{{4}}-\d\d-\d\d)\b",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"(?<![\d:.])(?:\d{1,2}(?:[:.][0-5]\d)?\s?[ap]\.?m\b\.?|\d{1,2}:[0-5]\d(?!\d)|noon\b|midnight\b)",
    re.IGNORECASE,
)
_WEEKDAY = re.compile(r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b", re.IGNORECASE)
_MONTH_ALONE = re.compile(
    r"\b(?:January|February|March|April|May|June|July|August|September|October|November|December)\b"
)
_YEAR = re.compile(r"(?<![\d.,$€£-])\b[12]\d{3}\b(?![.,]\d|\s?(?:BC|AD|%|[a-z]*meters))")
_KINDS: Final = (
    (re.compile(r"\byear\b", re.IGNORECASE), (_YEAR,)),
    (
        re.compile(
            r"\b(?:day of the week|weekday|(?:what|which) day\b(?!s? (?:of|in) the month))", re.IGNORECASE
        ),
        (_WEEKDAY, _DATE),
    ),
    (re.compile(r"\bmonth\b(?!.*\byear\b)", re.IGNORECASE), (_MONTH_ALONE,)),
    (re.compile(r"\btime\b", re.IGNORECASE), (_TIME,)),
)
_ANY: Final = (_DATE, _TIME, _WEEKDAY, _YEAR)
_CHANGING: Final = words_of("""
    before after until till by since around about between approximately circa ca early late mid
    from not or than past to quarter half minutes
""")


_LEADING: Final = words_of("on at in is was be will fell ends year it's that's date time day month the")


def moment_in(sentence: str, question: Question) -> Reading | None:
    """Return the moment of the kind asked for, if the conclusion of a sentence has exactly one that is new."""
    patterns = next((patterns for kind, patterns in _KINDS if kind.search(question.last)), _ANY)
    for kind, special in _KINDS[:1]:
        if kind.search(question.text) and not re.search(r"\bmonth\b|\bday\b|\bdate\b", question.text):
            patterns = special
    for clause in clauses(bare(sentence)):
        for pattern in patterns:
            if reading := _only(clause.rpartition("=")[2] if pattern is _TIME else clause, pattern, question):
                return reading
    return None


_ZONE = re.compile(r"\s[A-Z]")
_IN_BRACKETS = re.compile(r"\s?\([^()]*\d[^()]*\)")


_EVENTS: Final = words_of("""
    began begins begin starts start built born died dies ends end came comes opens opened closes left leaves won lost
    broke
""")
_NO_EVENTS: Final = words_of("""
    scheduled planned called named located dated based occurred happened need indeed speed red united
""")
"""Words in "ed" that say nothing of what happens."""


_STAGE = re.compile(
    r"(?:After|Within|In)\s(?:[\w-]+\s){1,3}?(?:seconds?|minutes?|hours?|days?|weeks?|months?|years?)\b"
)


def is_of_another_event(text: str, question: Question) -> bool:
    """Return whether what stands before a moment says that something else happens than the question asks about.

    "It was ratified on May 3." does not say when it was signed.
    """
    stage = _STAGE.match(text)
    if stage and new_in(amounts_in(stage[0], question), question):
        return True  # "After one hour it is 3:00 PM."
    words = {word.casefold() for word in WORD.findall(re.split(r"\d", text, maxsplit=1)[0])}
    events = {word for word in words if word in _EVENTS or word.endswith("ed")} - _NO_EVENTS
    stems = {other[:5] for other in question.words.stems}
    return any(stem(word)[:5] not in stems for word in events)


def _only(clause: str, pattern: re.Pattern[str], question: Question) -> Reading | None:
    in_question = {match[0].casefold() for match in pattern.finditer(question.text)}
    matches = [match for match in pattern.finditer(clause) if match[0].casefold() not in in_question]
    if len({match[0].casefold() for match in matches}) != 1:
        return None
    words = [word.casefold() for word in WORD.findall(clause[: matches[0].start()])]
    behind = [word.casefold() for word in WORD.findall(clause[matches[0].end() :])][:4]
    if any(word in denying() or not word.isascii() for word in words):
        return None  # "It nicht starts on May 3."
    if set(words) & (NEVER_ACCOUNTED - words_of("when")) or set(words[-2:]) & _CHANGING:
        return None
    if (
        words
        and words[-1] not in _LEADING
        and not words[-1].isdigit()
        and words[-1] not in MONTHS
        and not question.words.mention(words[-1])
    ):
        return None  # "the eve of May 3"
    if set(behind) & words_of("or if unless bc bce but earliest latest later earlier ago"):
        return None
    if is_of_another_event(clause[: matches[0].start()], question):
        return None
    if pattern is _TIME and _ZONE.match(clause, matches[0].end()):
        return None  # "9:00 a.m. Eastern time"
    if _IN_BRACKETS.match(clause, matches[0].end()):
        return None  # "May 3 (1815)"
    stated = matches[0][0]
    return Reading(stated, form(stated, question)._replace(subject=None))
