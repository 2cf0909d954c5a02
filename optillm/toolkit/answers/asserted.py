"""Which of a closed set of answers a text asserts: the options of a question, or the alternatives that it names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from optillm.toolkit.answers.concluding import WORD, bare, clauses, closing, emphasised, opening, within
from optillm.toolkit.answers.questions import Question
from optillm.toolkit.answers.statements import correction
from optillm.toolkit.answers.vocabulary import LEADING, words_of

_DENYING: Final = words_of("""
    not n't never neither nor cannot avoid avoids avoiding without than instead unlike except excluding versus vs
    against isn't aren't wasn't weren't doesn't don't didn't can't won't couldn't no non nicht kein keine pas ni
""")
"""Words that deny what stands soon behind them."""
_DENIED_BEHIND = re.compile(
    r"[*\"'`)]*\s(?:(?:is|are|was|were|does|do|did|can|could|would|will|has|have)(?:\snot\b|n't\b)|cannot\b|isn't\b"
    r"|(?:is|are|was|were|would be)\s(?:also\s)?(?:wrong|incorrect|false|excluded|unlikely|impossible|out\b|tempting))",
    re.IGNORECASE,
)
_UNSETTLED: Final = words_of("""
    slightly somewhat mostly partly partially very nearly almost mildly probably possibly perhaps maybe either both
    neither if unless depends
    far rarely supposed seemingly first initially begins starts similar before after half
    between mixed leaning borderline incorrect wrong false eliminate eliminated eliminates
    exclude excludes excluded tempting distractor unclear hardly barely unsure might opposite alternatively
    but however although though whereas while assume assuming assumption suppose supposing
    former formerly until mistake misconception
""")
"""Words beside an alternative that leave open whether it is asserted, or how much of it."""
_REACH: Final = 3
_NEAR = re.compile(r"(?:\b(?:[\w'-]+)[\s,*\"'`(]+){0,3}$")


def asserted_in(text: str, patterns: Mapping[str, re.Pattern[str]]) -> set[str]:
    """Return the names of the patterns that a text asserts; those that it denies are left out."""
    spans: list[tuple[int, int, str]] = []
    for name, pattern in patterns.items():
        spans += [(match.start(), match.end(), name) for match in pattern.finditer(text)]
    longest = sorted(spans, key=lambda span: span[0] - span[1])
    taken: list[tuple[int, int, str]] = []
    for start, end, name in longest:
        if not any(start < other[1] and other[0] < end and name != other[2] for other in taken):
            taken.append((start, end, name))
    return {name for start, end, name in taken if not _is_denied(text, start, end)}


_DENIAL = re.compile(r"\b(?:not|no|never|cannot|can't)\b|n't\b", re.IGNORECASE)


def is_qualified(text: str, pattern: re.Pattern[str], question: Question) -> bool:
    """Return whether the word right before a name is neither the question's nor one that adds nothing: "a bit"."""
    for match in pattern.finditer(text):
        if text[max(0, match.start() - 1) : match.start() + 1].strip()[:1] in ("(", "["):
            continue
        words = WORD.findall(text[: match.start()])
        if (
            words
            and len(words[-1]) > 1
            and words[-1].isascii()
            and words[-1].casefold() not in ("a", "an", "the")
            and not question.words.account_for(words[-1], LEADING | _INTRODUCING)
            and not question.words.mention(words[-1])
        ):
            return True
    return False


_INTRODUCING: Final = words_of("""
    as into under called clearly definitely certainly type category label class namely by only option choice letter
    i'd i'll pick choose say that's it's select opción respuesta antwort
""")
"""Words right before a name that assert it."""


def is_denied_elsewhere(text: str, patterns: Mapping[str, re.Pattern[str]]) -> bool:
    """Return whether a text denies anything but the names of the patterns: "no better than"."""
    spent = 0
    for pattern in patterns.values():
        for match in pattern.finditer(text):
            near = _NEAR.search(text[max(0, match.start() - 60) : match.start()])
            spent += bool(near and _DENIAL.search(near[0])) or bool(_DENIED_BEHIND.match(text, match.end()))
    return len(_DENIAL.findall(text)) > spent


def _is_denied(text: str, start: int, end: int) -> bool:
    near = _NEAR.search(text[max(0, start - 60) : start])
    if text[start - 1 : start] == "/" or text[end : end + 1] == "/":
        return True  # "A/B"
    before = {word.casefold() for word in WORD.findall(near[0])[-_REACH:]} if near else set()
    return bool(before & _DENYING) or _DENIED_BEHIND.match(text, end) is not None


_UNREAL = re.compile(
    r"\b(?:no|not|any)\s(?:more|less|\w+er)\b|\bwould(?:\s(?:be|have|not)\b|n't\b)", re.IGNORECASE
)


def is_unsettled(text: str, question: Question) -> bool:
    """Return whether a text has a word that leaves open what it asserts; one of the question leaves nothing open."""
    words = {word.casefold() for word in WORD.findall(text)}
    if "or" in words or "?" in text or "rather than" in text[-14:] or _UNREAL.search(text):
        return True
    return bool({word for word in words & _UNSETTLED if word not in question.tokens})


_REASON = re.compile(r",?\s(?:because|since)\s.*", re.DOTALL)


def units(prose: str) -> Iterator[tuple[str, bool]]:
    """Yield the parts of a reply that may assert its answer, and whether each is emphasised.

    First what the last sentence emphasises, then its conclusion, then the sentence; last, the same of the first
    sentence, if nothing after it takes it back.
    """
    last, first = closing(prose), opening(prose)
    for sentence in dict.fromkeys((last, first)):
        if not sentence or (sentence != last and correction(prose, len(sentence)) is not None):
            continue
        for span in emphasised(sentence)[::-1]:
            yield within(span), True
        for clause in clauses(sentence):
            yield _REASON.sub("", bare(clause)), False
