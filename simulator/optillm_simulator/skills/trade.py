"""Prices, purchases and sales."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from optillm_simulator.skills.amounts import term_of
from optillm_simulator.skills.clauses import Clause, holder
from optillm_simulator.skills.language import Word, singular
from optillm_simulator.skills.ledger import Deed, Ledger, Payment, is_money
from optillm_simulator.skills.lexicon import PRONOUNS
from optillm_simulator.skills.quantity import Quantity, find_quantity, thing_at

_BUYING = frozenset({"buy", "get", "order"})
_PRICED_BY = frozenset({"for", "at", "costing"})
_PER_PIECE = frozenset({"each", "apiece", "every", "per"})


def cost(ledger: Ledger, clause: Clause, quantity: Quantity | None) -> bool:
    """Note a price: "Pens cost $3 each", "A notebook costs twice as much as a pen", "5 pens cost $15"."""
    if quantity is None:
        return True
    many = find_quantity(clause.subject)
    name = many.thing if many else holder(clause.subject)
    thing = ledger.thing if not name or name[0] in PRONOUNS | {"they", "each"} else name
    price = term_of(ledger, quantity, (), clause.about)
    if price is None or not thing:
        return False
    if many and many.number != 1 and not _PER_PIECE & {word.text for word in clause.words}:
        price = ledger.sheet.do("/", price, many.number, clause.about)
    ledger.prices[singular(thing[-1])] = price
    return True


def quoted(ledger: Ledger, clause: Clause, quantity: Quantity) -> bool:
    """Note a price for things without a number; return whether the clause states one.

    "A shop sells pens at $2 each", "She buys shoes for $45".
    """
    between = clause.words[clause.at + 1 : quantity.start]
    lemma = clause.verb.lemma
    if lemma not in _BUYING | {"sell", "pay"} or not is_money(quantity.thing) or not between:
        return False
    if lemma == "pay" and between[0].text == "with":  # "She pays with $50": she has that much
        ledger.set(ledger.owner, quantity.thing, quantity.number)
        return True
    thing, _ = thing_at(between, 0)
    if not thing or lemma == "pay":
        return False
    if lemma == "sell":
        ledger.prices[thing[-1]] = quantity.number
    else:
        ledger.bought.append(Payment(ledger.owner, thing, Fraction(1), clause.about, total=quantity.number))
    ledger.thing = thing
    return True


def pay(ledger: Ledger, deed: Deed, rest: Sequence[Word]) -> None:
    """Note what a purchase costs or a sale brings; `rest` is the clause after the amount."""
    if deed.lemma not in _BUYING | {"sell"} or is_money(deed.thing):
        return
    payment = Payment(deed.owner, deed.thing, deed.amount, deed.about)
    price = _price(rest)
    if price and is_money(price.thing):
        for_one = (_PER_PIECE | {"a"}) & {word.text for word in rest[price.end :]} or deed.amount == 1
        payment.each, payment.total = (price.number, None) if for_one else (None, price.number)
    (ledger.sold if deed.lemma == "sell" else ledger.bought).append(payment)


def _price(rest: Sequence[Word]) -> Quantity | None:
    for at, word in enumerate(rest):
        price = find_quantity(rest, at) if word.text in _PRICED_BY else None
        if price:
            return price
    return None
