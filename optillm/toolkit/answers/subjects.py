"""Whether a sentence is about what its question asks for, or about something else that the question names."""

from __future__ import annotations

import re
from typing import Final

from optillm.toolkit.answers.accounting import LABELS, MEASURES
from optillm.toolkit.answers.amounts import amounts_in
from optillm.toolkit.answers.concluding import WORD
from optillm.toolkit.answers.questions import Question
from optillm.toolkit.answers.units import unit_of
from optillm.toolkit.answers.vocabulary import LEADING, NEUTRAL_VERBS, stem, words_of

_ASKED_SUBJECT = re.compile(
    r"\b(?:do|does|did|will|would|can|could|is|are|was|were|has|have|had)\s"
    r"(?:(?:the|her|his|its|their|my|our|your|each)\s(?P<noun>[a-z][\w-]*)|(?P<name>[A-Z][\w-]+))"
)
_END_OF_SUBJECT = re.compile(
    r"\d|\*\*|=|\b(?:is|are|was|were|be|has|have|had|will|would|can|does|do|did|costs?|gets?|makes?|takes?)\b",
    re.IGNORECASE,
)
_SCENE = re.compile(r"^(?:In|After|At|On|Before|By|When)\b[^,]{1,60},\s")
"""When or where something is, before its subject: "In 10 years, Lisa will be 18."."""
_OPERATION = re.compile(r"[-+*/×·÷]|\\times|\\cdot")
_NO_SUBJECT: Final = (
    LEADING | NEUTRAL_VERBS | words_of("there total answer result number together altogether both all years")
)
_NOW: Final = words_of("now currently today")
_ANOTHER_TIME = re.compile(r"\b(?:will|ago|in \w+ (?:years?|months?|weeks?|days?|hours?))\b", re.IGNORECASE)
_ONE_UNIT = re.compile(r"\b(?:an?|one|1|each|every|per)\s(?P<unit>[a-z]{3,})\b", re.IGNORECASE)
_COUNTING = re.compile(
    r"\bhow many (?:[\w-]+\s){0,3}?(?!(?:does|is|was|has)\b)(?:[\w-]+s|people|children|men|women)\b",
    re.IGNORECASE,
)
_COPULA = re.compile(r"^\W*(?:the|her|his|its|their)\s[\w\s-]{2,40}?\s(?:is|was|are|were)\s", re.IGNORECASE)
_COMPARING = re.compile(
    r"\bhow (?:many|much) (?:more|fewer|less|\w+er)\b|\bby how much\b[^?]*\bthan\b", re.IGNORECASE
)
_COMPARISON = re.compile(
    r"\b(?:[Mm]ore|[Ff]ewer|[Ll]ess|(?!together|other|another|number|answer|after|over)[a-z]+er|[Dd]ifference|extra|additional"
    r"|exceeds?)\b|[-−–=]\s?[$€£]?\d"
)
_COUNTED = re.compile(r"\d\**\s(?P<noun>[a-z]{3,})\b")


def is_about_another(sentence: str, question: Question) -> bool:
    """Return whether a sentence gives the amount of something that the question names but does not ask for.

    "The bat costs $1.05." says nothing of the ball, nor "A kilogram has 1000 grams." of three kilograms.
    """
    return (
        _has_another_subject(sentence, question)
        or _starts_with_another_name(sentence, question)
        or _measures_another(sentence, question)
        or _counts_another(sentence, question)
        or _is_of_another_time(sentence, question)
        or _is_of_one_unit(sentence, question)
    )


def _has_another_subject(sentence: str, question: Question) -> bool:
    match = _ASKED_SUBJECT.search(question.last)
    if match is None:
        return False
    subject = match["noun"] or match["name"]
    if subject in LABELS and not _COPULA.match(sentence):
        return False
    phrase = _PHRASE.match(question.last, match.start("noun")) if subject in LABELS else None
    clause = _SCENE.sub("", sentence)
    end = _END_OF_SUBJECT.search(clause)
    lead = clause[: end.start()] if end else ""
    is_joint = match["name"] and re.search(r"\band\b", lead)
    if (is_joint or _stems(sentence) & _TOGETHER) and not question.tokens & _ALL:
        return True  # "Alice and Bob have 15 apples."
    if _stems(phrase[0] if phrase else subject) & _stems(_RELATIVE_CLAUSE.sub("", sentence)):
        return False
    return not _OPERATION.search(lead) and any(_is_only_stated(word, question) for word in WORD.findall(lead))


_RELATIVE_CLAUSE = re.compile(r",\s(?:which|who|whose)\b.*")
_PHRASE = re.compile(r"(?:[\w-]+\s?){1,3}")


def _starts_with_another_name(sentence: str, question: Question) -> bool:
    """Return whether the first word is a name that the question states, and another is the one it asks about."""
    first = (WORD.findall(sentence) or [""])[0]
    if (
        not first[:1].isupper()
        or first.casefold() in question.words.empty
        or not _is_only_stated(first, question)
    ):
        return False
    names = [word for word in WORD.findall(question.last)[1:] if word[0].isupper()]
    stated = re.search(rf"[a-zß-ÿ,]\s{re.escape(first)}\b|(?:^|[.!?]\s){re.escape(first)}\b", question.text)
    return stated is not None and any(stem(name) not in _stems(sentence) for name in names)


def _measures_another(sentence: str, question: Question) -> bool:
    """Return whether a sentence gives another measure than the one asked for: "The diameter is 6."."""
    words = {word.casefold() for word in WORD.findall(sentence)}
    asking = question.tokens & MEASURES
    return bool(asking and words & MEASURES - question.tokens and not words & asking) and bool(
        _COPULA.match(sentence)
    )


def compares(clause: str, question: Question) -> bool:
    """Return whether a clause may answer a question for a difference: it compares, or names no one."""
    if not _COMPARING.search(question.last):
        return True
    if _COMPARISON.search(clause):
        return ", which is" not in clause  # "Peter earns $160, which is $40 more"
    end = _END_OF_SUBJECT.search(clause)
    lead = clause[: end.start()] if end else clause
    return not any(
        question.words.mention(word) or word.casefold() in _ALL
        for word in WORD.findall(lead)
        if len(word) > 2
    )


_TOGETHER: Final = frozenset(map(stem, ("together", "combined")))
_ALL: Final = words_of("together altogether both they combined")


def _is_only_stated(word: str, question: Question) -> bool:
    """Return whether a question has a word in what it states, but not in what it asks."""
    if word.casefold() in _NO_SUBJECT or not question.words.mention(word):
        return False
    return stem(word) not in _stems(question.last)


def _counts_another(sentence: str, question: Question) -> bool:
    counted = question.words.counted
    if not _COUNTING.search(question.last) or counted & _stems(sentence):
        return False
    nouns = [match["noun"] for match in _COUNTED.finditer(sentence)]
    return any(_is_only_stated(noun, question) and not _measures(noun, question) for noun in nouns)


def _measures(noun: str, question: Question) -> bool:
    unit = unit_of(noun, question.words)
    return unit is not None and not unit.counted


def _is_of_another_time(sentence: str, question: Question) -> bool:
    words = {word.casefold() for word in WORD.findall(sentence)}
    return bool(words & _NOW and not question.tokens & _NOW and _ANOTHER_TIME.search(question.last))


def _is_of_one_unit(sentence: str, question: Question) -> bool:
    """Return whether a sentence is about one unit of what the question has several of."""
    several = {
        amount.value.unit: amount.text
        for amount in amounts_in(question.last, question)
        if amount.value.unit and amount.value.value != 1
    }
    if not several or any(text.split()[0] in sentence for text in several.values()):
        return False
    single = {_unit(match["unit"], question) for match in _ONE_UNIT.finditer(sentence)}
    single -= {_unit(match["unit"], question) for match in _ONE_UNIT.finditer(question.last)}
    return bool((single - {None}) & several.keys())


def _unit(word: str, question: Question) -> str | None:
    unit = unit_of(word, question.words)
    return unit.name if unit else None


def _stems(text: str) -> frozenset[str]:
    return frozenset(map(stem, WORD.findall(text)))
