"""The question at the end of a story: which term of the ledger answers it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from optillm_simulator.skills.amounts import lasting
from optillm_simulator.skills.clauses import verb_at
from optillm_simulator.skills.language import MONEY, Word, number, singular
from optillm_simulator.skills.ledger import Deed, Ledger, Owner, Payment, is_money
from optillm_simulator.skills.lexicon import EVERYONE, PRONOUNS, VERBS
from optillm_simulator.skills.quantity import Thing, find_quantity, thing_at
from optillm_simulator.skills.sums import Term
from optillm_simulator.vocabulary import vocabulary

_LEFT = vocabulary("left remain remains remaining change now still over")
_COST = frozenset(
    ["cost", "costs", "spend", "spent", "pay", "paid", "price", "bill", "pays", "spends", "owe"]
)
_INCOME = frozenset(
    ["earn", "earns", "earned", "make", "makes", "made", "raise", "revenue", "receive", "take"]
)


def answer_term(asked: Sequence[Word], ledger: Ledger) -> Term | None:
    """The term that answers a question, or `None` when the story does not settle it."""
    told = [word.text for word in asked]
    _apply_durations(asked, ledger)
    thing = thing_asked(asked)
    owners = _owners(asked, ledger)
    if (len(told) > 2 and told[2] in ("more", "fewer", "less") and "than" in told) or "difference" in told:
        return _difference(asked, ledger, thing, owners)
    if {"each", "every", "apiece"} & set(told) and ledger.shared is not None:
        return ledger.shared
    if ledger.packed and (ledger.packed[1] in {singular(word) for word in told[:5]} or "each" in told):
        return ledger.packed[0]
    if _about_money(told, thing, ledger):
        return _money(asked, ledger, owners)
    if ledger.shared is not None and not ledger.deeds:
        return ledger.shared
    return _count(asked, ledger, thing, owners)


def thing_asked(asked: Sequence[Word]) -> Thing:
    """ "How many red marbles …" asks for red marbles, "the total number of marbles" for marbles."""
    for at, word in enumerate(asked):
        if word.text == "many" or (word.text == "of" and asked[at - 1].text in ("number", "amount", "total")):
            start = at + 1
            while start < len(asked) and asked[start].text in ("more", "fewer", "total", "of", "the"):
                start += 1
            return thing_at(asked, start)[0]
        if word.text == "much":
            return thing_at(asked, at + 1)[0]
    return ()


def _owners(asked: Sequence[Word], ledger: Ledger) -> list[Owner]:
    """Those whom the question names; empty for everybody or nobody in particular."""
    told = [word.text for word in asked]
    known = dict.fromkeys([pile.owner for pile in ledger.piles] + [deed.owner for deed in ledger.deeds])
    named = [owner for owner in known if owner and owner[-1] in told]
    if named:
        return sorted(named, key=lambda owner: told.index(owner[-1]))
    if EVERYONE & set(told) or not any(word in PRONOUNS - {"it"} for word in told):
        return []
    return [ledger.owner]


def _apply_durations(asked: Sequence[Word], ledger: Ledger) -> None:
    """Rates whose duration is known by now, from the story or from the question, become deeds."""
    for unit, rate in ledger.rates.items():
        duration = lasting(asked, unit) or ledger.lasting.get(unit)
        if duration is not None:
            amount = ledger.sheet.do("*", rate.amount, duration, rate.about)
            ledger.deeds.append(Deed(rate.lemma, rate.owner, rate.thing, amount, rate.about))
            ledger.gain(rate.owner, rate.thing, amount, rate.about, added=False)


def _difference(asked: Sequence[Word], ledger: Ledger, thing: Thing, owners: list[Owner]) -> Term | None:
    if len(owners) == 2:
        found = [ledger.find(owner, thing) for owner in owners]
        if not all(found):
            return None
        amounts = [ledger.merge(piles, "Together").amount for piles in found]
    else:
        things = [singular(word.text) for word in asked]
        piles = [pile for pile in ledger.piles if set(pile.thing) & set(things)]
        if len(piles) != 2:
            return None
        piles.sort(key=lambda pile: min(things.index(word) for word in pile.thing if word in things))
        amounts = [pile.amount for pile in piles]
    if "fewer" in (told := {word.text for word in asked}) or "less" in told:
        amounts.reverse()
    return ledger.sheet.do("-", amounts[0], amounts[1], "The difference")


def _about_money(told: Sequence[str], thing: Thing, ledger: Ledger) -> bool:
    if thing and not is_money(thing) and thing[-1] not in ("change", "profit"):
        return False
    if MONEY & {singular(word) for word in told} or {"cost", "price", "bill", "change", "profit"} & set(told):
        return True
    moneyed = (
        any(is_money(pile.thing) for pile in ledger.piles) or ledger.bought or ledger.sold or ledger.prices
    )
    return "much" in told and bool(moneyed)


def _money(asked: Sequence[Word], ledger: Ledger, owners: list[Owner]) -> Term | None:
    told = {word.text for word in asked}
    spent = _spent(asked, ledger, owners)
    income = _income(ledger)
    if "profit" in told:
        return ledger.sheet.do("-", income, spent, "The profit") if income and spent else None
    if told & _LEFT and not told & _COST:
        return _left(ledger, owners)
    if told & _COST or ("total" in told and spent is not None):
        return spent
    if told & _INCOME and income is not None:
        return income
    return _left(ledger, owners)


def _spent(asked: Sequence[Word], ledger: Ledger, owners: list[Owner]) -> Term | None:
    wanted = _listed(asked, ledger)
    if wanted:
        return ledger.total(ledger.priced(wanted), "The total cost")
    bought = [one for one in ledger.bought if not owners or one.owner in owners] or ledger.bought
    costs = ledger.priced(bought)
    costs += [deed.amount for deed in ledger.deeds if is_money(deed.thing) and deed.lemma in ("spend", "pay")]
    if costs:
        return ledger.total(costs, "The total cost")
    named = [
        price for name, price in ledger.prices.items() if name in {singular(word.text) for word in asked}
    ]
    if not named and len(ledger.prices) > 1:
        named = list(ledger.prices.values())
    held = [Payment((), pile.thing, pile.amount, "The cost") for pile in ledger.piles]
    return ledger.total(named or ledger.priced(held), "The total cost")


def _listed(asked: Sequence[Word], ledger: Ledger) -> list[Payment]:
    """ "How much do 5 apples and 2 pears cost?": what the question itself wants priced."""
    found: list[Payment] = []
    for at in range(len(asked)):
        quantity = find_quantity(asked[at:]) if number(asked[at].text) is not None else None
        if quantity and quantity.thing and quantity.thing[-1] in ledger.prices:
            found.append(Payment((), quantity.thing, quantity.number, f"The price of {quantity.thing[-1]}s"))
    return found


def _income(ledger: Ledger) -> Term | None:
    earned = ledger.priced(ledger.sold)
    earned += [
        deed.amount
        for deed in ledger.deeds
        if is_money(deed.thing) and deed.lemma in ("earn", "make", "get", "pay")
    ]
    return ledger.total(earned, "All that comes in")


def _left(ledger: Ledger, owners: list[Owner]) -> Term | None:
    """Money in hand, less what was bought, and with what was sold."""
    piles = [pile for pile in ledger.piles if is_money(pile.thing) and (not owners or pile.owner in owners)]
    piles = piles or [pile for pile in ledger.piles if is_money(pile.thing)]
    sold = ledger.total(ledger.priced(ledger.sold), "All that comes in")
    if not piles and sold is None:
        return None
    have = ledger.merge(piles, "Together").amount if piles else Fraction(0)
    if sold is not None:
        have = ledger.sheet.do("+", have, sold, "With what comes in") if piles else sold
    spent = ledger.total(ledger.priced(ledger.bought), "The total cost")
    return have if spent is None else ledger.sheet.do("-", have, spent, "What is left")


def _count(asked: Sequence[Word], ledger: Ledger, thing: Thing, owners: list[Owner]) -> Term | None:
    at = verb_at(asked)
    verb = VERBS[asked[at].text] if at is not None else None
    if verb and verb.act != "hold":
        deeds = [deed for deed in ledger.deeds if deed.lemma == verb.lemma]
        deeds = [deed for deed in deeds if not owners or deed.owner in owners] or deeds
        if deeds:
            return ledger.total([deed.amount for deed in deeds], "In total")
    kinds = {singular(word.text) for word in asked}
    parts = [pile for pile in ledger.piles if pile.part]
    if parts and not thing and (same := [pile for pile in parts if kinds & set(pile.thing)]):
        return same[0].amount
    whole = ledger.find(None, ())
    if parts and whole and not thing:  # "12 of the 30 are boys. How many are girls?"
        return ledger.sheet.do("-", whole[0].amount, parts[0].amount, "The others")
    if not owners and _LEFT & {word.text for word in asked}:
        owners = [pile.owner for pile in ledger.find(None, thing)[:1]]
    found = [pile for owner in owners for pile in ledger.find(owner, thing)] or ledger.find(None, thing)
    if found:
        return ledger.total([pile.amount for pile in found], "In total")
    for box, (inside, content) in ledger.contents.items():
        boxes = ledger.find(None, (box,))
        if boxes and (not thing or content[-1:] == thing[-1:]):
            return ledger.sheet.do("*", boxes[-1].amount, inside, f"Each {box} holds {inside}")
    return None
