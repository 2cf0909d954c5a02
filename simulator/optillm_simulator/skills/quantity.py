"""Read amounts: "5 bags of 12 marbles", "half of them", "3 times as many as Bob", "7 more than Ann"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from optillm_simulator.skills.language import Word, number, singular
from optillm_simulator.skills.lexicon import DETERMINERS, ENDS, MORE, PARTS, PRONOUNS, VERBS
from optillm_simulator.vocabulary import vocabulary

_FACTORS = {"twice": 2, "double": 2, "thrice": 3, "triple": 3}
_CONTENTS = ("of", "with", "containing", "holding")
_WHOLES = (("collection",), ("stock",), ("supply",), ("total",), ("amount",))
Thing = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Quantity:
    """An amount as a clause states it, from word `start` up to word `end`.

    `kind`: a plain count; a part of what there is (`number` is a fraction up to one); so many times, or so many
    more or fewer than, what `than` has. `each` is what every one of the counted things holds.
    """

    number: Fraction
    start: int
    end: int
    thing: Thing = ()
    kind: Literal["count", "part", "times", "more", "fewer"] = "count"
    than: tuple[str, ...] = ()
    each: Quantity | None = None
    added: bool = False


def find_quantity(words: Sequence[Word], start: int = 0) -> Quantity | None:
    """Return the first amount from word `start` on."""
    if start < len(words) and (single := _article(words, start)):
        return single
    for index in range(start, len(words)):
        quantity = _part(words, index) or _multiple(words, index) or _count(words, index)
        if quantity:
            return quantity
    return None


def text_at(words: Sequence[Word], at: int) -> str:
    """Return the word at `at`; empty outside the sentence."""
    return words[at].text if 0 <= at < len(words) else ""


def thing_at(words: Sequence[Word], at: int) -> tuple[Thing, int]:
    """Return the counted thing that is named at `at`, in the singular, and where its name ends."""
    end = at
    while text_at(words, end).isalpha() and not _ends_thing(words, at, end):
        end += 1
    return tuple(singular(word.text) for word in words[at:end]), end


def _ends_thing(words: Sequence[Word], at: int, end: int) -> bool:
    text = words[end].text
    # The first word after a number names the thing, even if it could be a verb: "3 packs", "4 drinks".
    return text in ENDS or text in PRONOUNS or (text in VERBS and (end > at or text not in _PLURALS))


_PLURALS = vocabulary("plants drinks packs shares runs walks drops places groups orders scores prints")


def _part(words: Sequence[Word], at: int) -> Quantity | None:
    """Read "half of them", "a third of the apples", "3/4 of", "25 percent of"; also "half as many as"."""
    fraction, end = _fraction(words, at)
    if fraction is None:
        return None
    if text_at(words, end) == "as":
        return _compared(words, at, end, fraction)
    while text_at(words, end) in DETERMINERS | {"of", "remaining", "rest", "them", "it"}:
        end += 1
    thing, end = thing_at(words, end)
    return Quantity(fraction, at, end, () if thing[-1:] in _WHOLES else thing, "part")


def _fraction(words: Sequence[Word], at: int) -> tuple[Fraction | None, int]:
    text, after = text_at(words, at), text_at(words, at + 1)
    if text == "half":
        return Fraction(1, 2), at + 1
    above = Fraction(1) if text in ("a", "an", "one") else number(text)
    if above is None:
        return None, at
    below = PARTS.get(singular(after))
    if below and after != "second":
        return above / below, at + 2
    if after == "percent":
        return above / 100, at + 2
    divisor = number(text_at(words, at + 2)) if after == "/" else None
    return (above / divisor, at + 3) if divisor else (None, at)


def _multiple(words: Sequence[Word], at: int) -> Quantity | None:
    """Read "twice as many as", "3 times as many apples as"."""
    factor = _FACTORS.get(words[at].text)
    if factor and text_at(words, at + 1) == "as":
        return _compared(words, at, at + 1, Fraction(factor))
    times = number(words[at].text)
    if times is not None and text_at(words, at + 1) == "times":
        return _compared(words, at, at + 2, times)
    return None


def _compared(words: Sequence[Word], start: int, at: int, factor: Fraction) -> Quantity | None:
    """Read the rest of "… as many apples as Bob", from the first "as" on."""
    if text_at(words, at) in ("as", "more") and text_at(words, at + 1) in ("many", "much"):
        at += 1
    thing, end = thing_at(words, at + 1)
    than: tuple[str, ...] = ()
    if text_at(words, end) in ("as", "than"):
        than, end = _holder(words, end + 1)
    return Quantity(factor, start, end, thing, "times", than)


def _holder(words: Sequence[Word], at: int) -> tuple[tuple[str, ...], int]:
    """Return whom or what something is compared with, without articles, and where the phrase ends."""
    end = at
    while text_at(words, end).isalpha() and text_at(words, end) not in ("does", "did", "do", "has", "and"):
        end += 1
    return tuple(word.text for word in words[at:end] if word.text not in DETERMINERS - {"her"}), end


def _count(words: Sequence[Word], at: int) -> Quantity | None:
    value = number(words[at].text)
    if value is None:
        return None
    after = at + 1
    lack = text_at(words, after) in ("fewer", "less")
    more = text_at(words, after) in MORE
    added = more or text_at(words, at - 1) in ("another", "additional")
    after += lack or more
    if text_at(words, after) == "of":  # "3 of them", "3 of the apples"
        while text_at(words, after) in DETERMINERS:
            after += 1
    thing, end = thing_at(words, after)
    if not thing and text_at(words, end) in ("more", "fewer", "less"):  # "10 dollars more than"
        end += 1
    if text_at(words, end) in MORE | {"fewer", "less"} and text_at(words, end + 1) == "than":
        lack, added, end = text_at(words, end) in ("fewer", "less"), True, end + 1
    if text_at(words, end) == "than" and (added or lack):
        than, end = _holder(words, end + 1)
        return Quantity(value, at, end, thing, "fewer" if lack else "more", than)
    quantity = Quantity(value, at, end, thing, added=added)
    return _with_contents(words, quantity)


def _with_contents(words: Sequence[Word], quantity: Quantity) -> Quantity:
    """Add what each holds: "5 bags of 12 marbles", "5 bags with 12 marbles each"."""
    at = quantity.end
    while text_at(words, at) in (",", "each", "all", "that", "which"):
        at += 1
    if text_at(words, at) not in (*_CONTENTS, "has", "have", "holds", "hold", "contains", "contain"):
        return quantity
    if number(text_at(words, at + 1)) is None or not quantity.thing:
        return quantity
    inner = _count(words, at + 1)
    return replace(quantity, each=inner, end=inner.end) if inner else quantity


def _article(words: Sequence[Word], at: int) -> Quantity | None:
    """Read "a notebook" as one of it; but "a friend 5 apples" is not about one friend."""
    if words[at].text not in ("a", "an", "another") or singular(text_at(words, at + 1)) in PARTS:
        return None
    thing, end = thing_at(words, at + 1)
    if number(text_at(words, end)) is not None:
        return None
    return Quantity(Fraction(1), at, end, thing, added=words[at].text == "another") if thing else None
