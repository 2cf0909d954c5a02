"""The amounts in a text, and which of them its question does not have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final, NamedTuple

from optillm.toolkit.answers.forms import Form
from optillm.toolkit.answers.quantities import Quantity, quantity, same_amount
from optillm.toolkit.answers.questions import Question
from optillm.toolkit.answers.sentences import VALUE_START
from optillm.toolkit.answers.vocabulary import stem


class Amount(NamedTuple):
    """An amount in a sentence, and where it stands."""

    start: int
    end: int
    value: Quantity
    text: str


def without_given(text: str, question: Question) -> str:
    """Return a text without the amounts that its question has too."""
    for amount in reversed(amounts_in(text, question)):
        if not new_in([amount], question):
            text = f"{text[: amount.start]} {text[amount.end :]}"
    return text


def is_of_another_kind(other: Quantity, stated: Quantity, question: Question) -> bool:
    """Return whether only the stated one of two amounts counts what the question asks for the number of."""
    counted = [
        bool(question.words.counted & {stem(word) for word in (amount.unit or "").split()})
        for amount in (stated, other)
    ]
    return counted == [True, False] and other.unit is not None


def is_given(read: Form, question: Question) -> bool:
    """Return whether the question has this amount itself."""
    return any(amount.value == quantity_of(read) for amount in amounts_in(question.matter, question))


def quantity_of(read: Form) -> Quantity:
    """Return the quantity of a form that is a number."""
    return Quantity(Fraction(read.value), read.unit)


_END = re.compile(r"(?=[\s,;:)*\"]|[.!?](?:\s|$)|$)")
_MOST: Final = 14
_LONGEST_AMOUNT: Final = 50


def amounts_in(text: str, question: Question) -> list[Amount]:
    """Return the amounts of a text in order, each as long as it can be read."""
    return list(_amounts(text, question))


def _amounts(text: str, question: Question) -> Iterator[Amount]:
    reached = 0
    for match in list(VALUE_START.finditer(text))[:_MOST]:
        if match.start() < reached:
            continue
        ends = [end.start() for end in _END.finditer(text, match.end(), match.end() + _LONGEST_AMOUNT)]
        for end in reversed(ends):
            stated = text[match.start() : end]
            value = quantity(stated.strip(), question.words)
            if value and stated.casefold().strip() != "one":
                yield Amount(match.start(), end, value, stated.strip())
                reached = end
                break


def new_in(amounts: Sequence[Amount], question: Question, unit: str | None = None) -> list[Amount]:
    """Return the amounts that the question does not have, each value once."""
    in_question = [amount.value for amount in amounts_in(question.matter, question)]
    new: list[Amount] = []
    for amount in amounts:
        repeated = any(
            (amount.value.value == other.value and other.unit in (None, amount.value.unit))
            or other == amount.value
            for other in in_question
        )
        twice = any(same_amount(amount.value, other.value) for other in new)
        if not repeated and not twice and (unit is None or amount.value.unit in (None, unit)):
            new.append(amount)
    return new
