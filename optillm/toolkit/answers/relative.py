"""Reading a reply relative to its question: only what it can be answered with is looked for, in its conclusion."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from optillm.toolkit.answers.alternatives import alternative
from optillm.toolkit.answers.amounts import amounts_in, new_in
from optillm.toolkit.answers.asked_amounts import amount_in
from optillm.toolkit.answers.choices import choice
from optillm.toolkit.answers.chosen import option_of
from optillm.toolkit.answers.concluding import WORD, closing, emphasised, opening, sentences_of
from optillm.toolkit.answers.expected import Expected, expected_of, without_options, without_passages
from optillm.toolkit.answers.extraction import Fence
from optillm.toolkit.answers.formulas import solved
from optillm.toolkit.answers.languages import ENGLISH
from optillm.toolkit.answers.moments import moment_in
from optillm.toolkit.answers.phrasing import phrased, repeats
from optillm.toolkit.answers.polarity import polar, takes_back
from optillm.toolkit.answers.predicates import predicated, predicated_in_words, subject_in
from optillm.toolkit.answers.questions import Question
from optillm.toolkit.answers.remainders import foreign_name_in, name_in, names_of, reason_in
from optillm.toolkit.answers.sentences import Reading, in_words
from optillm.toolkit.answers.snippets import snippet
from optillm.toolkit.answers.vocabulary import CORRECTING

_MOST_TRANSLATED = 4
_NEXT = re.compile(r"\bnext (?:number|term|value|element|letter)\b", re.IGNORECASE)


def relative(prose: str, blocks: Sequence[Fence], question: Question) -> Reading | None:
    """Return the answer of the kind that the question expects; `None` where it leaves that open."""
    if not question:
        return predicated(closing(prose), question)
    expected = expected_of(question)
    if question.options:
        return option_of(prose, question) or _by_value(prose, question)
    if expected.alternatives:
        return alternative(prose, expected.alternatives, question)
    if expected.truth:
        return polar(prose, question)
    if expected.code and (reading := snippet(prose, blocks, question)):
        return reading
    question = without_passages(question)
    if not blocks and (reading := solved(closing(prose), question, is_formula=expected.formula)):
        return reading
    if not blocks and expected.names and (reading := names_of(closing(prose), question)):
        return reading
    ordered = question.asks_for_order and not _NEXT.search(question.last)
    if blocks:
        return None
    if ordered or question.asks_for_set:
        return predicated(closing(prose), question)
    if (
        expected.translation
        and len(prose.split()) <= _MOST_TRANSLATED
        and "\n" not in prose.strip()
        and not emphasised(prose)
    ):
        return in_words(prose, question, _MOST_TRANSLATED, marked=True)
    for sentence in _sentences(prose, question):
        if reading := _answer_in(sentence, question, expected):
            return reading
    is_open = question.language is not ENGLISH and not expected.amount
    return amount_in(closing(prose), question) if is_open else None


def _answer_in(sentence: str, question: Question, expected: Expected) -> Reading | None:
    """Return what one sentence answers, of the kind that its question expects."""
    is_english = question.language is ENGLISH
    if not is_english and _is_about_one_of_two(sentence, question):
        return None
    versions = tuple(dict.fromkeys((sentence, phrased(sentence, question))))
    for version in versions:
        if expected.moment and (reading := moment_in(version, question)):
            return reading
        if expected.amount and (reading := amount_in(version, question)):
            return reading
    if reading := predicated(sentence, question):
        return reading
    if expected.reason and (reading := reason_in(sentence, question)):
        return reading
    if expected.name and not is_english:
        return foreign_name_in(sentence, question)
    for version in versions if expected.name else ():
        if reading := name_in(version, question):
            return reading
    if reading := predicated_in_words(sentence, question):
        return reading
    return subject_in(sentence, question) if expected.name else None


_TWO = re.compile(r"\b([A-ZÀ-ÞА-Я]\w+)\s(?:und|et|y|e|en|и|ve|i)\s([A-ZÀ-ÞА-Я]\w+)")


def _is_about_one_of_two(sentence: str, question: Question) -> bool:
    """Return whether a question in another language asks about two things, and a sentence has only one of them."""
    if question.words.unspaced:
        return not all(joint in sentence for joint in question.words.coordinated)
    pair = _TWO.search(question.last)
    return pair is not None and (pair[1] in sentence) is not (pair[2] in sentence)


def _by_value(prose: str, question: Question) -> Reading | None:
    """Return the option that has the value with which a reply concludes: "Dividing by 5 gives x = 4."."""
    reading = amount_in(closing(prose), without_options(question))
    read = choice(reading.text, question) if reading else None
    return Reading(reading.text, read) if reading and read else None


def _sentences(prose: str, question: Question) -> Iterator[str]:
    """Yield the last sentence of a reply, then earlier ones that repeat the question, from the last on.

    None counts that a later sentence limits, takes back, or follows with another amount.
    """
    every = sentences_of(prose)
    last, first = closing(prose), opening(prose)
    if last:
        yield last
    is_amount = expected_of(question).amount
    is_taken_back = False
    for index in range(len(every) - 1, -1, -1):
        sentence, following = every[index], every[index + 1] if index + 1 < len(every) else ""
        is_taken_back = is_taken_back or takes_back(following)
        if _first_word(following) in CORRECTING:
            return
        is_repeated = repeats(sentence, question)
        may_answer = sentence == first and not is_taken_back and _may_answer(sentence, question)
        if sentence != last and not takes_back(following) and (may_answer or is_repeated):
            yield sentence
        if is_amount and is_repeated and new_in(amounts_in(sentence, question), question):
            return


def _may_answer(sentence: str, question: Question) -> bool:
    """Return whether the first sentence of a reply may answer, though it does not repeat the whole question."""
    return not expected_of(question).amount or repeats(sentence, question, 0.5)


def _first_word(text: str) -> str:
    words = WORD.findall(text[:40])
    return words[0].casefold() if words else ""
