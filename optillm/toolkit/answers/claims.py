"""Sentences that repeat the question and give its answer, wherever they are in a reply.

"The capital of Greece is Athens, a city known for its history. It has …" answers "What is the capital of Greece?".
A sentence counts only if it has all the content words of the question; what follows the value may explain it, but not
limit it. The last such sentence counts, unless the next one limits it or a later one takes it back.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from optillm.toolkit.answers.extraction import sentences
from optillm.toolkit.answers.forms import Form, form
from optillm.toolkit.answers.frames import restated
from optillm.toolkit.answers.phrasing import phrased, subject_of
from optillm.toolkit.answers.questions import Question
from optillm.toolkit.answers.sentences import (
    LONGEST_SENTENCE,
    Reading,
    in_words,
    result,
    value_in,
    worded,
)
from optillm.toolkit.answers.typography import plain
from optillm.toolkit.answers.vocabulary import (
    BOUNDS,
    CORRECTING,
    LEADING,
    LIMITING,
    NEUTRAL_VERBS,
    NEVER_ACCOUNTED,
    NUMERALS,
    stem,
    words_of,
)

_MOST_SENTENCES: Final = 60
_MAX_SENTENCE: Final = 600
"""The most characters of a sentence that are read."""
_MOST_WORDS: Final = 5
_WORD = re.compile(r"[^\W_][\w'.-]*(?<![.'-])")
_STOP_WORDS: Final = (
    LEADING
    | words_of(
        "how many much far long old often or what which who whom whose when where by from does do did it there"
    )
    | {verb for verb in NEUTRAL_VERBS if len(verb) < 5}
)
_SYNONYMS: Final = {stem("appears"): stem("occurs")}
_CONTINUING: Final = NEVER_ACCOUNTED | LIMITING | NUMERALS.keys() | words_of("each every per and or")
_LIMITING: Final = LIMITING - words_of(
    "and or also still yet plus minus when while if assuming provided until"
)
_DENYING: Final = frozenset(map(stem, NEVER_ACCOUNTED))
_RANKS: Final = frozenset(map(stem, words_of("second third fourth fifth next previous")))
_BOUNDING: Final = frozenset(map(stem, BOUNDS | {"since"}))


class _Part(NamedTuple):
    """A sentence, or what follows a colon in one."""

    text: str
    whole: bool


def claimed(prose: str, question: Question) -> Reading | None:
    """Return the answer in the last sentence that repeats the question; `None` if it cannot be read."""
    if not question or question.options or question.words.coordinated or question.words.limits:
        return None
    if question.asks_for_order or question.asks_for_set:
        return None
    following = ""
    for part in _backwards(prose):
        last = not following
        reading = _truth(part, question) if question.asks_yes_or_no else _claim(part, question, last=last)
        if reading is not None:
            return None if _first_word(following) in _LIMITING else reading
        if _first_word(part.text) in CORRECTING or _says_more(part.text, question):
            return None
        following = part.text
    return None


def _backwards(prose: str) -> Iterator[_Part]:
    """Yield the sentences of a text, the last first; one with a colon comes in two parts, the last first."""
    lines = prose.splitlines()[-_MOST_SENTENCES:]
    every = [sentence for line in lines for sentence in sentences(plain(line))]
    for sentence in reversed(every[-_MOST_SENTENCES:]):
        head, _, tail = sentence[:_MAX_SENTENCE].rpartition(": ")
        yield _Part(tail, whole=not head)
        if head:
            yield _Part(head, whole=False)


def _truth(part: _Part, question: Question) -> Reading | None:
    """Return the answer of a sentence that repeats or denies a yes-or-no question."""
    truth = restated(_ADVERB.sub("", part.text).rstrip(".!* "), question)
    return None if truth is None else Reading(part.text, Form("truth", str(truth).casefold()))


_ADVERB = re.compile(r"\b(?:actually|really|indeed|definitely)\s")


def _claim(part: _Part, question: Question, *, last: bool) -> Reading | None:
    """Return the value that a sentence gives.

    The last sentence need repeat only half of a question for a quantity.
    """
    text = phrased(part.text, question)
    content, repeats = _content(question), _repeats(text, question)
    if not content:  # "How much is it?" accounts for nothing in "a profit of 5"
        return None
    strict = not question.asks_for_quantity or not (last and part.whole)
    if not repeats and (strict or 2 * len(content & _stems(text)) < max(len(content), 1)):
        return None
    if subject := subject_of(question):
        text = subject.sub("it", text)
    for head in _heads(_LETTER.sub(r"\1", text)):
        reading = _value(head, question, repeats=repeats)
        if reading and _adds(reading, question):
            return reading
    return None


_LETTER = re.compile(r"\b(letter|character)\s[^\W\d_]\b")


def _stems(text: str) -> frozenset[str]:
    return frozenset(_SYNONYMS.get(word, word) for word in map(stem, _WORD.findall(text)))


def _content(question: Question) -> frozenset[str]:
    """Return the stems of the question's content words."""
    # Of "Which is larger, 2 or 3?" an answer repeats only "larger".
    omitted = _STOP_WORDS | question.words.disputed
    words = [word for word in _WORD.findall(question.last) if word.casefold() not in omitted]
    return _stems(" ".join(words))


def _repeats(text: str, question: Question) -> bool:
    """Return whether a sentence, phrased like its question, repeats what the question asks for."""
    subject = subject_of(question)
    return _content(question) <= _stems(text) if subject is None else subject.search(text) is not None


def _value(head: str, question: Question, *, repeats: bool) -> Reading | None:
    """Return the value of a sentence, or else of its last clause about the subject."""
    if len(head) > LONGEST_SENTENCE:
        return None
    if reading := (_clause(head, question) if repeats else None) or _read(head, question):
        return reading
    lead, it, rest = head.rpartition("it ")
    if not repeats or not lead or not question.asks_for_quantity or _stems(lead) & _DENYING:
        return None
    return _read(_AS.sub("it is", f"{it}{rest}", count=1), question)


_AS = re.compile(r"^it as\b")


def _read(text: str, question: Question) -> Reading | None:
    if year := year_in(text, question):
        return Reading(year, form(year, question))
    if reading := result(text, question) or value_in(text, question):
        return reading
    return None if question.asks_for_quantity else worded(text, question) or _named(text, question)


_YEAR = re.compile(r"\byear\b", re.IGNORECASE)
_YEARS = re.compile(r"(?<![\w.,$€£-])[12]\d{3}\b(?![.,]\d)")


def year_in(text: str, question: Question) -> str | None:
    """Return the only year in a sentence that is not in its question, if the question is for a year."""
    if not _YEAR.search(question.last) or _stems(text) & (_DENYING | _BOUNDING):
        return None
    years = set(_YEARS.findall(text)) - set(_YEARS.findall(question.text))
    return years.pop() if len(years) == 1 else None


_CLAUSE = re.compile(
    r"([^;]{3,160}),\swhich\s(?:is|equals|gives|results in|leads to)(?:\s(?:us|you))?\s([^;,]{1,80})"
)

_IDENTIFIED = re.compile(r"\b(?:is|get|gives|gives us)\s([^\s,][^,]{0,40}),\swhich\sis\sit\.?$")
"""What a sentence calls the value of the question's subject, here "it": "… is 5, which is the sum of 2 and 3."."""


def _clause(text: str, question: Question) -> Reading | None:
    """Return the value in a clause about the whole sentence before it: "You add 40 and 2, which is 42."."""
    if identified := _IDENTIFIED.search(text):
        return value_in(f"it is {identified[1]}", question)
    clause = _CLAUSE.fullmatch(text)
    if clause is None or _stems(clause[1]) & _DENYING:
        return None
    after = clause[2].rstrip(".")
    return result(after, question) or value_in(after, question)


_PREDICATE = re.compile(r"(?P<name>(?:[A-Z]|The\s)[^,;:.]{1,60}?)\s(?P<rest>(?:is|was|are|were|can be)\s.+)")
_GLOSSED = re.compile(
    r"(?P<rest>[^,]{3,100}),\s(?P<name>(?:the\s)?[A-Z][^,]{1,40}),\s(?:is|was|are|were|has)\b"
)


def _named(text: str, question: Question) -> Reading | None:
    """Return the subject of a sentence that says all of the question: "Paris is the capital of France."."""
    sentence = _PREDICATE.fullmatch(text) or _GLOSSED.match(text)
    if sentence is None or not _content(question) <= _stems(sentence["rest"]):
        return None
    words = _stems(sentence["name"]) | _stems(sentence["rest"])
    return (
        None
        if words & (_DENYING | (_RANKS - _stems(question.text)))
        else in_words(sentence["name"], question, _MOST_WORDS)
    )


def _adds(reading: Reading, question: Question) -> bool:
    """Return whether a reading says something new; a number of the question may be the answer."""
    is_number = reading.form.kind not in ("text", "collection", "expression")
    return is_number or not _stems(reading.text) <= _stems(question.text)


_BREAK = re.compile(
    r",\s(?=and (?:it|this|that|as|so|thus|therefore|is|was|has)\b)|,\s(?=(?P<word>[a-z]+)\b)|\s(?=\([A-Z])"
    r"|\s(?=(?:because|since|in English|is (?:the|your|our) (?:result|answer|sum|product))\b)"
)
_EXPLAINING: Final = (None, "which", "as", "because", "since", "so", "where")
_APPOSITION = re.compile(r"\s[A-Z\d][^,]*$")


def _heads(text: str) -> Iterator[str]:
    """Yield a sentence, then what precedes an explanation: a clause, or an apposition to a name or a number."""
    yield text
    for end in _BREAK.finditer(text):
        if end["word"] in _CONTINUING:
            return
        head = text[: end.start()]
        if end["word"] in _EXPLAINING or _APPOSITION.search(head):
            yield head


_NUMBERS = re.compile(r"\d[\d.,]*(?<![.,])")


def _says_more(text: str, question: Question) -> bool:
    """Return whether a sentence repeats the question, and may give another value that cannot be read."""
    text = phrased(text, question)
    if not question.asks_for_quantity or not _repeats(text, question):
        return False
    return bool(set(_NUMBERS.findall(text)) - set(_NUMBERS.findall(question.text)))


def _first_word(text: str) -> str:
    first = _WORD.match(text.lstrip("*_ ("))
    return first[0].casefold() if first else ""
