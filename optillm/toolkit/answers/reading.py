"""Read the final answer of a whole reply: the positions where answers stand, in order of trust."""

from __future__ import annotations

import re
from typing import Final

from optillm.toolkit.answers.accounting import all_accounted
from optillm.toolkit.answers.choices import choice
from optillm.toolkit.answers.chosen import is_no_choice
from optillm.toolkit.answers.concluding import closing
from optillm.toolkit.answers.expected import expected_of
from optillm.toolkit.answers.extraction import ends, fences, last_line, sentences
from optillm.toolkit.answers.forms import form, json_form
from optillm.toolkit.answers.languages import reason, without_particles
from optillm.toolkit.answers.moments import is_of_another_event
from optillm.toolkit.answers.polarity import leads_with_truth
from optillm.toolkit.answers.programs import read_program
from optillm.toolkit.answers.questions import Question
from optillm.toolkit.answers.relative import relative
from optillm.toolkit.answers.sentences import LONGEST_SENTENCE, Reading, in_words, solid_value, unexcited
from optillm.toolkit.answers.statements import Statement, correction, retracts, statements
from optillm.toolkit.answers.subjects import compares, is_about_another
from optillm.toolkit.answers.typography import plain

_MOST_WORDS: Final = 12
_MOST_WORDS_ALONE: Final = 6
_FEW_WORDS: Final = 3
_MOST_LINES: Final = 26
_LONGEST_LINE: Final = 400
_HEAD, _TAIL = 4_000, 24_000
"""Of long prose both ends are read: people ask for the answer first or last."""


def read_answer(text: str, question: Question, *, cut: bool = False) -> Reading | None:
    """Return the final answer of `text`, which holds no reasoning block any more; see `answers.extract`."""
    if cut:  # its last word may be incomplete: "The answer is 4" of "The answer is 42"
        text = text[: max(text.rfind(" "), text.rfind("\n"), 0)]
    if not text:
        return None
    if whole := json_form(text):
        return Reading(text, whole)
    prose, blocks = fences(text)
    prose = _without_courtesies(ends(prose, _HEAD, _TAIL))
    if program := read_program(blocks, prose, question, requested=True):
        return Reading(*program)
    for statement in statements(prose):
        if statement.qualified:
            return None
        if _denied(statement):
            if reading := _denial(statement, question):
                return reading
            return _instead(prose[statement.end - len(statement.text) :], question)
        if reading := _stated(statement, question):
            return _unless_corrected(reading, prose, statement, question)
        if statement.firm and statement.marked and not statement.foreign and statement.text:
            return None  # an earlier statement is not the answer
    if cut:
        return None
    last = closing(prose)
    if retracts(last) or (expected_of(question).amount and is_about_another(last, question)):
        return None
    if reading := relative(prose, blocks, question):
        return reading
    if _is_declined(prose, last, question):
        return None
    if program := read_program(blocks, prose, question, requested=False):
        return Reading(*program)
    if question.options and (listed := _trailing(prose, _LETTER_AND_TEXT)):
        # Several options on lines of their own: those chosen, unless it is the whole list again.
        read = choice("\n".join(listed), question) if len(listed) < len(question.options) else None
        return Reading(", ".join(listed), read) if read else None
    reading = _last(prose, question)
    return None if reading and _only_repeats(reading, question) else reading


def _is_declined(prose: str, last: str, question: Question) -> bool:
    """Return whether a conclusion, not read relative to its question, would be misread without it."""
    expected = expected_of(question)
    return (
        bool(question.options and is_no_choice(prose, question))
        or (expected.amount and not compares(last, question))
        or (expected.truth and leads_with_truth(prose))
        or (expected.moment and is_of_another_event(last, question))
        # "Anna was called by Ben." does not say whom Anna called.
        or bool(_DONE_TO.search(question.last) and _DONE_BY.search(last))
    )


_DONE_TO = re.compile(r"\bwhom? (?:did|does|do|has|had)\b", re.IGNORECASE)
_DONE_BY = re.compile(r"\b(?:is|are|was|were|been)\s[a-z]+\sby\b", re.IGNORECASE)


def _only_repeats(reading: Reading, question: Question) -> bool:
    """Return whether words for a question that names its alternatives are its own, and none of them: "heavier"."""
    alternatives = expected_of(question).alternatives
    if not alternatives or reading.form.kind != "text":
        return False
    if len([name for name in alternatives if reading.text.casefold() in name.casefold()]) == 1:
        return False
    words = reading.text.split()
    return all(question.words.mention(word) or word.casefold() in question.tokens for word in words)


_COURTESY = re.compile(
    r"(?:^|(?<=[.!?:*_)\"]\s)|(?<=\n))\W{0,4}(?:please\s)?(?:let me know|i hope|hope (?:this|that|it)"
    r"|feel free|i'm here|happy to help|glad to help|thank you|thanks for|do you (?:have|want|need)|would you like"
    r"|is there anything|if you(?:'d| would) like|if you (?:want|need) (?:me|help|any)"
    r"|if you have (?:any|more|further|other)(?: other| further)? (?:questions?|doubts|concerns|problems))\b"
    r"[^.!?\n]{0,200}(?:[.!?]+[\s)\"*_\U0001f300-\U0001faff]*)?\Z",
    re.IGNORECASE,
)
_MOST_COURTESIES: Final = 3
_LONGEST_COURTESY: Final = 240


def _without_courtesies(prose: str) -> str:
    """Return a reply without its closing offers and wishes, unless it is nothing else."""
    for _ in range(_MOST_COURTESIES):
        match = _COURTESY.search(prose, max(0, len(prose.rstrip()) - _LONGEST_COURTESY))
        if match is None or not prose[: match.start()].strip():
            break
        prose = prose[: match.start()].rstrip().removesuffix("!")
    return prose


_DENIAL = re.compile(
    r"(?:not|never|neither|none of|definitely not|certainly not|surely not)\b", re.IGNORECASE
)


def _denied(statement: Statement) -> bool:
    """Return whether a statement only says what the answer is not."""
    return not statement.boxed and bool(_DENIAL.match(statement.text.lstrip("*_ $\"'")))


def _denial(statement: Statement, question: Question) -> Reading | None:
    """Return a denial that is the whole answer: "none of them", "not continuous", "never"."""
    text = statement.text
    whole = statement.marked and not re.search(r"[.;,!]\s", text)
    return in_words(text, question, _MOST_WORDS, marked=True) if whole else None


_INSTEAD = re.compile(
    r"[.;,!]\s+(?:(?:but|it|so|rather|instead|the answer|that)\b[\s,]*)*(?:is|it's|it is|'s)?\s*",
    re.IGNORECASE,
)


def _instead(text: str, question: Question) -> Reading | None:
    """Return what a denial is followed by: "The answer is not A. It is B."."""
    line = text.split("\n", 1)[0][:LONGEST_SENTENCE]
    match = _INSTEAD.search(line)
    return solid_value(line[match.end() :], question) if match else None


def _unless_corrected(
    reading: Reading, prose: str, statement: Statement, question: Question
) -> Reading | None:
    """Return an answer, or what a later correction replaces it with; `None` if that cannot be read."""
    start = correction(prose, statement.end - (0 if statement.boxed else len(statement.text)))
    if start is None:
        return None if _limited(prose[statement.end : statement.end + _LONGEST_LINE]) else reading
    later = prose[start:].lstrip(" ,.:;!-—–")
    if not later:
        return None
    return relative(later, (), question) or _last(later, question)


_LIMIT = re.compile(r"[\s*_.]*\n?[\s*_>]*(?:but|however|only|unless|except|provided)\b", re.IGNORECASE)


def _limited(following: str) -> bool:
    """Return whether the next line or sentence limits the answer before it."""
    return bool(_LIMIT.match(following))


_CONCLUSION = re.compile(
    r"(?:so|thus|therefore|hence|now|finally|then|in total|this leaves|that leaves)\b,?", re.IGNORECASE
)
_NUMBERED = re.compile(r"1[.)]\s.{1,200}\s2[.)]\s", re.DOTALL)


def _stated(statement: Statement, question: Question) -> Reading | None:
    """Return the answer in the words of a statement; one that is not firm must be more than words."""
    text = statement.text
    if statement.boxed:
        return Reading(text, choice(text, question) or form(text, question))
    text = unexcited(text)
    if statement.foreign or not text.isascii():
        text = without_particles(reason().sub("", re.split("[。！]", text)[0], count=1))
    if reading := solid_value(text, question):
        return reading
    pieces = sentences(plain(text))
    sentence = text if _NUMBERED.match(text) or not pieces else unexcited(pieces[0])
    if len(pieces) > 1 and _limited(pieces[1]):
        return in_words(text, question, _MOST_WORDS) if statement.firm else None
    if any(map(_CONCLUSION.match, pieces[1:])):
        return relative(pieces[-1], (), question)
    if reading := solid_value(sentence, question) or relative(sentence, (), question):
        return reading
    if not statement.firm or (question.asks_for_quantity and _DESCRIPTION.match(sentence)):
        return None
    if question.asks_for_quantity and not statement.marked and re.search(r"\d", sentence):
        return None  # a number that cannot be read, or a description
    marked = statement.marked or not statement.text.isascii()
    return in_words(sentence, question, _MOST_WORDS, marked=marked)


_DESCRIPTION = re.compile(r"an?\s[^\W\d_][\w-]*\s", re.IGNORECASE)
"""The beginning of a description, not of a number: "a well-known puzzle"."""
_LETTER_AND_TEXT = re.compile(
    r"(?:[-*•]\s+)?[(\[*_]{0,4}([A-Z]|\d{1,2})(?:[*_]{0,3}[)\].:][*_]{0,3}|[*_]{0,3}\s[-–—])\s+\S.*"
)


def _trailing(prose: str, pattern: re.Pattern[str]) -> list[str]:
    """Return the last lines of a reply that all match a pattern; empty if there are fewer than two."""
    block: list[str] = []
    for line in reversed(prose.rstrip().splitlines()[-_MOST_LINES:]):
        if not pattern.fullmatch(plain(line.strip())):
            break
        block.insert(0, line.strip())
    return block if len(block) > 1 else []


_NO_ANSWER_LINE = re.compile(r"#|[-*•+]\s|\d{1,3}[.)]\s|>|\||```|~~~|---|===|\[\d")


def _last(prose: str, question: Question) -> Reading | None:
    """Return the answer on the last line, when that line is an answer rather than the end of an essay."""
    line, before = last_line(prose)
    line = _ASIDE.sub("", _HEADED.sub("", _ORNAMENT.sub("", line, count=1), count=1), count=1)
    if (question.asks_for_order or question.asks_for_set) and (block := _trailing(prose, _LIST_ITEM)):
        return in_words(", ".join(_ITEM_MARK.sub("", item) for item in block), question, len(block) * 4)
    if not before:
        line = _ONLY_ITEM.sub("", line, count=1)
    cut = _CUT.search(line) or (_ITEM_NUMBER.fullmatch(line) and _FIRST_ITEM.search(prose))
    if not line or cut or _NO_ANSWER_LINE.match(line) or "\\boxed" in line:
        return None
    if not line.isascii():
        line = without_particles(line)
    line = line[conclusion.end() :].strip() if (conclusion := _CONCLUSION.match(line)) else line
    if len(line) <= LONGEST_SENTENCE and (reading := _whole_line(line, question)):
        return reading
    if line[-1] not in "!?:," and len(sentences(line)) == 1 and _may_be_words(line, before, question):
        in_few = question.asks_for_quantity or not (question.asks_for_fact or question.asks_for_order)
        most_words = _FEW_WORDS if in_few else _MOST_WORDS_ALONE
        whole = not question.asks_for_quantity or len(line.split()) <= most_words
        if whole and (reading := in_words(line, question, most_words)):
            return reading
    return None


_CUT = re.compile(r"\s(?:and|or|the|an?|of|to|is|are|with|by|for|in|we|that|which|as|at|from)$")
"""The last word of a sentence that was cut off."""
_FIRST_ITEM = re.compile(r"^\s*1[.)]\s", re.MULTILINE)
_ITEM_NUMBER = re.compile(r"\d{1,2}[.)]")
_ONLY_ITEM = re.compile(r"^1[.)]\s(?!.*\s2[.)])")
_HEADED = re.compile(
    r"[*_]{0,3}(?:conclusion|verdict|summary|in summary|in short)[*_]{0,3}[:,][*_]{0,3}\s", re.IGNORECASE
)
_ASIDE = re.compile(r"\s\((?:so|that is|i\.e\.|because|since)\b[^()]{1,200}\)\.?$", re.IGNORECASE)
_ORNAMENT = re.compile(r"[\U0001f300-\U0001faff\u2600-\u27bf\u27a1\ufe0f]+\s")
_LIST_ITEM = re.compile(r"(?:[-*•]|\d{1,2}[.)])\s+[^:]{1,40}")
_ITEM_MARK = re.compile(r"^(?:[-*•]|\d{1,2}[.)])\s+")
_LABELLED = re.compile(r"[*_]{0,3}(?P<label>[A-Za-z][A-Za-z ]{0,30})[*_]{0,3}:[*_]{0,3}\s(?P<value>.+)")


def _whole_line(line: str, question: Question) -> Reading | None:
    """Return the value a line consists of, or carries after "Total:"."""
    reading = solid_value(line, question)
    if reading is None:
        labelled = _LABELLED.fullmatch(line)
        announced = labelled and all_accounted(labelled["label"].split(), question)
        reading = solid_value(labelled["value"], question) if labelled and announced else None
        return reading if reading and reading.form.kind in ("number", "date", "choice") else None
    kind = reading.form.kind
    if kind == "choice" and _LETTER_AND_TEXT.fullmatch(line):
        return None
    if kind == "truth" and len(line.split()) > 1 and not question.asks_yes_or_no:
        return None  # "Yes, I can help with that."
    if kind == "expression" and question and not (question.asks_for_quantity or line[0] in "$\\"):
        return None
    return reading


def _may_be_words(line: str, before: str, question: Question) -> bool:
    """Return whether a last line of words may answer: not what could be an option, a signature or a refrain."""
    if question.options:
        return False
    if not before:
        return True
    emphasised = line.startswith("**") and line.rstrip(".").endswith("**")
    listed = question.asks_for_order and form(line).kind == "collection"
    return emphasised or listed or (question.asks_for_fact and not before.endswith(","))
