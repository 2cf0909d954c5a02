"""What one sentence answers: its value, its conclusion, or a few words.

A sentence is read only if all its words are accounted for. A missed answer costs one call that groups the replies;
a wrong one lets different replies agree.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from optillm.toolkit.answers.choices import CHOOSING, choice, chosen_in
from optillm.toolkit.answers.forms import Form, form, inline_code, unexplained
from optillm.toolkit.answers.frames import Frame, compared, framed, restated, without_kind
from optillm.toolkit.answers.questions import Question
from optillm.toolkit.answers.typography import delatex, peel, plain
from optillm.toolkit.answers.vocabulary import (
    BOUNDS,
    CLAUSE_STARTS,
    LEADING,
    MONTHS,
    NEUTRAL_VERBS,
    NEVER_ACCOUNTED,
    NO_ANSWER,
    NUMERALS,
    OPPOSITES,
    stem,
)

LONGEST_SENTENCE: Final = 200
_MOST_WORDS_CONCLUDED = 5
_MOST_WORDS_FRAMED = 8
_MOST_STARTS = 12


class Reading(NamedTuple):
    """An answer as stated, and its canonical form."""

    text: str
    form: Form


def solid(read: Form) -> bool:
    """Return whether a form is more than words: a text, or a list of texts, may be any part of a sentence."""
    words = read.kind == "collection" and re.search("[a-z]{2}", read.value.replace("\\infty", ""))
    return read.kind != "text" and not words


def solid_value(stated: str, question: Question) -> Reading | None:
    """Return the answer that `stated` gives if it is more than words."""
    read = choice(stated, question) or form(stated, question)
    return Reading(peel(stated), read) if solid(read) else None


def unexcited(sentence: str) -> str:
    """Drop the exclamation mark of "it is 42 apples!" and "it is **42**!", but not a factorial's: "42!"."""
    bare = sentence.rstrip("*_ ")
    return bare[:-1] if re.search(r"[^\W\d_]{2}!$|\*!$", bare) else sentence


def in_words(sentence: str, question: Question, most_words: int, *, marked: bool = False) -> Reading | None:
    """Return an answer in words: short, and no question; unless `marked`, no courtesy and no remark."""
    if code := inline_code(sentence):
        return Reading(code.value, code)
    text = peel(plain(unexplained(sentence)))
    text = _CONTRAST.sub("", text, count=1)
    words = text.split()
    if not words or len(words) > most_words or len(text) > LONGEST_SENTENCE or text[-1] in "?:":
        return None
    if text[0] in "[<_|#" or ": " in text or not re.search(r"\w", text):
        return None
    if not marked and all(word.casefold() in LEADING for word in words):
        return None  # the beginning of a sentence that was cut off
    if not marked and words[0].casefold().strip(",.!") in NO_ANSWER | CLAUSE_STARTS:
        return None
    if (truth := restated(text, question)) is not None:
        return Reading(text, Form("truth", str(truth).casefold()))
    bare = _without_question(text, question)
    rest = _without_place(without_kind(bare.rest, question), question)
    read = choice(rest, question) or form(rest, question)
    return Reading(text, read._replace(subject=read.subject or bare.subject))


_CONTRAST = re.compile(r"(?<=\w),\snot\s(?:the\s)?[A-Z][\w ]{1,40}$")  # "Ottawa, not Toronto"
_PLACED = re.compile(r"([A-Z][^,]{1,40}),\s([A-Z][\w ]{1,30})")


def _without_place(text: str, question: Question) -> str:
    """Return "Warsaw" for "Warsaw, Poland" where the question is about Poland."""
    placed = _PLACED.fullmatch(text)
    if placed is None or question.asks_for_order or question.asks_for_set or question.words.coordinated:
        return text
    return placed[1] if all(map(question.words.mention, placed[2].split())) else text


_COPULA = re.compile(r"\s(?:is|are|was|were)\s(?!the\sone\b)", re.IGNORECASE)
_WHO = re.compile(r"\b(?:who|what|which(?:\s\w+){0,3}?)\s(?P<rest>[^?]{3,200})", re.IGNORECASE)


def _without_question(text: str, question: Question) -> Frame:
    """Drop what a sentence repeats of the question: "The set is unbounded.", "Peter broke the window."."""
    if who := compared(text, question):
        return Frame(who, None)
    if frame := framed(text, question):
        return frame
    return Frame(_without_clause(text, question), None)


def _without_clause(text: str, question: Question) -> str:
    clause = _WHO.search(" ".join(question.text.casefold().split()))
    folded = text.casefold()
    if clause and (repeated := clause["rest"].strip(" .")) and folded.endswith(" " + repeated):
        subject = text[: -len(repeated)].strip()
        if len(subject.split()) <= _MOST_WORDS_CONCLUDED:
            return subject
    copula = _COPULA.search(text)
    if copula is None or copula.end() == len(text) or re.search(r"\d", text[: copula.start()]):
        return text
    names = names_in(text[: copula.start()], question)
    return text[copula.end() :] if names == "" else text


_WORD = re.compile(r"[^\W_][\w'.,-]*(?<![.',-])|[^\W_]")
_SPOKEN = "|".join(sorted(NUMERALS, key=len, reverse=True))
VALUE_START = re.compile(
    rf"(?<![\w.,/^-])(?:[-+]?[$€£¥₹]?\s?[-+]?\.?\d|\\(?:d?frac|sqrt)|[√π±(\[{{]|(?:{_SPOKEN}|half|minus|negative)\b)",
    re.IGNORECASE,
)


def value_in(sentence: str, question: Question) -> Reading | None:
    """Return the value that a sentence gives its subject: "So Tom has 42 apples left."."""
    if len(sentence) > LONGEST_SENTENCE:
        return None
    bare = delatex(plain(unexplained(sentence)).replace("**", ""))
    bare = re.sub(r"\$(?!\s?\d)|\\[()\[\]]|(?<=\d)\$", "", bare).strip()
    if question.words.unspaced:
        bare = _GLUED.sub(" ", bare)
    for match in list(VALUE_START.finditer(bare))[:_MOST_STARTS]:
        lead, rest = bare[: match.start()], bare[match.start() :]
        names = names_in(lead, question)
        if names is None or (match[0][-1].isalpha() and _THE.search(lead)):
            continue  # "the one telling the truth"
        read = form(rest, question)
        if read.kind in ("number", "expression", "date") or (read.kind == "collection" and solid(read)):
            of = _OF.search(lead)
            if (
                of
                and not _BRACKET.match(rest)
                and (read.kind == "collection" or _repeats_number(rest, question))
            ):
                return None  # "the divisor of 12 and 8", "the square root of 81"
            return Reading(peel(rest), read._replace(subject=read.subject or names or None))
    return None


def _repeats_number(rest: str, question: Question) -> bool:
    number = re.match(r"\d[\d.,]*(?<![.,])", rest)
    return number is not None and number[0] in question.tokens


_THE = re.compile(r"\bthe\s$", re.IGNORECASE)
_OF = re.compile(r"\bof\s$", re.IGNORECASE)
_BRACKET = re.compile(r"[(\[{]|\\[({]")
_GLUED = re.compile(r"(?<=[^\W\d_a-zA-Z])(?=-?\d)")  # "一共25元"


def names_in(lead: str, question: Question) -> str | None:
    """Return the names in the words before a value; `None` if one of these is not accounted for."""
    if re.search(r"[=<>≠≤≥~/*+]|[?!;]\s", lead):
        return None
    if re.sub(r"[\w\s.,:'()*\"、-]", "", lead):
        return None  # a sign that means something
    if lead.count("(") != lead.count(")") or lead.endswith(("'", '"')):
        return None
    names: list[str] = []
    words = list(_WORD.findall(lead))
    for index, word in enumerate(words):
        folded = word.casefold()
        if folded in NEVER_ACCOUNTED:
            return None
        if question.words.account_for(folded, LEADING | NEUTRAL_VERBS):
            named = word[0].isupper() and folded not in LEADING and folded not in MONTHS
            if named or question.words.tells_apart(folded):
                names.append(folded.removesuffix("'s"))
            continue
        if not _is_name(words, index) and not _is_subject(words, index):
            return None
        names.append(folded)
    if words and words[-1].casefold() in BOUNDS | MONTHS.keys():
        return None
    if words[-1:] == ["to"] and words[-2:-1] and stem(words[-2]) not in _EQUALLING:
        return None  # "rose to 5" is not "rose 5"
    return " ".join(dict.fromkeys(names))


_EQUALLING = frozenset(
    map(
        stem,
        ("equal", "equals", "come", "comes", "amounts", "is", "adds", "up", "sums", "leads", "equivalent"),
    )
)


def _is_name(words: Sequence[str], index: int) -> bool:
    """Return whether a word is a name by its capital, which at the start of a sentence needs a verb after it."""
    word, behind = words[index], (words[index + 1 : index + 2] or [""])[0]
    capital = word[0].isupper() and word.isalpha() and len(word) > 1
    return capital and (index > 0 or behind.casefold() in NEUTRAL_VERBS)


def _is_subject(words: Sequence[str], index: int) -> bool:
    """Return whether a noun that the question lacks is the subject of a plain statement: "the trip takes"."""
    before, behind = (words[index - 1 : index] or [""])[0], (words[index + 1 : index + 2] or [""])[0]
    plain_statement = before.casefold() in ("the", "this", "a", "an") and behind.casefold() in NEUTRAL_VERBS
    return plain_statement and not any(words[index].casefold() in side for pair in OPPOSITES for side in pair)


def result(sentence: str, question: Question) -> Reading | None:
    """Return the number after the last equals sign."""
    left, sign, right = sentence.rpartition("=")
    if (
        not sign
        or left[-1:] in ("<", ">", "!", "=", ":")
        or re.search(r"\b(?:not|no|if|unless)\b", left, re.IGNORECASE)
    ):
        return None
    words = [
        word for word in _WORD.findall(re.sub(r"\\[A-Za-z]+", " ", left)) if len(word) > 1 and word.isalpha()
    ]
    if names_in(" ".join(words), question) is None:
        return None  # "Check: 42 + 3 = 45"
    read = form(right, question)
    return Reading(peel(right), read) if read.kind == "number" else None


_CLAUSE = re.compile(
    r"(?P<before>[^;]{3,160}),\s(?:so|thus|hence|therefore|for a total of|leaving|which (?:means|leaves|makes|gives))\s"
    r"(?P<after>[^;]{1,80})",
    re.IGNORECASE,
)


def concluding_clause(sentence: str, question: Question) -> Reading | None:
    """Return the value in the clause that states the conclusion: "5 were sold, so 12 fish are left."."""
    clause = _CLAUSE.fullmatch(sentence)
    if clause is None or any(word.casefold() in NEVER_ACCOUNTED for word in _WORD.findall(clause["before"])):
        return None
    after = clause["after"].rstrip(".")
    return result(after, question) or value_in(after, question)


_VERB = re.compile(r"\b(?:is|are|was|were|equals|be)\s")
_PARTICIPLE = re.compile(
    r"[a-z]{1,12}(?:ed|en|ade|wn|ung)\s(?:to|by)\s(?=[A-Z])|(?:called|named)\s(?=[*_\"]{0,2}[A-Z])"
    r"|(?:located|situated)\s(?=in\s)"
)
_BY = re.compile(r"(?P<verb>[a-z]{3,12}ed)\sby\s")
_DOING = re.compile(r"\bwho (?!is\b|are\b|was\b|were\b)[a-z]+ed\b", re.IGNORECASE)
_PREPOSITION = re.compile(r"(?:on|in|at)\s(?=[*_]{0,2}[A-Z\d(])")
"""A preposition that may be dropped: that of "in Paris", but not that of "in the box", which is not "on the box"."""


def concluded(sentence: str, question: Question) -> Reading | None:
    """Return what a sentence says its subject is: "The capital of France is **Paris**."."""
    if option := chosen_in(sentence, question) or _choices_of(sentence, question):
        return Reading(option.value, option)
    if (truth := restated(sentence.rstrip(".!* "), question)) is not None:
        return Reading(sentence, Form("truth", str(truth).casefold()))
    return _predicated(sentence, question)


def worded(sentence: str, question: Question, *, values_too: bool = False) -> Reading | None:
    """Return what a sentence adds to its question's words, or says of its subject, even if only words.

    With `values_too`, a value in the sentence counts whatever the question asks for.
    """
    frame = _frame_of(sentence, question)
    if frame and (reading := solid_value(frame.rest, question)):
        return _about(reading, frame)
    if question.asks_for_quantity and not values_too:
        return None
    predicated = _predicated(sentence, question, in_words_too=True)
    is_shorter = frame and (predicated is None or len(frame.rest) < len(predicated.text))
    value = value_in(sentence, question) if values_too and predicated is None else None
    if frame and is_shorter and value is None:
        reading = in_words(frame.rest, question, _MOST_WORDS_CONCLUDED)
        return _about(reading, frame) if reading else predicated
    return predicated or value


def _frame_of(sentence: str, question: Question) -> Frame | None:
    """Return the frame of a sentence such as "So the train arrives at 14:30."."""
    if question.options or question.asks_yes_or_no:
        return None
    frame = framed(plain(sentence).replace("**", "").strip(), question)
    return frame if frame and len(frame.rest.split()) <= _MOST_WORDS_FRAMED else None


def _about(reading: Reading, frame: Frame) -> Reading:
    """Return a reading with the frame's subject, unless it has one of its own."""
    return Reading(reading.text, reading.form._replace(subject=reading.form.subject or frame.subject))


def _predicated(sentence: str, question: Question, *, in_words_too: bool = False) -> Reading | None:
    """Return what follows the last verb of a sentence whose other words are accounted for."""
    sentence = unexplained(sentence)
    verbs = list(_VERB.finditer(sentence))
    if not verbs or question.options or not (question.asks_for_fact or question.asks_for_quantity):
        return None
    lead, value = sentence[: verbs[-1].start()], sentence[verbs[-1].end() :]
    names = names_in(lead, question)
    if names is None or (question.asks_for_quantity and verbs[-1][0].strip() in question.words.disputed):
        return None
    if question.asks_for_fact:
        passive = _BY.match(value)
        if passive and _DOING.search(question.last) and not question.words.mention(passive["verb"]):
            return None  # "It was inspired by Matisse." does not say who painted it
        value = _PARTICIPLE.sub("", value, count=1)
        value = _PREPOSITION.sub("", value, count=1) if _PREPOSITION.match(value) else value
    reading = solid_value(value, question)
    if reading is None or reading.form.kind == "truth":
        takes_words = question.asks_for_fact and in_words_too
        reading = in_words(value, question, _MOST_WORDS_CONCLUDED) if takes_words else None
    return reading and Reading(
        reading.text, reading.form._replace(subject=reading.form.subject or names or None)
    )


_CHOICE_VERB = re.compile(r"\b(?:is|are|be|:)\s")


def _choices_of(sentence: str, question: Question) -> Form | None:
    """Return the options after the last verb: "The true statements are 1 and 3."."""
    verbs = list(_CHOICE_VERB.finditer(sentence))
    if not verbs or not question.options:
        return None
    lead = _WORD.findall(sentence[: verbs[-1].start()])
    accounted = all(
        word.casefold() not in NEVER_ACCOUNTED - {"only"} and question.words.account_for(word, CHOOSING)
        for word in lead
    )
    return choice(sentence[verbs[-1].end() :], question) if accounted else None


_ORDERED = re.compile(
    r"\b(?:order|ranking|sequence)\b[^:.]{0,80}?(?:\b(?:is|was|be)\b:?|:)\s*(.+)|:\s*([^:]+)$", re.IGNORECASE
)


def ordered(sentence: str, question: Question) -> Reading | None:
    """Return the list after "the order is" or a colon."""
    stated = _ORDERED.search(sentence)
    if stated is None or re.search(r"\b(?:not|isn't|reverse|opposite)\b", stated[0], re.IGNORECASE):
        return None
    reading = in_words(stated[1] or stated[2], question, 12)
    return reading if reading and reading.form.kind == "collection" else None
