"""Code that a reply gives as its answer in a span between backticks, or in a short block among prose."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from optillm.toolkit.answers.concluding import WORD, closing, emphasised, opening, within
from optillm.toolkit.answers.extraction import Fence
from optillm.toolkit.answers.forms import Form, form, inline_code, json_form
from optillm.toolkit.answers.questions import Question
from optillm.toolkit.answers.sentences import Reading
from optillm.toolkit.answers.vocabulary import NEVER_ACCOUNTED, words_of
from optillm.toolkit.programs.code import PROSE, program_key

_LONGEST: Final = 200
_VALUE_ASKED = re.compile(
    r"\b(?:outputs?|prints?|printed|evaluates?|returns?|value|result|display(?:ed)?)\b", re.IGNORECASE
)
_PRINTED = re.compile(r"\b(?:outputs?|prints?|printed)\b", re.IGNORECASE)
_OUTPUT: Final = PROSE | {"output", "console"}
_SAYING = re.compile(
    r"(?:[`)\w])\s(?:returns|prints|outputs|evaluates to|will return|will print|gives)\s(?P<value>\S{1,60})$"
)
_CHANGING: Final = NEVER_ACCOUNTED - words_of("if or when plus minus only") | words_of("or")


def snippet(prose: str, blocks: Sequence[Fence], question: Question) -> Reading | None:
    """Return the code of a reply that gives one block of one line, or one span that the question does not have."""
    blocks = [block for block in blocks if block.content.strip()]
    if len(blocks) == 1 and "json" in question.text.casefold() and (read := json_form(blocks[0].content)):
        return Reading(blocks[0].content, read)
    if len(blocks) == 1 and _PRINTED.search(question.text) and blocks[0].language in _OUTPUT:
        content = blocks[0].content.strip()
        return Reading(
            content,
            Form("code", program_key(content, "text")) if "\n" in content else _of_code(content, question),
        )
    if (
        not blocks
        and _PRINTED.search(question.text)
        and (read := form(prose.strip(), question)).kind == "collection"
    ):
        return Reading(prose.strip(), read)
    filled = [block.content.strip() for block in blocks if block.content.strip()]
    if len(filled) > 1 or (filled and ("\n" in filled[0] or len(filled[0]) > _LONGEST)):
        return None
    if filled:
        return Reading(filled[0], json_form(filled[0]) or _of_code(filled[0], question))
    for sentence in dict.fromkeys((closing(prose), opening(prose))):
        spans = [span for span in emphasised(sentence) if span["code"]]
        new = {within(span) for span in spans if within(span) not in question.text}
        if len(new) != 1:
            continue
        stated = new.pop()
        before = {word.casefold() for word in WORD.findall(sentence.partition(f"`{stated}`")[0])}
        if before & _CHANGING:
            return None
        return Reading(stated, _of_code(stated, question))
    return _said(prose, question)


def _said(prose: str, question: Question) -> Reading | None:
    """Return what a reply says that code prints: "`len(x)` returns 3."."""
    match = _SAYING.search(closing(prose).rstrip(". "))
    if match is None or not _VALUE_ASKED.search(question.text):
        return None
    read = form(match["value"], question)
    return Reading(match["value"], read) if read.kind in ("number", "truth", "collection") else None


def _of_code(stated: str, question: Question) -> Form:
    """Return the form of code: of a value where one is asked for, else the code as it is."""
    if question.asks_for_code:
        return Form("code", program_key(stated))
    read = form(stated, question)
    if _VALUE_ASKED.search(question.text) and read.kind != "text":
        return read
    return inline_code(f"`{stated}`") or form(f"`{stated}`", question)
