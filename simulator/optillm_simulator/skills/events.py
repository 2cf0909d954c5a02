"""What happens in a story: amounts come, go, change hands, are doubled, shared out and packed."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from optillm_simulator.skills import trade
from optillm_simulator.skills.amounts import repeated, term_of
from optillm_simulator.skills.clauses import Clause, holder
from optillm_simulator.skills.language import singular
from optillm_simulator.skills.ledger import Deed, Ledger, Owner, is_money
from optillm_simulator.skills.lexicon import FACTORS, PRONOUNS
from optillm_simulator.skills.quantity import Quantity, find_quantity, text_at, thing_at
from optillm_simulator.skills.sums import Term

_GIVING = frozenset({"give", "hand", "lend"})
_ARRIVING = frozenset({"add", "arrive", "come", "join"})
_BETWEEN = frozenset({"among", "amongst", "between", "into", "in", "with"})


def change(ledger: Ledger, clause: Clause, quantity: Quantity) -> bool:
    """Read a clause in which an amount is held, gained or lost; return whether it was understood."""
    thing = (quantity.each or quantity).thing or ledger.thing
    amount = term_of(ledger, quantity, thing, clause.about)
    if amount is None:
        return False
    rest = clause.words[quantity.end :]
    deed = Deed(clause.verb.lemma, ledger.owner, thing, amount, clause.about)
    amount = repeated(ledger, clause, deed, rest)
    if amount is None:
        return True  # a rate, of use once its duration is known
    if not is_money(thing):
        ledger.thing = thing
    deed = replace(deed, amount=amount)
    ledger.deeds.append(deed)
    trade.pay(ledger, deed, rest)
    _move(ledger, clause, quantity, deed)
    return True


def _move(ledger: Ledger, clause: Clause, quantity: Quantity, deed: Deed) -> None:
    """Apply a deed to the piles."""
    owner, thing, amount, about = deed.owner, deed.thing, deed.amount, deed.about
    if clause.verb.act == "hold":
        _hold(ledger, clause, quantity, deed)
        return
    other = _other_side(ledger, clause, quantity)
    if clause.verb.act == "gain":
        added = quantity.added or clause.verb.lemma in _ARRIVING
        ledger.gain(owner, thing, amount, about, added=added)
        if other and ledger.find(other, thing):
            ledger.lose(other, thing, amount, about)
        return
    if not other or ledger.find(owner, thing) or clause.verb.lemma not in _GIVING:
        ledger.lose(owner, thing, amount, about)
    if other:
        ledger.gain(other, thing, amount, about, added=False)


def _hold(ledger: Ledger, clause: Clause, quantity: Quantity, deed: Deed) -> None:
    already = "already" in {word.text for word in clause.words}
    if already and ledger.find(deed.owner, deed.thing):
        ledger.gain(deed.owner, deed.thing, deed.amount, deed.about, added=False)
        return
    named, _ = thing_at(clause.words, clause.at + 1)
    part = bool(named) and quantity.start < clause.at  # "half of them are girls"
    ledger.set(deed.owner, named if part else deed.thing, deed.amount, part=part)


def _other_side(ledger: Ledger, clause: Clause, quantity: Quantity) -> Owner | None:
    """Return who else takes part: "gives Bob 5", "gives 5 to Bob", "receives 5 from Ann"."""
    between = clause.words[clause.at + 1 : quantity.start]
    if between and clause.verb.lemma in _GIVING | {"pay"}:
        name = holder(between)
        if name and name[0] in PRONOUNS:  # "her brother gave her 6": the person whom the story is about
            ledger.owner = ledger.owner_before
            return ledger.owner
        return name or None
    for at in range(quantity.end, len(clause.words) - 1):
        if clause.words[at].text in ("to", "from"):
            name = holder(clause.words[at + 1 : at + 3])
            has_pile = any(pile.owner == name for pile in ledger.piles)
            return name if name and (has_pile or clause.words[at + 1].shown.istitle()) else None
    return None


def last(ledger: Ledger, quantity: Quantity | None) -> bool:
    """Note how long something lasts: "works for 8 hours"."""
    if quantity and quantity.thing:
        ledger.lasting[quantity.thing[-1]] = quantity.number
    return True


def contents(ledger: Ledger, clause: Clause, quantity: Quantity) -> bool:
    """Read how much each of many holds ("Each box holds 12 pencils"); return whether it says so."""
    first = clause.subject[0].text if clause.subject else ""
    if clause.verb.act != "hold" or quantity.kind != "count" or first not in ("each", "every"):
        return False
    thing = quantity.thing or ledger.thing
    many = find_quantity(clause.subject)
    if many:  # "each of the 4 boxes holds 6 apples"
        ledger.set(ledger.owner, thing, ledger.sheet.do("*", many.number, quantity.number, clause.about))
        return True
    name = holder(clause.subject)
    box = singular(name[-1]) if name and name != ("each",) else ""
    piles = ledger.find(None, (box,) if box else ledger.thing)
    if piles:
        amount = ledger.sheet.do("*", piles[-1].amount, quantity.number, clause.about)
        ledger.set(piles[-1].owner, thing, amount)
    else:
        ledger.contents[box] = (quantity.number, thing)
    return True


def scale(ledger: Ledger, clause: Clause) -> bool:
    """Multiply or divide a pile ("She doubles her collection"); return whether there is one."""
    piles = ledger.find(ledger.owner, ()) or ledger.piles
    if not piles:
        return False
    pile, lemma = piles[-1], clause.verb.lemma
    factor = Fraction(FACTORS.get(lemma, 2))
    pile.amount = ledger.sheet.do("/" if lemma == "halve" else "*", pile.amount, factor, clause.about)
    return True


def divide(ledger: Ledger, clause: Clause) -> bool:
    """Share an amount out or pack it into boxes; return whether the clause was understood."""
    rest = clause.words[clause.at + 1 :]
    texts = [word.text for word in rest]
    cut = next((at for at, text in enumerate(texts) if text in _BETWEEN), len(texts))
    shared, by = find_quantity(rest[:cut]), find_quantity(rest, cut)
    if by is None:
        if shared is None or "each" not in texts:
            return shared is None
        box = singular(text_at(rest, texts.index("each") + 1))  # "puts 6 in each box"
        return _division(ledger, clause, None, shared.number, box)
    if by.each:  # "into 5 boxes of 6" leaves nothing to be worked out
        return False
    of_so_many = "of" in texts[cut : by.start]  # "into boxes of 6"
    return _division(ledger, clause, shared, by.number, singular(texts[by.start - 2]) if of_so_many else "")


def _division(ledger: Ledger, clause: Clause, shared: Quantity | None, by: Fraction, box: str) -> bool:
    whole = _divided(ledger, clause, shared)
    if whole is None:
        return False
    share = ledger.sheet.do("/", whole, by, clause.about)
    if box:
        ledger.packed = (share, box)
    else:
        ledger.shared = share
    return True


def _divided(ledger: Ledger, clause: Clause, shared: Quantity | None) -> Term | None:
    """Return what is shared out: the amount named, else what there is."""
    if shared and shared.kind == "count":
        return term_of(ledger, shared, shared.thing, clause.about)
    piles = ledger.find(ledger.owner, ledger.thing) or ledger.find(None, ledger.thing)
    return ledger.merge(piles, "Together").amount if piles else None
