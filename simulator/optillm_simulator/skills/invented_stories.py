"""Word problems invented with their answers: numbers are drawn first, words are put around them."""

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


def _number(value: int, luck: random.Random) -> str:
    """A number as digits, a small one sometimes as a word."""
    return _SPELLED[value] if value < len(_SPELLED) and luck.random() < 0.25 else str(value)


def invent_story(luck: random.Random, length: int | None = None) -> tuple[str, str]:
    """A word problem of one to nine steps, or of one to two in each of `length` turns, and its answer."""
    scenes = (_possessions, _possessions, _shopping, _comparison, _workshop)
    question, answer = _possessions(luck, length) if length else luck.choice(scenes)(luck)
    return question, str(answer)


def _possessions(luck: random.Random, turns: int | None = None) -> tuple[str, int]:
    """One hand, filled and emptied again and again."""
    name, other = luck.sample(PEOPLE, 2)
    he = "he" if name in _HE else "she"
    thing = luck.choice(_THINGS)
    start, told = _start(name, thing, luck)
    have = start
    for _ in range(turns or luck.randint(1, 4)):
        have, sentence = luck.choice((_gain, _loss, _part, _packs))(have, he, other, luck)
        told.append(sentence)
    divisors = [by for by in range(2, 10) if have % by == 0 and have // by > 1]
    if divisors and luck.random() < 0.3:
        by = luck.choice(divisors)
        divided = (
            f"Then {he} shares them equally among {by} friends. How many {thing} does each friend get?",
            f"{he.title()} divides the rest equally between {by} children."
            f" How many {thing} does each child get?",
        )
        return " ".join((*told, luck.choice(divided))), have // by
    endings = (
        f"How many {thing} does {name} have now?",
        f"How many {thing} does {he} have left?",
        f"How many {thing} are left?",
        f"What is the total number of {thing} that {name} has in the end?",
    )
    return " ".join((*told, luck.choice(endings))), have


def _start(name: str, thing: str, luck: random.Random) -> tuple[int, list[str]]:
    if luck.random() < 0.5:
        bags, each = luck.randint(3, 9), luck.randint(6, 15)
        box = luck.choice(_BOXES)
        said = luck.choice(("of {each} {thing}", "with {each} {thing} each", "with {each} {thing} in each"))
        inside = said.format(each=_number(each, luck), thing=thing)
        return bags * each, [f"{name} has {_number(bags, luck)} {box} {inside}."]
    amount = luck.randint(20, 90)
    return amount, [luck.choice((f"{name} has {amount} {thing}.", f"{name} starts with {amount} {thing}."))]


def _gain(have: int, he: str, other: str, luck: random.Random) -> tuple[int, str]:
    more = luck.randint(3, 40)
    shown = _number(more, luck)
    sentence = luck.choice(
        (
            f"Then {he} buys {shown} more.",
            f"{he.title()} gets another {shown} from {other}.",
            f"{other} gives {'him' if he == 'he' else 'her'} {shown} more.",
            f"Later {he} finds {shown} more.",
            f"After that, {he} receives {shown} as a present.",
        )
    )
    return have + more, sentence


def _loss(have: int, he: str, other: str, luck: random.Random) -> tuple[int, str]:
    if have < 4:
        return _gain(have, he, other, luck)
    less = luck.randint(2, have - 1 if have < 40 else 35)
    shown = _number(less, luck)
    sentence = luck.choice(
        (
            f"{he.title()} gives {shown} to {other}.",
            f"{he.title()} gives {other} {shown} of them.",
            f"Then {he} loses {shown}.",
            f"Next, {he} sells {shown} of them.",
            f"{shown.title()} of them get lost." if less > 1 else f"{he.title()} throws one away.",
        )
    )
    return have - less, sentence


def _part(have: int, he: str, other: str, luck: random.Random) -> tuple[int, str]:
    parts = [(by, word) for by, word in ((2, "half"), (3, "a third"), (4, "a quarter")) if have % by == 0]
    if not parts or have < 8:
        return _gain(have, he, other, luck)
    by, word = luck.choice(parts)
    his = "his" if he == "he" else "her"
    sentence = luck.choice(
        (
            f"{he.title()} gives away {word} of them.",
            f"Then {he} gives {word} of {his} collection to {other}.",
            f"{he.title()} loses {word} of them.",
        )
    )
    return have - have // by, sentence


def _packs(have: int, he: str, _other: str, luck: random.Random) -> tuple[int, str]:
    packs, each = luck.randint(2, 6), luck.randint(3, 12)
    box = luck.choice(_BOXES)
    sentence = luck.choice(
        (
            f"{he.title()} buys {_number(packs, luck)} {box} of {each}.",
            f"Then {he} gets {_number(packs, luck)} more {box} with {each} in each.",
        )
    )
    return have + packs * each, sentence


def _shopping(luck: random.Random) -> tuple[str, int]:
    """Prices, a purchase, and the bill or the change."""
    name = luck.choice(PEOPLE)
    he = "he" if name in _HE else "she"
    wares = luck.sample(_WARES, luck.randint(1, 3))
    prices = [luck.randint(2, 15) for _ in wares]
    amounts = [luck.randint(2, 9) for _ in wares]
    bill = sum(price * amount for price, amount in zip(prices, amounts, strict=True))
    if luck.random() < 0.5:
        stated = [
            luck.choice((f"{ware.title()} cost ${price} each.", f"A {ware[:-1]} costs {price} dollars."))
            for ware, price in zip(wares, prices, strict=True)
        ]
        bought = listing([f"{_number(many, luck)} {ware}" for many, ware in zip(amounts, wares, strict=True)])
    else:
        stated = []
        bought = listing(
            f"{many} {ware} at ${price} each"
            for many, ware, price in zip(amounts, wares, prices, strict=True)
        )
    told = [*stated, f"{name} buys {bought}."]
    if luck.random() < 0.5:
        purse = bill + luck.randint(1, 40)
        told.insert(0, f"{name} has ${purse}.")
        change = (f"How much money does {he} have left?", f"How much money does {name} still have?")
        return " ".join((*told, luck.choice(change))), purse - bill
    ask = (
        f"How much does {he} pay in total?",
        f"How much does {name} spend altogether?",
        "What is the total cost?",
    )
    return " ".join((*told, luck.choice(ask))), bill


def listing(parts: Iterable[str]) -> str:
    """ "a, b and c" out of three parts."""
    *front, last = parts
    return f"{', '.join(front)} and {last}" if front else last


def _comparison(luck: random.Random) -> tuple[str, int]:
    """Some people, each compared with the one before."""
    names = luck.sample(PEOPLE, luck.randint(2, 4))
    thing = luck.choice(_THINGS)
    amounts = [luck.randint(6, 30)]
    told = [f"{names[0]} has {amounts[0]} {thing}."]
    for before, name in pairwise(names):
        last = amounts[-1]
        gap, factor = luck.randint(2, 12), luck.randint(3, 5)
        choices = [
            (2 * last, f"{name} has twice as many {thing} as {before}."),
            (factor * last, f"{name} has {_number(factor, luck)} times as many as {before}."),
            (last + gap, f"{name} has {gap} more {thing} than {before}."),
        ]
        if last > gap:
            choices.append((last - gap, f"{name} has {gap} fewer {thing} than {before}."))
        if last % 2 == 0:
            choices.append((last // 2, f"{name} has half as many {thing} as {before}."))
        amount, sentence = luck.choice(choices)
        amounts.append(amount)
        told.append(sentence)
    if len(names) == 2 and amounts[1] != amounts[0] and luck.random() < 0.3:
        more, fewer = names if amounts[0] > amounts[1] else reversed(names)
        told.append(f"How many more {thing} does {more} have than {fewer}?")
        return " ".join(told), abs(amounts[0] - amounts[1])
    ask = (f"How many {thing} do they have altogether?", f"How many {thing} do they have in total?")
    return " ".join((*told, luck.choice(ask))), sum(amounts)


def _workshop(luck: random.Random) -> tuple[str, int]:
    """So much a day for some days, some of it lost, the rest packed."""
    name = luck.choice(PEOPLE)
    he = "he" if name in _HE else "she"
    thing = luck.choice(("rolls", "candles", "toys", "cards"))
    days, daily, packed = luck.randint(2, 7), luck.randint(8, 25), luck.choice((4, 5, 6, 8, 10, 12))
    made = days * daily
    every = luck.choice(("a day", "per day", "every day"))
    told = [f"{name} makes {daily} {thing} {every} for {_number(days, luck)} days."]
    lost = luck.randint(1, 4)
    lost += (made - lost) % packed  # so that full boxes remain
    told.append(luck.choice((f"{lost} {thing} break.", f"{he.title()} gives {lost} of them away.")))
    made -= lost
    if luck.random() < 0.3 or made < packed:
        return " ".join((*told, f"How many {thing} are left?")), made
    rest = luck.choice(("them", "the rest"))
    told.append(f"Then {he} packs {rest} into boxes of {_number(packed, luck)}.")
    told.append(luck.choice((f"How many boxes does {he} need?", f"How many boxes does {he} fill?")))
    return " ".join(told), made // packed
