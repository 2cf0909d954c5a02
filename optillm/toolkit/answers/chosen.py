"""Which of the options that a question lists the conclusion of a reply asserts, by letter, by its text, or by both."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from optillm.toolkit.answers.asserted import (
    asserted_in,
    is_denied_elsewhere,
    is_qualified,
    is_unsettled,
    units,
)
from optillm.toolkit.answers.choices import choice
from optillm.toolkit.answers.concluding import bare, closing
from optillm.toolkit.answers.forms import MAX_STATED, Form, cleaned
from optillm.toolkit.answers.predicates import predicates
from optillm.toolkit.answers.questions import Question
from optillm.toolkit.answers.sentences import Reading
from optillm.toolkit.answers.vocabulary import words_of

_PREDICATE = re.compile(
    r"(?P<list>.{1,120}?)\s(?:are|is)\s(?:the\s)?(?:only\s|all\s|both\s)?(?P<said>[a-z0-9 ]{3,60})",
    re.IGNORECASE,
)
_PRONOUN = re.compile(r"^(?:it|they|he|she|the|an?)\s+(?=\S)", re.IGNORECASE)
_DENIED_CHOICE: Final = words_of("not except false incorrect wrong untrue never least cannot")


def option_of(prose: str, question: Question) -> Reading | None:
    """Return the option that a reply concludes with; `None` for none, and for several that no list joins."""
    if _lists_options(prose):
        return None
    if is_no_choice(prose, question):
        return None
    whole = bare(closing(prose)).strip(" .!")
    if (several := choice(whole, question)) and several.kind == "collection":
        return Reading(whole, several)
    lines = prose.strip().splitlines()
    for line in (lines[-1], lines[0]) if lines else ():
        if read := choice(line, question):
            return Reading(line, read)
    patterns = _patterns(question.options)
    negated = _asks_for_false(question)
    for text, is_emphasised in units(prose):
        text = text.strip(" .!")
        if is_emphasised and _MISTAKEN.search(closing(prose)):
            continue
        read = choice(text, question)
        read = read or next(
            filter(None, (choice(predicate.stated, question) for predicate in predicates(text, question))),
            None,
        )
        if read and (read.kind == "choice" or not is_emphasised):
            return Reading(text, read)
        if is_emphasised:
            continue
        if several := _listed(text, question):
            return Reading(text, several)
        labels = {
            name.partition(" ")[0] for name in asserted_in(text, patterns) if not negated or "label" in name
        }
        named = [pattern for name, pattern in patterns.items() if name.partition(" ")[0] in labels]
        if any(is_qualified(text, pattern, question) for pattern in named):
            continue
        if not labels or (not negated and is_denied_elsewhere(text, patterns)):
            continue
        if len(labels) > 1 or (is_unsettled(text, question) and not negated):
            return None
        return Reading(text, Form("choice", labels.pop()))
    return None


_MISTAKEN = re.compile(
    r"\b(?:mistake|misconception|tempting|distractor)\b|\*\*\s(?:is|are|would be)\s(?:wrong|incorrect|not)\b",
    re.IGNORECASE,
)
_REJECTED = re.compile(
    r"\**[(\[]?[A-Z][)\].:]\**\s[^.,;:]{1,60}?\s(?:is|was|are|were)(?:\snot\b|n't\b)(?!.*\b(?:so|therefore)\b)"
)
_JUDGED = re.compile(
    r"\b(?:is|are)\s(?:all\s|both\s|indeed\s)?(?:true|correct|right|a\strue)\b", re.IGNORECASE
)
"""What a question for the false option says of the others; of the one asked for it may mean that it is the answer."""
_JOINED_LABELS = re.compile(
    r"(?<![\w'])\**[(\[]?(?P<one>[A-Z])[)\]]?\**(?:\s[^.,;()]{1,60})?,?\s(?:and|&|as well as|and so is)"
    r"\s\**[(\[]?(?P<other>[A-Z])[)\]]?(?![\w'])"
)


def _asks_for_false(question: Question) -> bool:
    return bool(question.tokens & _DENIED_CHOICE)


def is_no_choice(prose: str, question: Question) -> bool:
    """Return whether a conclusion adds an option to another, or says which are true where the false one is asked for.

    "A is true, and so is C.", "C is also a mammal."
    """
    sentence = closing(prose)
    judged = _JUDGED.search(re.split(r",?\s(?:because|since)\s", sentence, maxsplit=1)[0])
    if _ALSO.search(sentence) or (judged if _asks_for_false(question) else _REJECTED.match(sentence)):
        return True
    joined = _JOINED_LABELS.search(sentence)
    return (
        joined is not None
        and {joined["one"], joined["other"]} <= question.options.keys()
        and not choice(bare(sentence).strip(" .!"), question)
    )


_ALSO = re.compile(r"\b(?:is|are)\salso\b|\btoo[.!]?$|\bas well[.!]?$", re.IGNORECASE)


_LISTED_OPTION = re.compile(r"(?:[-*•]\s+)?[(\[*_]{0,4}(?:[A-Z]|\d{1,2})[*_]{0,3}[)\].:][*_]{0,3}\s+\S.*")


def _lists_options(prose: str) -> bool:
    """Return whether a reply ends with two options on lines of their own, a list of them rather than a choice."""
    lines = [line.strip() for line in prose.strip().splitlines() if line.strip()][-2:]
    return len(lines) == 2 and all(map(_LISTED_OPTION.fullmatch, lines))


def _listed(text: str, question: Question) -> Form | None:
    """Return the options of "23 and 29 are the primes."."""
    match = _PREDICATE.fullmatch(text)
    if match is None or not all(question.words.mention(word) for word in match["said"].split()):
        return None
    return choice(match["list"], question)


def _patterns(options: Mapping[str, str]) -> dict[str, re.Pattern[str]]:
    """Return the patterns of each option's label and of its text; numbers and formulas are read as values."""
    patterns: dict[str, re.Pattern[str]] = {}
    for label, option in options.items():
        letter = re.escape(label)
        loose = (
            rf"|(?<=\bnot\s){letter}(?=[.,;)]|\s*$)"
            if label in "AI" or label.isdigit()
            else rf"|(?<![\w'.(+/°-])\**{letter}\**(?=[.,;:)]|\s*$|\s(?:because|since|as|is)\b|\s[—–-]\s)"
        )
        patterns[f"{label} label"] = re.compile(
            rf"(?<![\w(])[(\[]\**(?:{letter}|{letter.lower()})\**[)\]](?!\w)"
            rf"|(?i:\b(?:option|choice|answer|letter|opción|respuesta|antwort)s?)\s(?:is\s)?\**[(\[]?(?:{letter}|{letter.lower()})[)\]]?(?![\w'])"
            rf"|(?<![\w'.(+/°-])(?:{letter})\)(?!\w)|(?<=[选為为是])\**{letter}(?!\w){loose}"
        )
        words = _PRONOUN.sub("", cleaned(option[:MAX_STATED])).strip(" .")
        if len(words) > 2 and re.search(r"[^\W\d_]{3}", words):
            spaced = r"(?<![\w-])" if words[0].isascii() else ""
            patterns[f"{label} text"] = re.compile(
                rf"{spaced}{re.escape(words)}(?![\w-])" if spaced else re.escape(words), re.IGNORECASE
            )
    return patterns
