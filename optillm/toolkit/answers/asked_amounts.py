"""The one amount that a sentence adds to its question: "So there are 12 boys in the class."."""

from __future__ import annotations

import re
from typing import Final

from optillm.toolkit.answers.accounting import (
    LABELS,
    MEASURES,
    PER,
    TENSE,
    all_accounted,
    changes,
    is_accounted,
    is_changed,
)
from optillm.toolkit.answers.amounts import (
    amounts_in,
    is_given,
    is_of_another_kind,
    new_in,
    quantity_of,
    without_given,
)
from optillm.toolkit.answers.concluding import LONGEST, WORD, bare, clauses, emphasised, heads, within
from optillm.toolkit.answers.forms import Form, form
from optillm.toolkit.answers.quantities import Quantity, same_amount
from optillm.toolkit.answers.questions import Question
from optillm.toolkit.answers.sentences import Reading
from optillm.toolkit.answers.subjects import compares, is_about_another
from optillm.toolkit.answers.typography import peel
from optillm.toolkit.answers.units import conversion, unit_of
from optillm.toolkit.answers.vocabulary import words_of

_IDENTIFIER = re.compile(r"\d\s?\(\d+\)|\(\d+\)\s?\d|\d{2,}-\d{3,}")
"""Digits of a telephone or serial number, whose parts are no amounts."""
_LABELLED = re.compile(r"[A-Za-z]\**:\**\s?\**[$€£]?\d")
"""An amount with its label; of two the question may ask for either: "Girls: 25, boys: 15"."""
_JOINED = re.compile(r",\s(?:and|while|whereas)\s(?=[A-Z])")
_PRECISION = re.compile(r"\s?\((?:rounded|to the nearest|approximately|approx)[^()]{0,60}\)", re.IGNORECASE)


def amount_in(sentence: str, question: Question) -> Reading | None:
    """Return the amount that the conclusion of a sentence is left with; `None` if there is another that may be."""
    if (
        len(_LABELLED.findall(sentence)) > 1
        or _is_aside(sentence, question)
        or _IDENTIFIER.search(sentence)
        or any(
            is_about_another(part, question) and new_in(amounts_in(part, question), question)
            for part in (sentence, *_JOINED.split(sentence)[1:])
        )
    ):
        return None
    for clause in clauses(_PRECISION.sub("", question.language.in_digits(sentence))):
        if len(clause) > LONGEST:
            continue
        if not compares(clause, question):
            return None
        if reading := _emphasised(clause, question) or _computed(clause, question) or _left(clause, question):
            return reading
        if new_in(amounts_in(clause, question), question):
            return None  # it may be meant: "Her son is 12 years old, and Sara is 36."
    return None


_PERIOD = re.compile(
    r"\b(?:(?:on|in|over|during)\s)?(?:that|those|these|this|the)\s(?:two\s|three\s|whole\s|entire\s|same\s)?"
    r"(?:days?|weeks?|months?|years?|morning|afternoon|evening)\b",
    re.IGNORECASE,
)
_LABEL = re.compile(r"\W*(?P<label>[A-Za-z][\w ]{0,30}?)\W{0,3}[:,]\W*\s")
_ASIDES: Final = words_of(
    "check checking verify verification note confidence tokens indeed proof test hint step example"
)


def _is_aside(sentence: str, question: Question) -> bool:
    """Return whether a sentence is labelled as something else than the answer: "Confidence: 90", "Check: …"."""
    label = _LABEL.match(sentence)
    words = label["label"].casefold().split() if label else []
    if _ASIDES.intersection(words):
        return True
    return (
        label is not None
        and ":" in label[0]
        and len(words) < 4
        and not all(word in LABELS or word in MEASURES or is_accounted(word, question) for word in words)
    )


def _emphasised(clause: str, question: Question) -> Reading | None:
    """Return the one emphasised amount of a clause, if nothing around it changes it."""
    spans = [span for span in emphasised(clause) if not span["quoted"] and re.search(r"\w", within(span))]
    if len(spans) == 1 and _EQUALS.search(clause) and not clause[spans[0].end() :].strip(" ."):
        return _computed(clause, question)
    amounts = [span for span in spans if form(within(span), question).kind == "number"]
    if len(amounts) != 1:
        return None
    span = amounts[0]
    others = [other for other in spans if other is not span and re.search(r"\d", other[0])]
    before, behind = bare(clause[: span.start()]), _IN_BRACKETS.sub("", bare(clause[span.end() :]))
    if others or is_changed(before, behind, question) or _is_signed(before):
        return None
    tail = _PERIOD.sub(" ", re.split(r"[(,;.]", behind, maxsplit=1)[0])
    if not all(is_accounted(word, question, loosely=True) for word in WORD.findall(tail)):
        return None
    stated = within(span)
    unit = _unit_behind(stated, tail, question)
    if new_in(amounts_in(behind, question), question, unit or form(stated, question).unit):
        return None
    return _reading(f"{peel(stated)} {unit}" if unit else stated, question)


def _unit_behind(stated: str, tail: str, question: Question) -> str | None:
    """Return the unit that stands behind the emphasis: "**31** meters"."""
    if form(stated, question).unit is not None:
        return None
    words = tail.split()
    for count in (3, 2, 1):
        name = " ".join(words[:count])
        if len(words) >= count and (unit := unit_of(name, question.words)) and not unit.counted:
            return name
    return None


def _is_signed(before: str) -> bool:
    """Return whether a sign right before an amount changes it: "√", "+/-", "un-"."""
    return re.search(r"[^\w\s,.:;()\"'—–=≈]\s*$", before) is not None


_IN_BRACKETS = re.compile(r"\s?\([^()]*\)")
_EQUALS = re.compile(r"(?<![<>!=:\\])=(?!=)|≈|\\approx(?![a-z])")
_FACTOR = re.compile(r"[×*·÷/]|\\times|\\cdot")
_TERM = re.compile(r"[A-Za-z]{2,}")


def _computed(clause: str, question: Question) -> Reading | None:
    """Return the amount behind the last equals sign, if what stands before it belongs to the question."""
    signs = list(_EQUALS.finditer(clause))
    if not signs or re.search(r"[<>≠≤≥]", clause):
        return None
    left, right = bare(clause[: signs[-1].start()]), bare(clause[signs[-1].end() :])
    measures = () if question.tokens & MEASURES else MEASURES
    for word in _TERM.findall(re.sub(r"\\[A-Za-z]+|\([^()]*\)", " ", left)):
        folded = word.casefold()
        if folded in PER and _FACTOR.search(left):
            continue  # "12 per box × 7"
        if changes(folded, question):
            return None
        is_unit = unit_of(word, question.words) is not None
        if not (
            folded in LABELS or folded in measures or is_unit or is_accounted(word, question, loosely=True)
        ):
            return None
    for head, addition in [*heads(right)][::-1]:
        stated = _stated(head, question)
        if (read := form(stated, question)).kind != "number":
            continue
        # The question's own amount is the end of a check.
        is_other = limits(addition, read, question) or is_given(read, question)
        return None if is_other else _reading(stated, question)
    return None


def _stated(text: str, question: Question) -> str:
    """Return the amount at the start of a text without the words of the question behind it."""
    amounts = amounts_in(text, question)
    if len(amounts) != 1 or text[: amounts[0].start].strip():
        return text
    behind = text[amounts[0].end :]
    adds_nothing = all_accounted(WORD.findall(behind), question) and _NO_SIGNS.fullmatch(WORD.sub("", behind))
    return amounts[0].text if adds_nothing and not is_changed("", behind, question) else text


def _left(clause: str, question: Question) -> Reading | None:
    """Return the only amount of a clause that its question does not have, if all other words are accounted for."""
    for head, addition in heads(bare(clause)):
        if _EQUALS.search(head):
            continue
        amounts = amounts_in(head, question)
        new = new_in(amounts, question)
        if len(new) != 1 or sum(amount.value.value == new[0].value.value for amount in amounts) > 1:
            continue  # "12 of 12"
        amount = new[0]
        before, behind = (
            without_given(part, question) for part in (head[: amount.start], head[amount.end :])
        )
        if is_changed(before, "", question):
            return None
        if is_changed("", behind, question):
            continue
        words = [*WORD.findall(TENSE.sub(" ", before)), *WORD.findall(behind)]
        signs = WORD.sub("", _without_known(f"{before} {behind}", question))
        if not all_accounted(words, question) or not _NO_SIGNS.fullmatch(signs):
            continue
        read = form(amount.text, question)
        if read.kind == "number" and not limits(addition, read, question):
            return _reading(amount.text, question)
    return None


_NO_SIGNS = re.compile(r"[\s,.:;*\"—–、，]*")


def _without_known(text: str, question: Question) -> str:
    """Return a text without the runs of signs and digits that its question has too."""
    in_question = question.text.split()
    return " ".join(part for part in text.split() if part not in in_question or not WORD.search(part))


def _reading(text: str, question: Question) -> Reading:
    read = form(text, question)
    unit, _, per = (read.unit or "").partition("/")
    if per and re.search(
        rf"\b(?:one|an?|1|per|each|every)\s(?:[\w-]+\s)?{per}\b", question.last, re.IGNORECASE
    ):
        read = read._replace(unit=unit)  # "How many parts in one hour?"
    return Reading(peel(text), read._replace(subject=None))


def limits(addition: str, read: Form, question: Question) -> bool:
    """Return whether an addition changes the value before it, or gives another that may be meant."""
    words = {word.casefold() for word in WORD.findall(addition)}
    limiting = words_of("""
        not but except without unless if however excluding only least most more less than each per or instead
        excl before after
    """)
    in_brackets = addition.strip().startswith("(")
    if words & (limiting - words_of("or if") if in_brackets else limiting):
        return True
    if _REASON.match(addition):
        return False
    if not in_brackets and any(changes(word, question) for word in words):
        return True
    stated = quantity_of(read)
    others = [other.value for other in new_in(amounts_in(addition, question), question)]
    concluding = not in_brackets and words & words_of("which is equals equal ie")
    if in_brackets or addition.startswith(" and "):
        others = [other for other in others if not is_of_another_kind(other, stated, question)]
    others = [other for other in others if not same_amount(other, stated)]
    if concluding or addition.startswith(" and "):
        return bool(others)
    return any(_may_be_meant(other, stated, in_brackets=in_brackets) for other in others)


_REASON = re.compile(r",?\s(?:because|since|as (?:it|he|she|they)|is (?:the|your|our))\b")


def _may_be_meant(other: Quantity, stated: Quantity, *, in_brackets: bool) -> bool:
    """Return whether an amount behind the stated one measures the same, or leaves open what it measures."""
    if other.unit is None:
        return not in_brackets
    return stated.unit is None or conversion(other.unit, stated.unit) is not None
