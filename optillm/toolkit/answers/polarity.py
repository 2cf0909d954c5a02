"""The answer to a question for yes or no: what a reply leads with, or what its last sentence says of the statement."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from optillm.toolkit.answers.accounting import is_accounted
from optillm.toolkit.answers.concluding import WORD, bare, clauses, closing, opening
from optillm.toolkit.answers.extraction import sentences
from optillm.toolkit.answers.forms import Form
from optillm.toolkit.answers.frames import framed, restated
from optillm.toolkit.answers.languages import truths
from optillm.toolkit.answers.questions import Question
from optillm.toolkit.answers.sentences import Reading
from optillm.toolkit.answers.statements import correction
from optillm.toolkit.answers.typography import plain
from optillm.toolkit.answers.vocabulary import words_of

_TAKING_BACK: Final = words_of("""
    but however although though unless except nevertheless nonetheless otherwise technically partly partially depends
    sometimes mostly usually almost provided conversely conditionally theoretically jein pero aber mais mas
    ma однако но
""")
"""Words that limit a yes or a no wherever they stand in its sentence, and at the beginning of a later one."""
_LIMITING_AFFIRMATION: Final = words_of("only if when while not long")
_RESTRICTING: Final = words_of("""
    in for with under up at depending assuming typically generally normally on during within given to by about
    theoretically legally in-principle most some once after before where wherever subject until
""")
"""Words that begin what restricts a yes or no, and no clause that explains it."""
_REASON = re.compile(r"\b(?:because|since|as|for|due to)\b", re.IGNORECASE)
_CONDITION = re.compile(
    r"\b(?:as|so) long as\b|\bin case\b|\bon condition\b|\bgiven that\b|\band no\b", re.IGNORECASE
)
_CONTRADICTED = re.compile(
    r"(?:it|they|he|she|that|this|there) (?:is|are|was|were|does|do|did|can|will)", re.IGNORECASE
)
_NOT_WHOLLY = re.compile(
    r"\bnot (?:always|necessarily|entirely|completely|exactly|quite|really|all|until|without)\b|^only\b|^as an?\b",
    re.IGNORECASE,
)
_MOST_SENTENCES: Final = 12
_DENIED = re.compile(
    r"(?:it|they|he|she|that|this|there)\s(?:(?:is|are|was|were|does|do|did|can|will)(?:n't|\snot)|can't|cannot|won't)"
    r"(?:\s\w+)?",
    re.IGNORECASE,
)


@cache
def _words() -> dict[str, str]:
    return {"yes": "true", "no": "false", "true": "true", "false": "false", **truths()}


@cache
def _leading() -> re.Pattern[str]:
    words = "|".join(sorted(map(re.escape, _words()), key=len, reverse=True))
    return re.compile(
        rf"[*_\s\"'#>]*(?P<word>{words})(?P<end>[*_\"']*(?:\s*[,.;:!—–、。،।]|\s+[-—–]\s|\s*\n|\s*$)[*_\"']*|\s+(?=(?:because|since)\b))",
        re.IGNORECASE,
    )


def polar(prose: str, question: Question) -> Reading | None:
    """Return the yes or no of a reply to a polar question, as long as nothing in the reply takes it back."""
    if reading := _led_with(prose, question):
        return reading
    reading, led = _concluded(prose, question), _leading().match(prose)
    contradicts = reading and led and reading.form.value != _words()[led["word"].casefold()]
    return None if contradicts else reading


def _led_with(prose: str, question: Question) -> Reading | None:
    match = _leading().match(prose)
    if match is None or correction(prose, match.end()) is not None:
        return None
    value = _words()[match["word"].casefold()]
    again = _leading().match(prose, match.end())
    if again and _words()[again["word"].casefold()] != value:
        return None
    rest = [part for line in plain(prose[match.end() :]).splitlines() for part in sentences(line)]
    ends_there = "." in match["end"] or "!" in match["end"] or "\n" in match["end"]
    first, later = ("", rest) if ends_there else ((rest or [""])[0], rest[1:])
    contradicting = _CONTRADICTED if value == "false" else _DENIED
    contradicts = contradicting.fullmatch(first.strip(" .!*"))
    if (
        _is_limited(first, value)
        or contradicts
        or _has_another_number(first, question)
        or any(map(takes_back, later[:_MOST_SENTENCES]))
    ):
        return None
    concluding = [*rest[:2], *(clause for part in rest[-1:] for clause in clauses(part))]
    contradicted = {restated(bare(part).rstrip(".! "), question) for part in concluding}
    if (value == "false") in contradicted and (value == "true") not in contradicted:
        return None
    if any(_is_contrary(part, value, question) for part in concluding):
        return None
    return Reading(match["word"], Form("truth", value))


def _has_another_number(clause: str, question: Question) -> bool:
    """Return whether a clause repeats the question with another number: "Yes, it is divisible by 4."."""
    words = WORD.findall(clause)
    numbers = {word for word in words if word[0].isdigit()}
    return (
        bool(numbers - question.tokens)
        and "≈" not in clause
        and all(word in numbers or is_accounted(word, question) for word in words)
    )


_PREDICATED = re.compile(
    r"(?:it|this|that|\d+)\sis(?P<denied>\snot|n't)?\s(?:an?\s)?(?P<word>\w+)(?:\snumber)?", re.IGNORECASE
)


def _is_contrary(clause: str, value: str, question: Question) -> bool:
    """Return whether a clause says with the question's own word the opposite of a yes or no: "No. So it is prime."."""
    match = _PREDICATED.fullmatch(bare(clause).rstrip(".! "))
    if match is None or match["word"].casefold() not in question.tokens or "not" in question.tokens:
        return False
    return bool(match["denied"]) is (value == "true")


def _is_limited(sentence: str, value: str) -> bool:
    """Return whether the rest of the sentence with a yes or no limits it; a reason may say "only" or "not"."""
    folded = [word.casefold() for word in WORD.findall(sentence)]
    if folded and folded[0] in _RESTRICTING:
        return True  # "Yes, in some cases."
    if _TAKING_BACK.intersection(folded) or _CONDITION.search(sentence) or _NOT_WHOLLY.search(sentence):
        return True
    asserted = {word.casefold() for word in WORD.findall(_REASON.split(sentence, maxsplit=1)[0])}
    limiting = _LIMITING_AFFIRMATION if value == "true" else words_of("if when while long")
    return bool(asserted & limiting)


def takes_back(sentence: str) -> bool:
    """Return whether a sentence begins like one that limits what was said before it."""
    first = WORD.findall(sentence)[:2]
    return bool(first) and (
        first[0].casefold() in _TAKING_BACK or [word.casefold() for word in first] == ["that", "said"]
    )


_VERDICT = re.compile(
    r"(?:(?:so|thus|therefore|hence)\b,?\s)?(?:(?:the|this|that|it|your|his|her)\b\s?)"
    r"(?:statement|claim|sentence|assertion|proposition|answer|conclusion)?"
    r"(?:'s|\s?(?:is|was|must be))\s(?:therefore\s|thus\s|actually\s|indeed\s|a\s)?(?P<denied>not\s)?"
    r"(?P<word>true|correct|right|false|incorrect|wrong|untrue)(?:\s(?:statement|claim|sentence))?",
    re.IGNORECASE,
)
_AFFIRMING: Final = words_of("true correct right")


def _concluded(prose: str, question: Question) -> Reading | None:
    """Return the verdict of the last sentence or the first: "…, so 2024 is a leap year.", "The statement is false."."""
    for clause in (*clauses(closing(prose)), opening(prose)):
        text = _ADVERB.sub("", bare(clause)).rstrip(".! ")
        verdict = _VERDICT.fullmatch(text)
        if verdict and not question.asks_whether_right:
            affirmed = (verdict["word"].casefold() in _AFFIRMING) is not bool(verdict["denied"])
            return Reading(text, Form("truth", str(affirmed).casefold()))
        if question.words.limits and (frame := framed(text, question)) and frame.rest.casefold() in truths():
            return Reading(text, Form("truth", truths()[frame.rest.casefold()]))
        for part in (text, text.rpartition(", ")[2]):
            if (truth := restated(part, question)) is not None:
                return Reading(part, Form("truth", str(truth).casefold()))
    return None


_ADVERB = re.compile(r"\b(?:actually|really|indeed|definitely)\s")


def leads_with_truth(prose: str) -> bool:
    """Return whether a reply begins with a yes or no."""
    return _leading().match(prose) is not None
