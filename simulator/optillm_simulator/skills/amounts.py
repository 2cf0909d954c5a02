"""Find the term that a quantity stands for, once the ledger is known."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from optillm_simulator.skills.clauses import Clause
from optillm_simulator.skills.language import Word, number, singular
from optillm_simulator.skills.ledger import Deed, Ledger, is_money
from optillm_simulator.skills.lexicon import TIMES
from optillm_simulator.skills.quantity import Quantity, Thing, find_quantity, text_at
from optillm_simulator.skills.sums import Term


def term_of(ledger: Ledger, quantity: Quantity, thing: Thing, about: str) -> Term | None:
    """Return the term for a quantity of `thing`; `None` if it rests on something not yet known."""
    if quantity.kind == "count":
        inner = quantity.each
        return ledger.sheet.do("*", quantity.number, inner.number, about) if inner else quantity.number
    base = _whole(ledger, thing) if quantity.kind == "part" else _compared(ledger, quantity, thing)
    if base is None:
        return None
    if quantity.kind in ("more", "fewer"):
        return ledger.sheet.do("+" if quantity.kind == "more" else "-", base, quantity.number, about)
    if quantity.number.numerator == 1 and quantity.number != 1:  # a third: divided by three
        return ledger.sheet.do("/", base, Fraction(quantity.number.denominator), about)
    return ledger.sheet.do("*", base, quantity.number, about)


def _whole(ledger: Ledger, thing: Thing) -> Term | None:
    """Return all there is of a thing: what the story's owner has, else the last pile mentioned."""
    piles = ledger.find(ledger.owner, thing) or ledger.find(None, thing)[-1:]
    return ledger.merge(piles, "Together").amount if piles else None


def _compared(ledger: Ledger, quantity: Quantity, thing: Thing) -> Term | None:
    """Return what a quantity is compared with: what somebody has, a price, or the last deed's amount."""
    than = quantity.than
    for name in filter(None, (than, than[-1:], than[:1])):
        piles = ledger.find(name, thing)
        if piles:
            return ledger.merge(piles, "Together").amount
        if name[-1] in ledger.prices:
            return ledger.prices[name[-1]]
    things = tuple(singular(word) for word in than if word not in TIMES)
    piles = ledger.find(ledger.owner, things[-1:]) if things else []
    if piles:  # "twice as many cats as dogs"
        return piles[-1].amount
    deeds = [deed for deed in ledger.deeds if deed.thing[-1:] == thing[-1:] or not thing]
    return deeds[-1].amount if deeds else None


def repeated(ledger: Ledger, clause: Clause, deed: Deed, rest: Sequence[Word]) -> Term | None:
    """Return an amount per day or hour times the days; `None` while only the rate is known."""
    unit = _unit(rest)
    if unit is None:
        if deed.thing[-1:] and deed.thing[-1] in ledger.rates and isinstance(deed.amount, Fraction):
            ledger.lasting[deed.thing[-1]] = deed.amount
        return _to_each(ledger, deed, rest)
    duration = lasting(clause.words, unit)
    if duration is None:
        ledger.rates[unit] = deed
        return None
    return ledger.sheet.do("*", deed.amount, duration, clause.about)


def lasting(words: Sequence[Word], unit: str) -> Fraction | None:
    """Return how many of a unit of time the words state: 5 for "for 5 days" and `day`."""
    for index, word in enumerate(words):
        value = number(word.text)
        if value is not None and singular(text_at(words, index + 1)) == unit:
            return value
    return None


def _unit(rest: Sequence[Word]) -> str | None:
    """Return the unit of time in which an amount recurs: "a day", "per hour", "every week"."""
    for index, word in enumerate(rest):
        unit = singular(text_at(rest, index + 1))
        if word.text in ("a", "an", "per", "each", "every") and unit in TIMES:
            return unit
    return None


def _to_each(ledger: Ledger, deed: Deed, rest: Sequence[Word]) -> Term:
    """Multiply an amount that each of several gets: "gives 5 to each of her 4 friends"."""
    texts = [word.text for word in rest]
    if "each" in texts and ("to" in texts or "for" in texts):
        many = find_quantity(rest, texts.index("each"))
        if many and not is_money(many.thing):
            return ledger.sheet.do("*", many.number, deed.amount, deed.about)
    return deed.amount
