"""What a sentence says of what its question asks for: "The greatest common divisor of 20 and 5 is 5.".

The words before the last verb must be those of the question, or add nothing; what follows the verb is the answer, even
an amount that the question has too. Of "Seoul is the capital of South Korea." the answer is the subject, because the
rest has all of the question's words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from optillm.toolkit.answers.asked_amounts import limits
from optillm.toolkit.answers.concluding import WORD, clauses, heads
from optillm.toolkit.answers.forms import form
from optillm.toolkit.answers.phrasing import content_of, phrased, stems, subject_of
from optillm.toolkit.answers.questions import Question
from optillm.toolkit.answers.remainders import adds_nothing
from optillm.toolkit.answers.sentences import LONGEST_SENTENCE, Reading, in_words, solid
from optillm.toolkit.answers.vocabulary import BOUNDS, LEADING, NEUTRAL_VERBS, NEVER_ACCOUNTED, stem, words_of

_MOST_WORDS: Final = 5
_VERB = re.compile(
    r"(?:\b(?:(?:is|are) (?:equal|equivalent) to|is|are|was|were|be|equals)\b:?|(?<![<>!=:])=(?!=)|:)\s",
    re.IGNORECASE,
)
_PARTICIPLE = re.compile(
    r"(?:(?P<verb>[a-z]{1,12}(?:ed|en|ade|wn|ung))\s(?:to|by|in)\s|(?:called|named|in|on|at|by)\s)(?=[*_\"]{0,2}[A-Z\d(])"
)
"""What may stand between the verb and the name: "written by", "located in"."""
_VERBS: Final = words_of("is are was were be equals equal equivalent to")
_PRONOUNS: Final = frozenset(map(stem, words_of("it they he she this that so answer")))
_ASKED_NOUN = re.compile(r"\b(?:which|what)\s(?!(?:is|are|was|were)\b)(\w+)", re.IGNORECASE)
_NEUTRAL: Final = (None, "located", "situated", "made", "attributed")
_SIGNS = re.compile(r"[<>≠≤≥~/*+?!;]|=.*=")
_DENYING: Final = frozenset(map(stem, NEVER_ACCOUNTED))
_RANKS: Final = frozenset(map(stem, words_of("second third fourth fifth next previous")))
_SUBJECT = re.compile(r"(?P<name>(?:[A-Z\d]|The\s)[^,;:.]{0,60}?)\s(?P<rest>(?:is|was|are|were|can be)\s.+)")
_GLOSSED = re.compile(
    r"(?P<rest>[^,]{3,100}),\s(?P<name>(?:the\s)?[A-Z][^,]{1,40}),\s(?:is|was|are|were|has)\b"
)


def predicated(sentence: str, question: Question) -> Reading | None:
    """Return the value that the last verb of a conclusion gives the question's subject; `None` if words are left."""
    for predicate in predicates(sentence, question):
        read = form(predicate.stated, question)
        is_list = question.words.coordinated or question.asks_for_order
        is_value = solid(read) or (is_list and read.kind == "collection")
        if question.words.coordinated and predicate.addition:
            continue
        if is_value and read.kind != "truth":
            addition = predicate.addition
            is_limited = (
                limits(addition, read, question) if read.kind == "number" else not adds_nothing(addition)
            )
            return None if is_limited else Reading(predicate.stated, read._replace(subject=None))
    return None


def predicated_in_words(sentence: str, question: Question) -> Reading | None:
    """Return the name or the few words that the last verb of a conclusion says of all that the question names."""
    if not question.asks_for_fact or question.asks_for_quantity:
        return None
    asked_noun = _ASKED_NOUN.search(question.last)
    content = content_of(question) - stems(asked_noun[1] if asked_noun else "")
    for predicate in sorted(predicates(sentence, question), key=lambda predicate: len(predicate.stated)):
        is_of_pronoun = stems(predicate.lead) <= _PRONOUNS and not predicate.addition
        if not (is_of_pronoun or content <= stems(predicate.lead)):
            continue
        participle = _PARTICIPLE.match(predicate.stated)
        if (
            participle
            and participle["verb"] not in _NEUTRAL
            and not question.words.mention(participle["verb"])
        ):
            continue  # "It was inspired by Matisse." does not say who painted it
        stated = predicate.stated[participle.end() if participle else 0 :]
        reading = in_words(stated, question, _MOST_WORDS)
        is_name = is_of_pronoun or asked_noun is None or stated[:1].isupper()
        if reading and is_name and adds_nothing(predicate.addition, stated):
            return reading
    return None


class Predicate(NamedTuple):
    """What follows the last verb of a sentence, what precedes it, and what is added behind it."""

    stated: str
    lead: str
    addition: str


def predicates(sentence: str, question: Question) -> Iterator[Predicate]:
    """Yield the predicates of a sentence, clause by clause, whose words before the last verb are the question's."""
    text = phrased(sentence, question)
    if content_of(question) <= stems(text) and (concluded := _CONCLUDED.search(text)):
        yield Predicate(concluded[1], "it", "")
    if (subject := subject_of(question)) and (matches := list(subject.finditer(text))):
        if identified := _IDENTIFIED.search(subject.sub("it", text)):
            yield Predicate(identified[1], "it", "")
        if NEVER_ACCOUNTED.intersection(text[: matches[-1].start()].casefold().split()):
            return
        text = _AS.sub("it is", f"it{text[matches[-1].end() :]}")
    if len(text) > LONGEST_SENTENCE:
        return
    for clause in clauses(text):
        for head, addition in heads(clause.rstrip(".! ")):
            verbs = list(_VERB.finditer(head))
            if not verbs:
                continue
            # "it is 90 - 70 = 20": of a calculation only what it is of counts.
            is_computed = not re.search(r"[A-Za-z]{2}", head[verbs[0].end() : verbs[-1].start()])
            first = verbs[0] if is_computed else verbs[-1]
            if _is_of_question(head[: first.end()], question):
                yield Predicate(head[verbs[-1].end() :], head[: first.start()], addition)


_CONCLUDED = re.compile(r",\swhich\s(?:is|equals|gives|makes|results in)\s(?:us\s|you\s)?([\d.,/]+)\.?$")
_AS = re.compile(r"^it as\b")
_IDENTIFIED = re.compile(r"\b(?:is|get|gives|gives us)\s([^\s,][^,]{0,40}),\swhich\sis\sit\b")
"""What a sentence calls the value of the question's subject, here "it": "… is 5, which is the sum of 2 and 3."."""


def _is_of_question(lead: str, question: Question) -> bool:
    """Return whether the words before a verb only repeat the last sentence of the question."""
    words = [word.casefold() for word in WORD.findall(lead)]
    if all(word[0].isdigit() or word in _VERBS for word in words):
        return False  # "91 is 141"
    if not words or _SIGNS.search(lead) or words[-1] in BOUNDS:
        return False
    tells_apart = not (question.asks_for_order or question.words.coordinated <= stems(lead))
    return not any(
        word in NEVER_ACCOUNTED | question.words.disputed
        or (tells_apart and question.words.tells_apart(word))
        or not (question.words.account_for(word, LEADING | NEUTRAL_VERBS) or word in question.tokens)
        for word in words
    )


def subject_in(sentence: str, question: Question) -> Reading | None:
    """Return the subject of a sentence that says all of the question: "Paris is the capital of France."."""
    text = phrased(sentence, question)
    match = _SUBJECT.fullmatch(text) or _GLOSSED.match(text)
    if match is None or not content_of(question) <= stems(match["rest"]):
        return None
    if any(word[0].isupper() and not question.words.mention(word) for word in WORD.findall(match["rest"])):
        return None  # "Carl is married to Dora."
    changing = (stems(match["name"]) | stems(match["rest"])) & (_DENYING | (_RANKS - stems(question.text)))
    return None if changing else in_words(match["name"], question, _MOST_WORDS)
