"""Reading the final answer of a whole reply: the places where answers stand, in the order they are trusted."""

from __future__ import annotations

import re

from optillm.toolkit.closing import chosen, last
from optillm.toolkit.code import read_program
from optillm.toolkit.extraction import boxed, ends, fences, first_sentence, statements
from optillm.toolkit.forms import form, json_form
from optillm.toolkit.questions import Question
from optillm.toolkit.sentence import Found, in_words, only_value, solid_value, unexcited

_MOST_WORDS = 12
_HEAD, _TAIL = 4_000, 24_000
"""Of long prose both ends are read: people ask for the answer first or last."""


def read_answer(text: str, question: Question) -> Found | None:
    """The final answer of `text`, which holds no reasoning block any more; see `answers.extract`."""
    if not text:
        return None
    if whole := json_form(text):
        return Found(text, whole)
    prose, blocks = fences(text)
    prose = ends(prose, _HEAD, _TAIL)
    if program := read_program(blocks, prose, question, asked=True):
        return Found(*program)
    if content := boxed(prose):
        return Found(content, form(content, question))
    for statement in statements(prose):
        if found := _stated(statement.text, question, firm=statement.firm):
            return found
    if program := read_program(blocks, prose, question, asked=False):
        return Found(*program)
    return chosen(prose, question) or last(prose, question)


_NUMBERED = re.compile(r"1[.)]\s.{1,200}\s2[.)]\s", re.DOTALL)


def _stated(text: str, question: Question, *, firm: bool) -> Found | None:
    """The answer in the words after "the answer is"; `firm` when those words can hardly be anything else."""
    text = unexcited(text)
    # "42. Check it" is 42, "1. Ann 2. Bob" is both.
    sentence = text if _NUMBERED.match(text) else unexcited(first_sentence(text))
    if found := solid_value(sentence, question) or solid_value(text, question):
        return found
    if question.asks_for_quantity and (found := only_value(sentence)):
        return found
    return in_words(sentence, question, _MOST_WORDS) if firm else None
