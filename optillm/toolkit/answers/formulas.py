"""The formula, the solutions or the point that a sentence ends with: "…, so x = 2 or x = 3."."""

from __future__ import annotations

import re
from typing import Final

from optillm.toolkit.answers.concluding import WORD, bare, clauses, emphasised, within
from optillm.toolkit.answers.forms import Form, form
from optillm.toolkit.answers.questions import Question
from optillm.toolkit.answers.sentences import Reading
from optillm.toolkit.answers.typography import peel
from optillm.toolkit.answers.vocabulary import NEVER_ACCOUNTED, words_of

_VALUE: Final = r"[-+]?(?:\\?[\w.^{}\\/√π]|\s?[-+*/]\s?(?=[\w\\(√])|\([^()]{1,20}\))+"
_ASSIGNED: Final = rf"[a-z](?:_\{{?\w\}}?)?\s?=\s?{_VALUE}"
_JOINT: Final = r"(?:\s?,\s?(?:and\s|or\s)?|\s(?:and|or)\s)"
_SOLUTIONS = re.compile(rf"(?<![\w=(+*/^-])(?P<all>{_ASSIGNED}(?:{_JOINT}{_ASSIGNED}){{1,5}})$")
_POINT = re.compile(r"(?<![\w)])\(\s?[-\w./\\{}√]+(?:\s?,\s?[-\w./\\{}√]+){1,2}\s?\)$")
_SOLVING = re.compile(
    r"\b(?:solve|solutions?|roots?|intersect\w*|points?|coordinates?|where|numbers|zeros?|find|vertex|midpoint)\b",
    re.IGNORECASE,
)
_DENYING: Final = (NEVER_ACCOUNTED - words_of("plus minus or only if when")) | words_of(
    "assume suppose check"
)
_GROWTH = re.compile(r"(?<!\w)\\?(?:[OΘΩ]|Theta|Omega)\((?:[^()]|\([^()]*\)){1,40}\)")
_COMPLEXITY = re.compile(r"\bcomplexity\b|\bbig[- ]o\b|\brun(?:ning|s)? (?:time|in)\b", re.IGNORECASE)
_PREDICATE = re.compile(r"\b(?:is|becomes|gives|yields)\s")
_LONGEST: Final = 120


def solved(sentence: str, question: Question, *, is_formula: bool) -> Reading | None:
    """Return what a sentence ends with: assignments or a point where they are asked for, or else a formula."""
    if not sentence:
        return None
    text = bare(sentence).rstrip(" .!")
    if _DENYING.intersection(word.casefold() for word in WORD.findall(text)):
        return None
    growths = {match[0] for match in _GROWTH.finditer(text)}
    if len(growths) == 1 and _COMPLEXITY.search(question.text):
        stated = growths.pop()
        return Reading(stated, form(stated, question))
    if _SOLVING.search(question.text):
        for pattern in (_SOLUTIONS, _POINT):
            if (match := pattern.search(text)) and _is_sorted_out(text[: match.start()]):
                read = _of_solutions(match[0], question)
                if read.kind == "collection":
                    return Reading(match[0], read)
        for span in emphasised(sentence):
            if (
                span["bold"]
                and (read := form(within(span), question)).kind == "collection"
                and re.search(r"\d", read.value)
            ):
                return Reading(within(span), read)
    return _formula(sentence, question) if is_formula else None


def _of_solutions(text: str, question: Question) -> Form:
    """Return the values of variables; as a set where the question asks for numbers without names."""
    values = re.findall(rf"=\s?({_VALUE})", text)
    if len(values) > 1 and question.asks_for_set and re.search(r"\bnumbers|integers\b", question.last):
        return form(", ".join(values), question)
    return form(text, question)


def _is_sorted_out(lead: str) -> bool:
    """Return whether what stands before the solutions leaves them the answer: no "if", no sign right before them."""
    return not re.search(r"[-+*/=<>^]\s*$|\b(?:for|than|per)\s$", lead)


def _formula(sentence: str, question: Question) -> Reading | None:
    """Return the formula behind the last equals sign, or the only one that is emphasised."""
    spans = [within(span) for span in emphasised(sentence) if span["bold"]]
    for clause in clauses(sentence):
        text = spans[0] if len(spans) == 1 else bare(clause)
        left, sign, right = text.rstrip(" .!").rpartition("=")
        stated = right if sign and left[-1:] not in "<>!=" else "" if sign else _PREDICATE.split(text)[-1]
        if not stated or len(stated) > _LONGEST or re.search(r"[<>≤≥≠]", text):
            continue
        read = form(stated.strip(), question)
        if read.kind == "expression" or (read.kind == "number" and (sign or spans)):
            return Reading(peel(stated), read._replace(subject=None))
    return None
