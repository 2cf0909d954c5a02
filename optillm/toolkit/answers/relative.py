"""Reading a reply relative to its question: only what it can be answered with is looked for, in its conclusion."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from optillm.toolkit.answers.alternatives import alternative
from optillm.toolkit.answers.amounts import amounts_in
from optillm.toolkit.answers.asked_amounts import amount_in
from optillm.toolkit.answers.choices import choice
from optillm.toolkit.answers.chosen import option_of
from optillm.toolkit.answers.concluding import WORD, closing, emphasised, opening, unmarked
from optillm.toolkit.answers.expected import expected_of, without_options, without_passages
from optillm.toolkit.answers.extraction import Fence, ends, sentences
from optillm.toolkit.answers.formulas import solved
from optillm.toolkit.answers.languages import ENGLISH
from optillm.toolkit.answers.moments import moment_in
from optillm.toolkit.answers.polarity import polar, takes_back
from optillm.toolkit.answers.questions import Question
from optillm.toolkit.answers.remainders import foreign_name_in, listed_names, name_in, names_of, reason_in
from optillm.toolkit.answers.sentences import Reading, in_words
from optillm.toolkit.answers.snippets import snippet
from optillm.toolkit.answers.statements import correction
from optillm.toolkit.answers.vocabulary import LEADING, stem

_MOST_TRANSLATED = 4
_REACH = 4_000
_NEXT = re.compile(r"\bnext (?:number|term|value|element|letter)\b", re.IGNORECASE)


def relative(prose: str, blocks: Sequence[Fence], question: Question) -> Reading | None:
    """Return the answer of the kind that the question expects; `None` where it leaves that open."""
    if not question:
        return None
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
    if (
        not blocks
        and expected.names
        and (reading := listed_names(prose) or names_of(closing(prose), question))
    ):
        return reading
    ordered = question.asks_for_order and not _NEXT.search(question.last)
    if blocks or ordered or question.asks_for_set:
        return None
    if (
        expected.translation
        and len(prose.split()) <= _MOST_TRANSLATED
        and "\n" not in prose.strip()
        and not emphasised(prose)
    ):
        return in_words(prose, question, _MOST_TRANSLATED, marked=True)
    for sentence in _sentences(prose, question):
        if expected.moment and (reading := moment_in(sentence, question)):
            return reading
        if expected.amount and (reading := amount_in(sentence, question)):
            return reading
        if expected.reason and (reading := reason_in(sentence, question)):
            return reading
        named = name_in if question.language is ENGLISH else foreign_name_in
        if expected.name and (reading := named(sentence, question)):
            return reading
    return None


def _by_value(prose: str, question: Question) -> Reading | None:
    """Return the option that has the value with which a reply concludes: "Dividing by 5 gives x = 4."."""
    reading = amount_in(closing(prose), without_options(question))
    read = choice(reading.text, question) if reading else None
    return Reading(reading.text, read) if reading and read else None


def _sentences(prose: str, question: Question) -> Iterator[str]:
    """Yield the last sentence of a reply, and the first if nothing after it takes it back, or gives another value."""
    last, first = closing(prose), opening(prose)
    if last:
        yield last
    if not first or first == last or correction(prose, len(first)) is not None:
        return
    later = [part for line in unmarked(ends(prose, _REACH, _REACH)).splitlines() for part in sentences(line)][
        1:
    ]
    if any(map(takes_back, later)) or (expected_of(question).amount and not _is_about(first, last, question)):
        return
    yield first


def _is_about(first: str, last: str, question: Question) -> bool:
    """Return whether the first sentence repeats the question's words, and the last one gives no other amount."""
    words = {word.casefold() for word in WORD.findall(first)}
    content = {word for word in question.tokens if word not in LEADING and len(word) > 3}
    if 2 * len([word for word in content if any(stem(word) == stem(other) for other in words)]) < len(
        content
    ):
        return False
    return "**" in first or not amounts_in(last, question)
