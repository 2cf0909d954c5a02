"""Answer the question at the end of a story from the ledger."""

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


def answer_term(question: Sequence[Word], ledger: Ledger) -> Term | None:
    """Return the term that answers a question, or `None` if the story does not settle it."""
    texts = [word.text for word in question]
    _apply_durations(question, ledger)
    thing = requested_thing(question)
    owners = _owners(question, ledger)
    if (
        len(texts) > 2 and texts[2] in ("more", "fewer", "less") and "than" in texts
    ) or "difference" in texts:
        return _difference(question, ledger, thing, owners)
    if {"each", "every", "apiece"} & set(texts) and ledger.shared is not None:
        return ledger.shared
    if ledger.packed and (ledger.packed[1] in {singular(word) for word in texts[:5]} or "each" in texts):
        return ledger.packed[0]
    if _about_money(texts, thing, ledger):
        return _money(question, ledger, owners)
    if ledger.shared is not None and not ledger.deeds:
        return ledger.shared
    return _count(question, ledger, thing, owners)


def requested_thing(question: Sequence[Word]) -> Thing:
    """Return the thing that is counted: red marbles for "How many red marbles …"."""
    for index, word in enumerate(question):
        if word.text == "many" or (
            word.text == "of" and question[index - 1].text in ("number", "amount", "total")
        ):
            start = index + 1
            while start < len(question) and question[start].text in ("more", "fewer", "total", "of", "the"):
                start += 1
            return thing_at(question, start)[0]
        if word.text == "much":
            return thing_at(question, index + 1)[0]
    return ()


def _owners(question: Sequence[Word], ledger: Ledger) -> list[Owner]:
    """Return the owners that the question names; empty for everybody or nobody in particular."""
    texts = [word.text for word in question]
    owners = dict.fromkeys([pile.owner for pile in ledger.piles] + [deed.owner for deed in ledger.deeds])
    named = [owner for owner in owners if owner and owner[-1] in texts]
    if named:
        return sorted(named, key=lambda owner: texts.index(owner[-1]))
    if EVERYONE & set(texts) or not any(word in PRONOUNS - {"it"} for word in texts):
        return []
    return [ledger.owner]


def _apply_durations(question: Sequence[Word], ledger: Ledger) -> None:
    """Turn rates whose duration the story or the question states into deeds."""
    for unit, rate in ledger.rates.items():
        duration = lasting(question, unit) or ledger.lasting.get(unit)
        if duration is not None:
            amount = ledger.sheet.do("*", rate.amount, duration, rate.about)
            ledger.deeds.append(Deed(rate.lemma, rate.owner, rate.thing, amount, rate.about))
            ledger.gain(rate.owner, rate.thing, amount, rate.about, added=False)


def _difference(question: Sequence[Word], ledger: Ledger, thing: Thing, owners: list[Owner]) -> Term | None:
    if len(owners) == 2:
        piles_of_owners = [ledger.find(owner, thing) for owner in owners]
        if not all(piles_of_owners):
            return None
        amounts = [ledger.merge(piles, "Together").amount for piles in piles_of_owners]
    else:
        things = [singular(word.text) for word in question]
        piles = [pile for pile in ledger.piles if set(pile.thing) & set(things)]
        if len(piles) != 2:
            return None
        piles.sort(key=lambda pile: min(things.index(word) for word in pile.thing if word in things))
        amounts = [pile.amount for pile in piles]
    if {"fewer", "less"} & {word.text for word in question}:
        amounts.reverse()
    return ledger.sheet.do("-", amounts[0], amounts[1], "The difference")


def _about_money(texts: Sequence[str], thing: Thing, ledger: Ledger) -> bool:
    if thing and not is_money(thing) and thing[-1] not in ("change", "profit"):
        return False
    if MONEY & {singular(word) for word in texts} or {"cost", "price", "bill", "change", "profit"} & set(
        texts
    ):
        return True
    moneyed = (
        any(is_money(pile.thing) for pile in ledger.piles) or ledger.bought or ledger.sold or ledger.prices
    )
    return "much" in texts and bool(moneyed)


def _money(question: Sequence[Word], ledger: Ledger, owners: list[Owner]) -> Term | None:
    texts = {word.text for word in question}
    spent = _spent(question, ledger, owners)
    income = _income(ledger)
    if "profit" in texts:
        return ledger.sheet.do("-", income, spent, "The profit") if income and spent else None
    if texts & _LEFT and not texts & _COST:
        return _left(ledger, owners)
    if texts & _COST or ("total" in texts and spent is not None):
        return spent
    if texts & _INCOME and income is not None:
        return income
    return _left(ledger, owners)


def _spent(question: Sequence[Word], ledger: Ledger, owners: list[Owner]) -> Term | None:
    wanted = _listed(question, ledger)
    if wanted:
        return ledger.total(ledger.priced(wanted), "The total cost")
    bought = [payment for payment in ledger.bought if not owners or payment.owner in owners] or ledger.bought
    costs = ledger.priced(bought)
    costs += [deed.amount for deed in ledger.deeds if is_money(deed.thing) and deed.lemma in ("spend", "pay")]
    if costs:
        return ledger.total(costs, "The total cost")
    named = [
        price for name, price in ledger.prices.items() if name in {singular(word.text) for word in question}
    ]
    if not named and len(ledger.prices) > 1:
        named = list(ledger.prices.values())
    held = [Payment((), pile.thing, pile.amount, "The cost") for pile in ledger.piles]
    return ledger.total(named or ledger.priced(held), "The total cost")


def _listed(question: Sequence[Word], ledger: Ledger) -> list[Payment]:
    """Return what the question itself wants priced: "How much do 5 apples and 2 pears cost?"."""
    payments: list[Payment] = []
    for index in range(len(question)):
        quantity = find_quantity(question[index:]) if number(question[index].text) is not None else None
        if quantity and quantity.thing and quantity.thing[-1] in ledger.prices:
            payments.append(
                Payment((), quantity.thing, quantity.number, f"The price of {quantity.thing[-1]}s")
            )
    return payments


def _income(ledger: Ledger) -> Term | None:
    earned = ledger.priced(ledger.sold)
    earned += [
        deed.amount
        for deed in ledger.deeds
        if is_money(deed.thing) and deed.lemma in ("earn", "make", "get", "pay")
    ]
    return ledger.total(earned, "All that comes in")


def _left(ledger: Ledger, owners: list[Owner]) -> Term | None:
    """Return the money in hand, less what was bought, plus what was sold."""
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


def _count(question: Sequence[Word], ledger: Ledger, thing: Thing, owners: list[Owner]) -> Term | None:
    at = verb_at(question)
    verb = VERBS[question[at].text] if at is not None else None
    if verb and verb.act != "hold":
        deeds = [deed for deed in ledger.deeds if deed.lemma == verb.lemma]
        deeds = [deed for deed in deeds if not owners or deed.owner in owners] or deeds
        if deeds:
            return ledger.total([deed.amount for deed in deeds], "In total")
    kinds = {singular(word.text) for word in question}
    parts = [pile for pile in ledger.piles if pile.part]
    if parts and not thing and (same := [pile for pile in parts if kinds & set(pile.thing)]):
        return same[0].amount
    whole = ledger.find(None, ())
    if parts and whole and not thing:  # "12 of the 30 are boys. How many are girls?"
        return ledger.sheet.do("-", whole[0].amount, parts[0].amount, "The others")
    if not owners and _LEFT & {word.text for word in question}:
        owners = [pile.owner for pile in ledger.find(None, thing)[:1]]
    piles = [pile for owner in owners for pile in ledger.find(owner, thing)] or ledger.find(None, thing)
    if piles:
        return ledger.total([pile.amount for pile in piles], "In total")
    for box, (inside, content) in ledger.contents.items():
        boxes = ledger.find(None, (box,))
        if boxes and (not thing or content[-1:] == thing[-1:]):
            return ledger.sheet.do("*", boxes[-1].amount, inside, f"Each {box} holds {inside}")
    return None
