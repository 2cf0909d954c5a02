"""Invent word problems: numbers are drawn first, then words are put around them."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import pairwise

from optillm_simulator.vocabulary import in_order, vocabulary

PEOPLE = in_order(
    "Ann Ben Cleo Dan Eva Finn Gina Hugo Iris Jack Kim Leo Mia Nina Omar Paul Rosa Sam Tina Uma"
)
_HE = vocabulary("Ben Dan Finn Hugo Jack Leo Omar Paul Sam")
_THINGS = in_order("marbles stickers apples shells pencils cookies buttons coins beads postcards")
_BOXES = in_order("bags boxes packs jars baskets")
_WARES = in_order("pens notebooks rulers mugs candles books plants combs")
_SPELLED = in_order("zero one two three four five six seven eight nine ten eleven twelve")


def _number(value: int, rng: random.Random) -> str:
    """Return a number as digits, a small one sometimes as a word."""
    return _SPELLED[value] if value < len(_SPELLED) and rng.random() < 0.25 else str(value)


def invent_story(rng: random.Random, length: int | None = None) -> tuple[str, str]:
    """Return a word problem and its answer.

    It takes one to nine steps, or one or two in each of `length` turns.
    """
    inventors = (_possessions, _possessions, _shopping, _comparison, _workshop)
    question, answer = _possessions(rng, length) if length else rng.choice(inventors)(rng)
    return question, str(answer)


def _possessions(rng: random.Random, turns: int | None = None) -> tuple[str, int]:
    """One person's things, which come and go again and again."""
    name, other = rng.sample(PEOPLE, 2)
    he = "he" if name in _HE else "she"
    thing = rng.choice(_THINGS)
    start, text = _start(name, thing, rng)
    have = start
    for _ in range(turns or rng.randint(1, 4)):
        have, sentence = rng.choice((_gain, _loss, _part, _packs))(have, he, other, rng)
        text.append(sentence)
    divisors = [by for by in range(2, 10) if have % by == 0 and have // by > 1]
    if divisors and rng.random() < 0.3:
        by = rng.choice(divisors)
        divided = (
            f"Then {he} shares them equally among {by} friends. How many {thing} does each friend get?",
            f"{he.title()} divides the rest equally between {by} children."
            f" How many {thing} does each child get?",
        )
        return " ".join((*text, rng.choice(divided))), have // by
    endings = (
        f"How many {thing} does {name} have now?",
        f"How many {thing} does {he} have left?",
        f"How many {thing} are left?",
        f"What is the total number of {thing} that {name} has in the end?",
    )
    return " ".join((*text, rng.choice(endings))), have


def _start(name: str, thing: str, rng: random.Random) -> tuple[int, list[str]]:
    if rng.random() < 0.5:
        bags, each = rng.randint(3, 9), rng.randint(6, 15)
        box = rng.choice(_BOXES)
        wording = rng.choice(("of {each} {thing}", "with {each} {thing} each", "with {each} {thing} in each"))
        inside = wording.format(each=_number(each, rng), thing=thing)
        return bags * each, [f"{name} has {_number(bags, rng)} {box} {inside}."]
    amount = rng.randint(20, 90)
    return amount, [rng.choice((f"{name} has {amount} {thing}.", f"{name} starts with {amount} {thing}."))]


def _gain(have: int, he: str, other: str, rng: random.Random) -> tuple[int, str]:
    more = rng.randint(3, 40)
    shown = _number(more, rng)
    sentence = rng.choice(
        (
            f"Then {he} buys {shown} more.",
            f"{he.title()} gets another {shown} from {other}.",
            f"{other} gives {'him' if he == 'he' else 'her'} {shown} more.",
            f"Later {he} finds {shown} more.",
            f"After that, {he} receives {shown} as a present.",
        )
    )
    return have + more, sentence


def _loss(have: int, he: str, other: str, rng: random.Random) -> tuple[int, str]:
    if have < 4:
        return _gain(have, he, other, rng)
    less = rng.randint(2, have - 1 if have < 40 else 35)
    shown = _number(less, rng)
    sentence = rng.choice(
        (
            f"{he.title()} gives {shown} to {other}.",
            f"{he.title()} gives {other} {shown} of them.",
            f"Then {he} loses {shown}.",
            f"Next, {he} sells {shown} of them.",
            f"{shown.title()} of them get lost." if less > 1 else f"{he.title()} throws one away.",
        )
    )
    return have - less, sentence


def _part(have: int, he: str, other: str, rng: random.Random) -> tuple[int, str]:
    parts = [(by, word) for by, word in ((2, "half"), (3, "a third"), (4, "a quarter")) if have % by == 0]
    if not parts or have < 8:
        return _gain(have, he, other, rng)
    by, word = rng.choice(parts)
    his = "his" if he == "he" else "her"
    sentence = rng.choice(
        (
            f"{he.title()} gives away {word} of them.",
            f"Then {he} gives {word} of {his} collection to {other}.",
            f"{he.title()} loses {word} of them.",
        )
    )
    return have - have // by, sentence


def _packs(have: int, he: str, _other: str, rng: random.Random) -> tuple[int, str]:
    packs, each = rng.randint(2, 6), rng.randint(3, 12)
    box = rng.choice(_BOXES)
    sentence = rng.choice(
        (
            f"{he.title()} buys {_number(packs, rng)} {box} of {each}.",
            f"Then {he} gets {_number(packs, rng)} more {box} with {each} in each.",
        )
    )
    return have + packs * each, sentence


def _shopping(rng: random.Random) -> tuple[str, int]:
    """Prices, a purchase, and the bill or the change."""
    name = rng.choice(PEOPLE)
    he = "he" if name in _HE else "she"
    wares = rng.sample(_WARES, rng.randint(1, 3))
    prices = [rng.randint(2, 15) for _ in wares]
    amounts = [rng.randint(2, 9) for _ in wares]
    bill = sum(price * amount for price, amount in zip(prices, amounts, strict=True))
    if rng.random() < 0.5:
        stated = [
            rng.choice((f"{ware.title()} cost ${price} each.", f"A {ware[:-1]} costs {price} dollars."))
            for ware, price in zip(wares, prices, strict=True)
        ]
        bought = listing([f"{_number(many, rng)} {ware}" for many, ware in zip(amounts, wares, strict=True)])
    else:
        stated = []
        bought = listing(
            f"{many} {ware} at ${price} each"
            for many, ware, price in zip(amounts, wares, prices, strict=True)
        )
    text = [*stated, f"{name} buys {bought}."]
    if rng.random() < 0.5:
        purse = bill + rng.randint(1, 40)
        text.insert(0, f"{name} has ${purse}.")
        change = (f"How much money does {he} have left?", f"How much money does {name} still have?")
        return " ".join((*text, rng.choice(change))), purse - bill
    ask = (
        f"How much does {he} pay in total?",
        f"How much does {name} spend altogether?",
        "What is the total cost?",
    )
    return " ".join((*text, rng.choice(ask))), bill


def listing(parts: Iterable[str]) -> str:
    """Join parts as English does: "a, b and c"."""
    *front, last = parts
    return f"{', '.join(front)} and {last}" if front else last


def _comparison(rng: random.Random) -> tuple[str, int]:
    """Some people, each compared with the one before."""
    names = rng.sample(PEOPLE, rng.randint(2, 4))
    thing = rng.choice(_THINGS)
    amounts = [rng.randint(6, 30)]
    text = [f"{names[0]} has {amounts[0]} {thing}."]
    for before, name in pairwise(names):
        last = amounts[-1]
        gap, factor = rng.randint(2, 12), rng.randint(3, 5)
        choices = [
            (2 * last, f"{name} has twice as many {thing} as {before}."),
            (factor * last, f"{name} has {_number(factor, rng)} times as many as {before}."),
            (last + gap, f"{name} has {gap} more {thing} than {before}."),
        ]
        if last > gap:
            choices.append((last - gap, f"{name} has {gap} fewer {thing} than {before}."))
        if last % 2 == 0:
            choices.append((last // 2, f"{name} has half as many {thing} as {before}."))
        amount, sentence = rng.choice(choices)
        amounts.append(amount)
        text.append(sentence)
    if len(names) == 2 and amounts[1] != amounts[0] and rng.random() < 0.3:
        more, fewer = names if amounts[0] > amounts[1] else reversed(names)
        text.append(f"How many more {thing} does {more} have than {fewer}?")
        return " ".join(text), abs(amounts[0] - amounts[1])
    ask = (f"How many {thing} do they have altogether?", f"How many {thing} do they have in total?")
    return " ".join((*text, rng.choice(ask))), sum(amounts)


def _workshop(rng: random.Random) -> tuple[str, int]:
    """So many a day for some days; some get lost, the rest is packed."""
    name = rng.choice(PEOPLE)
    he = "he" if name in _HE else "she"
    thing = rng.choice(("rolls", "candles", "toys", "cards"))
    days, daily, packed = rng.randint(2, 7), rng.randint(8, 25), rng.choice((4, 5, 6, 8, 10, 12))
    made = days * daily
    every = rng.choice(("a day", "per day", "every day"))
    text = [f"{name} makes {daily} {thing} {every} for {_number(days, rng)} days."]
    lost = rng.randint(1, 4)
    lost += (made - lost) % packed  # so that full boxes remain
    text.append(rng.choice((f"{lost} {thing} break.", f"{he.title()} gives {lost} of them away.")))
    made -= lost
    if rng.random() < 0.3 or made < packed:
        return " ".join((*text, f"How many {thing} are left?")), made
    rest = rng.choice(("them", "the rest"))
    text.append(f"Then {he} packs {rest} into boxes of {_number(packed, rng)}.")
    text.append(rng.choice((f"How many boxes does {he} need?", f"How many boxes does {he} fill?")))
    return " ".join(text), made // packed
