"""Which words around an amount add nothing to it, and which of them change it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from optillm.toolkit.answers.concluding import WORD
from optillm.toolkit.answers.questions import Question
from optillm.toolkit.answers.vocabulary import (
    APPROXIMATE,
    BOUNDS,
    EXTREMES,
    LEADING,
    NEUTRAL_VERBS,
    NEVER_ACCOUNTED,
    NUMERALS,
    TRAILING,
    stem,
    words_of,
)

_CHANGING: Final = (
    NEVER_ACCOUNTED - words_of("plus or likely unlikely probably false true wrong incorrect")
) | words_of("""
    than each per every apiece respectively increase increases increased decrease decreases decreased rise rises rose
    fall falls fell drop drops dropped grew gain gains gained loss losses lost profit profits north south east west
    half twice double triple times ago late early between short minus excluding without besides beyond below above
    clockwise counterclockwise eaten used sold spent gone gave given away off extra another other cheaper further
    squared cubed reciprocal opposite eighth inverse initially originally first second third fourth fifth
""")
"""Words that change an amount beside them, or say that it is another one, unless they are the question's."""
_ALL: Final = words_of("total altogether combined")
PER: Final = words_of("each per every apiece")
_BEFORE_IT: Final = (BOUNDS - words_of("minimum maximum min max")) | words_of(
    "than from between nearly almost under not minus plus half twice times without to or by since exceeding"
    " nearing approaching topping"
)
"""Words that change the amount right behind them, whatever the question."""
_EXTREME_NOUNS: Final = words_of("minimum maximum least most")
_EQUALLING: Final = frozenset(
    map(stem, words_of("equal equivalent comes amounts rounded converts corresponds adds sums leads"))
)
_FUNCTION: Final = (
    LEADING
    | APPROXIMATE
    | NEUTRAL_VERBS
    | TRAILING
    | words_of("""
    which who whom what where into onto within during among about through will you'll i'd you'd you've it's there's
    they're he's she's today make makes made need needs needed require requires required equal same amount calculated
    approximately using altogether together also then by on up may might can still currently now later after when
    he'd she'd they'd we'd would i'm units add adds goes travels moves runs different distinct possible
""")
) - words_of("over")
LABELS: Final = words_of("""
    total answer result number amount sum value time cost price probability percentage fraction rate change
    remaining left count final overall combined product quotient difference average mean
""")
MEASURES: Final = words_of("""
    area volume perimeter circumference length width height depth radius diameter distance speed velocity mass weight
    power force energy current voltage density age interest
""")
TENSE = re.compile(r"(?:\b(?:will|would)|'ll|'d)\s(?!be\b)", re.IGNORECASE)
"""A future that is none: "you will have" for "how much do I have?"."""


def all_accounted(words: Sequence[str], question: Question) -> bool:
    """Return whether words add nothing, and whether any of them is the question's, a pronoun or a neutral verb."""
    return all(is_accounted(word, question) for word in words)


def is_accounted(word: str, question: Question, *, loosely: bool = False) -> bool:
    """Return whether a word adds nothing or is the question's; `loosely` letters, names and labels do not either."""
    folded = word.casefold().removesuffix("'s")
    if changes(folded, question):
        return False
    if question.words.limits:
        return question.words.account_for(folded, frozenset()) or question.words.mention(folded)
    if folded in _FUNCTION or question.words.mention(folded) or folded in question.text.casefold().split():
        return True
    if re.fullmatch(r"[\d.,]+", folded) or folded in NUMERALS:
        return True  # amounts are counted apart from words
    return loosely and (len(word) == 1 or word[0].isupper() or folded in LABELS)


def changes(folded: str, question: Question) -> bool:
    """Return whether a word changes an amount near it; one that the question has changes nothing more."""
    if folded in question.words.limits:
        return True
    if folded in PER and question.tokens & (PER | {"one", "single"}) and not question.tokens & _ALL:
        return False
    return (folded in _CHANGING or folded in question.words.disputed) and not (
        (question.words.mention(folded) or folded in question.tokens)
        and folded not in question.words.disputed
    )


def is_changed(before: str, behind: str, question: Question) -> bool:
    """Return whether a word around an amount changes it."""
    words = [word.casefold() for word in WORD.findall(TENSE.sub(" ", before))]
    if any(changes(word, question) for word in words):
        return True
    if any(word in EXTREMES | _EXTREME_NOUNS and not question.words.mention(word) for word in words[-3:]):
        return True
    if words and words[-1] in _BEFORE_IT and not (words[-1] == "by" and _asks_for_change(question)):
        verb = [*(words[-3:-2] if words[-2:-1] == ["up"] else words[-2:-1]), ""][0]
        equalling = words[-1] == "to" and stem(verb) in _EQUALLING
        if not equalling:
            return True
    tail = [word.casefold() for word in WORD.findall(re.split(r"\(", behind, maxsplit=1)[0])]
    if any(changes(word, question) for word in tail):
        return True
    if _RANGE.match(behind) or _SIDE.search(behind):
        return True
    if tail[:1] == ["to"] and not any(map(question.words.mention, tail[1:2])):
        return True  # "to read the book" belongs to the question, "to the left" does not
    return bool(tail) and tail[0] in BOUNDS | words_of("or more less") and not question.words.mention(tail[0])


_SIDE = re.compile(r"\bthe (?:left|right)\b", re.IGNORECASE)
_RANGE = re.compile(rf"\s*(?:to|or|-|–)\s(?:\d|(?:{'|'.join(NUMERALS)})\b)", re.IGNORECASE)


_CHANGE = re.compile(
    r"\bby how (?:much|many)\b|\bpercent(?:age)?\b"
    r"|\bhow much (?:did|does|has)\b[^?]*\b(?:increase|decrease|rise|fall|drop|grow|change)",
    re.IGNORECASE,
)


def _asks_for_change(question: Question) -> bool:
    """Return whether a question asks by how much something changes, so that "by" adds nothing."""
    return _CHANGE.search(question.last) is not None
