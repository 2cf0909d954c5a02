"""The frame of an answer: the part of a sentence that only repeats the question. The rest is the answer.

"The boat ends up 4 miles east of the harbor." answers "Where does the boat end up?" with its last six words; "The
graph is not connected." answers "Is the graph connected?" with no. Only words of the question, and words that add
nothing, belong to the frame. The subject is kept beside the rest: the same words about another subject of the
question are another answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from optillm.toolkit.answers.languages import denying
from optillm.toolkit.answers.question_words import QuestionWords
from optillm.toolkit.answers.questions import Question
from optillm.toolkit.answers.vocabulary import (
    BOUNDS,
    NEVER_ACCOUNTED,
    stem,
    words_of,
)

_WORD = re.compile(r"[^\W_][\w'-]*(?<![.'-])|[^\W_]")
_GAP = re.compile(r"[\s*_]*")
_OPENING: Final = words_of("so thus therefore hence then finally overall in conclusion")
_DETERMINERS: Final = words_of("the a an this that these those his her its their our my your")
_PRONOUNS: Final = words_of("it they he she we this that there i you these those")
_COPULAS: Final = words_of(
    "is are was were be been being has have had will would must should can could do does did"
)
_AUXILIARIES: Final = words_of("will would must should can could do does did cannot")
_GENERIC: Final = words_of("equation system inequality expression problem statement claim")
"""Nouns for what a question states in symbols."""
_MAX_SENTENCE: Final = 200


class Frame(NamedTuple):
    """A sentence taken apart: the rest without the words of its question, and the words of its subject."""

    rest: str
    subject: str | None


def framed(text: str, question: Question) -> Frame | None:
    """Return what a sentence adds to its question's subject and verb; `None` if it lacks either."""
    if len(text) > _MAX_SENTENCE or not question or question.words.coordinated:
        return None  # if the question is about several things, each word may say which of them is meant
    words = list(_WORD.finditer(text))
    if question.words.limits:
        return _framed_foreign(text, words, question.words)
    subject: list[str] = []
    end = _after_subject(words, question, subject)
    if end is None or not _only_gaps(text, words[: end + 1]):
        return None
    while end + 1 < len(words) and _goes_on(words[end + 1][0], question.words):
        end += 1
    if not _only_gaps(text, words[: end + 1]):
        return None
    rest = text[words[end].end() :].strip()
    if _WHO.match(question.last) and "whom" not in question.tokens:
        rest = _BY.sub("", rest, count=1)  # "It was painted by Manet."
    if not rest or not re.match(r"[\w$€£¥√π∞\\(\[{*-]", rest):
        return None
    return Frame(rest, " ".join(subject) or None)


def _framed_foreign(text: str, words: Sequence[re.Match[str]], question_words: QuestionWords) -> Frame | None:
    """Return what follows the leading words that add nothing or are the question's.

    Words of the question among these are the subject.
    """
    subject: list[str] = []
    end = 0
    for match in words:
        word = match[0].casefold()
        if not question_words.account_for(word, _NONE):
            break
        if word not in question_words.empty:
            subject.append(word)
        end = match.end()
    rest = text[end:].strip()
    frameless = not rest or not end or not re.match(r"[\w$€£-]", rest) or re.search(r"[^\w\s'-]", text[:end])
    return None if frameless else Frame(rest, " ".join(subject) or None)


_NONE: Final = frozenset[str]()
_KIND_OF = re.compile(
    r"\b(?:which|what)\s(?:(?:is|was)\sthe\s(?:\w+est|most\s\w+|only|main)\s)?(?P<kind>[a-z]{3,20})\b",
    re.IGNORECASE,
)
_NO_KIND: Final = words_of("is are was were does did the kind type sort number value") | _COPULAS
_TIME_AT: Final = re.compile(
    r"^(?:in|on|at)\s(?=(?:the\s)?(?:\d{4}s?$|\d{1,4}\s(?:BCE?|AD|CE)$|(?:jan|febr)uary|march|april|may$|june|july|august|(?:sept|nov|dec)ember"
    r"|october|(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b)",
    re.IGNORECASE,
)


def without_kind(text: str, question: Question) -> str:
    """Return a name without the question's noun: "B12" for "vitamin B12" and "which vitamin?"."""
    text = _TIME_AT.sub("", text, count=1)
    match = _KIND_OF.search(question.last)
    if match is None or match["kind"].casefold() in _NO_KIND:
        return text
    kind = re.escape(match["kind"])
    named = re.fullmatch(rf"(?:the\s)?{kind}(?:\sof)?\s(\S.*)|(?:the\s)?(\S+)\s{kind}", text, re.IGNORECASE)
    return (named[1] or named[2]) if named else text


_WHO = re.compile(r"(?:by )?who\b", re.IGNORECASE)
_BY = re.compile(r"by\s(?=[A-ZÀ-Þ])")


def _after_subject(words: Sequence[re.Match[str]], question: Question, subject: list[str]) -> int | None:
    """Return the index of the verb after a subject from the question; add its words to `subject`."""
    for index, match in enumerate(words):
        word = match[0].casefold()
        if index and word == "cannot":
            return index - 1
        if word in NEVER_ACCOUNTED | BOUNDS | question.words.limits | question.words.disputed:
            return None
        if index and (word in _COPULAS or _inflected(word, question)):
            return index - 1 if word in _AUXILIARIES and _next_denies(words, index) else index
        if word in _OPENING | _DETERMINERS | _PRONOUNS or word in question.words.empty:
            continue
        if word in _GENERIC:
            continue
        if not question.words.account_for(word, _OPENING):
            return None
        subject.append(word)
    return None


def _next_denies(words: Sequence[re.Match[str]], index: int) -> bool:
    return index + 1 < len(words) and words[index + 1][0].casefold() == "not"


def _inflected(word: str, question: Question) -> bool:
    """Return whether a word is another form of one in the question: "ends" for "where does it end"."""
    return stem(word) in question.words.stems and word not in question.tokens


def _goes_on(word: str, words: QuestionWords) -> bool:
    """Return whether a word after the verb only repeats one of the question: "is made", "ends up"."""
    folded = word.casefold()
    if (
        folded in NEVER_ACCOUNTED | (BOUNDS - {"up"}) | _DETERMINERS | words.limits
        or folded in words.disputed
    ):
        return False
    return word.islower() and (folded == "be" or stem(folded) in words.stems)


def _only_gaps(text: str, words: Sequence[re.Match[str]]) -> bool:
    """Return whether only spaces, emphasis and an early comma ("So, it") separate the words."""
    at = 0
    for index, match in enumerate(words):
        gap = text[at : match.start()]
        if not _GAP.fullmatch(gap.replace(",", "", 1) if index < 3 else gap):
            return False
        at = match.end()
    return True


_DENIALS: Final = words_of("not isn't aren't wasn't weren't doesn't don't didn't cannot can't won't no")
_ASIDE: Final = _OPENING | _DETERMINERS | _COPULAS | words_of("a an to of that it as well indeed also still")
_NEGATED: Final = re.compile(r"(?:un|in|im|ir|il|dis|non-?)(?=\w{4})")
_NO_NEGATION: Final = words_of("invaluable inflammable infamous interested disinterested indifferent united")
_OPPOSITES: Final = {
    "odd": "even", "even": "odd", "composite": "prime", "diverges": "converges", "divergent": "convergent",
    "dependent": "independent", "false": "true", "true": "false", "incorrect": "correct", "invalid": "valid",
}  # fmt: skip
"""Pairs of adjectives of which exactly one is true of anything that they apply to."""


def restated(text: str, question: Question) -> bool | None:
    """Return the answer of a sentence that repeats or denies what a yes-or-no question asks.

    Returns `None` unless the sentence has all words of the question in order, or a pronoun for the first of them.
    """
    if not question.asks_yes_or_no or len(text) > _MAX_SENTENCE or not _PLAIN.fullmatch(text):
        return None
    question_words = _content(question.last)
    text = _CONTRACTED.sub(lambda match: f"{match[1] or match[2]} is", text.replace("’", "'"))
    text = _NO_SUCH.sub(r"there is no \1", text)
    words = _content(_SO.sub("", text.replace("no longer", "not"), count=1))
    if not words or " or " in question.last or any(word in _DENIALS for word in question_words):
        return None
    denials = sum(word in _DENIALS or word in denying() for word in words)
    words = [word for word in words if word not in _DENIALS]
    pronoun = bool(words) and words[0] in _PRONOUNS
    words = words[1:] if pronoun else words
    bare = not pronoun and text.split()[0].casefold() not in _DETERMINERS and not _VERB.search(text)
    negated = _aligned(words, question_words, whole=not (pronoun or bare))
    return None if negated is None or denials > 1 else (denials == 1) is negated


_PLAIN = re.compile(r"(?!yes\b|no\b[,.])(?:\w+,\s)?[\w\s'’*.-]+", re.IGNORECASE)
_NO_SUCH = re.compile(r"^no (.+) exists?$", re.IGNORECASE)
_SO = re.compile(r"(?:so|thus|therefore|hence|overall|finally),\s", re.IGNORECASE)
_VERB = re.compile(r"\b(?:is|are|was|were|do|does|did|can|has|have|had|will|would)\b|n't\b", re.IGNORECASE)
_CONTRACTED = re.compile(r"\b(it|he|she|that)'s\b|\b(they|we|you)'re\b", re.IGNORECASE)


def _content(text: str) -> list[str]:
    """Return the words of a sentence that mean something, pronouns and denials among them."""
    words = [match[0].casefold() for match in _WORD.finditer(text)]
    return [word for word in words if word not in _ASIDE or word in _PRONOUNS - {"that"}]


def _aligned(words: Sequence[str], question_words: Sequence[str], *, whole: bool) -> bool | None:
    """Return whether `words` are the opposite of the end of `question_words`; `None` if unrelated."""
    if not words:
        return None
    if len(words) > len(question_words) or (whole and len(words) < len(question_words)):
        return None
    negations = list(_negations(words, question_words[len(question_words) - len(words) :]))
    return None if None in negations or sum(map(bool, negations)) > 1 else any(negations)


def _negations(words: Sequence[str], question_words: Sequence[str]) -> Iterator[bool | None]:
    for one, other in zip(words, question_words, strict=True):
        if stem(one) == stem(other):
            yield False
        elif _OPPOSITES.get(one) == other:
            yield True
        else:
            bare = "" if one in _NO_NEGATION else _NEGATED.sub("", one, count=1)
            other_bare = "" if other in _NO_NEGATION else _NEGATED.sub("", other, count=1)
            negates = (other in (bare, f"in{bare}") and bare != one) or (
                one == other_bare and other_bare != other
            )
            yield True if negates else None
