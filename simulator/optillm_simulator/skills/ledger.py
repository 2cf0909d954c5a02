"""The state of a story: who holds how much of what, what was done, what things cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from optillm_simulator.skills.language import MONEY
from optillm_simulator.skills.quantity import Thing
from optillm_simulator.skills.sums import Result, Sheet, Term

Owner = tuple[str, ...]


@dataclass(slots=True)
class Pile:
    """An amount of a thing that one owner holds.

    `part`: another pile contains it as well ("12 of them are boys").
    """

    owner: Owner
    thing: Thing
    amount: Term
    part: bool = False


@dataclass(frozen=True, slots=True)
class Deed:
    """Something done with an amount: "read 12 pages", "sold 5 cakes"."""

    lemma: str
    owner: Owner
    thing: Thing
    amount: Term
    about: str


@dataclass(slots=True)
class Payment:
    """Money owed or due for an amount of things; `each` or `total` is the price if it was stated."""

    owner: Owner
    thing: Thing
    amount: Term
    about: str
    each: Term | None = None
    total: Term | None = None


@dataclass(slots=True)
class Ledger:
    """The state of a story.

    `sheet` collects the steps behind the amounts; `contents` is what one box holds; `rates` are amounts per unit of
    time and `lasting` the time, as far as stated; `shared` and `packed` are the last division, `packed` with the box;
    `owner` and `thing` are what "he" and "them" refer to.
    """

    sheet: Sheet = field(default_factory=Sheet)
    piles: list[Pile] = field(default_factory=list)
    deeds: list[Deed] = field(default_factory=list)
    prices: dict[str, Term] = field(default_factory=dict)
    bought: list[Payment] = field(default_factory=list)
    sold: list[Payment] = field(default_factory=list)
    contents: dict[str, tuple[Fraction, Thing]] = field(default_factory=dict)
    rates: dict[str, Deed] = field(default_factory=dict)
    lasting: dict[str, Fraction] = field(default_factory=dict)
    shared: Term | None = None
    packed: tuple[Term, str] | None = None
    owner: Owner = ()
    owner_before: Owner = ()
    thing: Thing = ()

    def find(self, owner: Owner | None, thing: Thing) -> list[Pile]:
        """Return an owner's piles (anybody's for `None`) that a name for a thing covers."""
        owned = [pile for pile in self.piles if owner is None or pile.owner == owner]
        owned = [pile for pile in owned if not pile.part or set(thing) & set(pile.thing)]
        exact = [pile for pile in owned if set(thing) <= set(pile.thing)]
        if exact or not thing:
            return exact
        return [pile for pile in owned if pile.thing[-1:] == thing[-1:]]

    def set(self, owner: Owner, thing: Thing, amount: Term, *, part: bool = False) -> None:
        """Replace how much there is of a thing."""
        self.piles = [pile for pile in self.piles if (pile.owner, pile.thing) != (owner, thing)]
        self.piles.append(Pile(owner, thing, amount, part))

    def merge(self, piles: Sequence[Pile], about: str) -> Pile:
        """Return one pile out of several, added up step by step."""
        first, *others = piles
        for other in others:
            first.amount = self.sheet.do("+", first.amount, other.amount, about)
            self.piles.remove(other)
        if others:
            first.thing = first.thing[-1:]
        return first

    def gain(self, owner: Owner, thing: Thing, amount: Term, about: str, *, added: bool) -> None:
        """Add to the owner's pile; with `added`, to somebody else's if the owner has none."""
        piles = self.find(owner, thing) or (self.find(None, thing)[-1:] if added else [])
        exact = [pile for pile in piles if pile.thing == thing] or piles
        if not exact:
            self.piles.append(Pile(owner, thing, amount))
            return
        pile = exact[-1]
        pile.amount = self.sheet.do("+", pile.amount, amount, "With these" if _worked(amount) else about)

    def lose(self, owner: Owner, thing: Thing, amount: Term, about: str) -> None:
        """Take an amount off the owner's pile, or off whatever pile of the thing there is."""
        piles = self.find(owner, thing) or self.find(None, thing)[-1:]
        if piles:
            pile = self.merge(piles, "Together")
            pile.amount = self.sheet.do(
                "-", pile.amount, amount, "Without these" if _worked(amount) else about
            )

    def total(self, terms: Sequence[Term], about: str) -> Term | None:
        """Return the sum of the terms; `None` if there are none."""
        if not terms:
            return None
        sum_, *others = terms
        for term in others:
            sum_ = self.sheet.do("+", sum_, term, about)
        return sum_

    def price(self, payment: Payment) -> Term | None:
        """Return what a payment comes to, or `None` while no price is known."""
        if payment.total is not None:
            return payment.total
        each = payment.each or next(
            (self.prices[word] for word in payment.thing if word in self.prices), None
        )
        if each is None:
            return None
        return each if payment.amount == 1 else self.sheet.do("*", payment.amount, each, payment.about)

    def priced(self, payments: Sequence[Payment]) -> list[Term]:
        """Return what the payments come to, leaving out those without a price."""
        return [cost for payment in payments if (cost := self.price(payment)) is not None]


def _worked(amount: Term) -> bool:
    """Return whether an earlier step says where the amount comes from."""
    return isinstance(amount, Result)


def is_money(thing: Thing) -> bool:
    """Return whether a thing is money."""
    return bool(thing) and thing[-1] in MONEY
