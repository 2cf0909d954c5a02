"""A word problem read sentence by sentence into a ledger, and from there into a sum."""

from __future__ import annotations

from collections.abc import Sequence

from optillm_simulator.skills import events, trade
from optillm_simulator.skills.asking import answer_term, thing_asked
from optillm_simulator.skills.clauses import Clause, clauses, holder, question_at, verb_at
from optillm_simulator.skills.language import Word, number, sentences, words
from optillm_simulator.skills.ledger import Ledger, Owner, is_money
from optillm_simulator.skills.lexicon import PRONOUNS
from optillm_simulator.skills.quantity import Quantity, find_quantity, text_at
from optillm_simulator.skills.sums import Sum

_ONESELF = frozenset({"i", "you", "we"})


def read_story(text: str) -> Sum | None:
    """The sum that a word problem asks for; `None` when some amount in it is not understood."""
    reader = _Reader()
    asked: Sequence[Word] | None = None
    for sentence in sentences(text):
        told = words(sentence)
        cut = question_at(told)
        if cut is None:
            if not reader.statement(told):
                return None
            continue
        afterwards = _condition_at(told, cut)
        asked = told[cut:afterwards]
        reader.expect(asked)
        if not reader.statement(told[:cut]) or not reader.statement(told[afterwards:]):
            return None
    if not asked or not reader.settled():
        return None
    wanted = answer_term(asked, reader.ledger)
    return None if wanted is None else reader.ledger.sheet.finish(wanted)


def _condition_at(told: Sequence[Word], start: int) -> int:
    """Where a condition hangs on to the question: "… if he eats 2", "… after giving 3 away"."""
    for at in range(start, len(told)):
        if told[at].text in ("if", "after", "when", "once") and find_quantity(told, at):
            return at
    return len(told)


class _Reader:
    """Reads statements one after another; what each changes is written into the ledger."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.last: Clause | None = None
        self.waiting: list[tuple[Clause, Owner]] = []  # clauses that rest on something told later

    def statement(self, told: Sequence[Word]) -> bool:
        """Read one sentence; whether every amount in it found its place in a clause."""
        found = clauses(told, self.last)
        for clause in found:
            self.last = clause
            before = self.ledger.owner
            if not self.clause(clause):
                self.waiting.append((clause, before))
        return bool(found) or not any(number(word.text) is not None for word in told)

    def expect(self, asked: Sequence[Word]) -> None:
        """Let a question that stands first say whom and what the story is about."""
        if not self.ledger.piles and not self.ledger.deeds:
            self.ledger.thing = self.ledger.thing or thing_asked(asked)
            self.ledger.owner = self.ledger.owner or holder(asked[: verb_at(asked)])

    def settled(self) -> bool:
        """Read again what had to wait; whether all of it is understood by now."""
        while self.waiting:
            still = [one for one in self.waiting if not self.again(*one)]
            if len(still) == len(self.waiting):
                return False
            self.waiting = still
        return True

    def again(self, clause: Clause, owner: Owner) -> bool:
        """Read a clause once more, with those it spoke of in mind."""
        self.ledger.owner = owner
        return self.clause(clause)

    def clause(self, clause: Clause) -> bool:
        """Read one clause; whether it was understood."""
        ledger = self.ledger
        passive = _passive_subject(clause)
        quantity = passive or find_quantity(clause.words, clause.at + 1)
        ledger.owner_before = ledger.owner
        if not passive:
            ledger.owner = _owner(clause, ledger.owner)
        match clause.verb.act:
            case "scale":
                return events.scale(ledger, clause)
            case "share" | "pack":
                return events.divide(ledger, clause)
            case "cost":
                return trade.cost(ledger, clause, quantity)
            case "stay":
                return events.last(ledger, quantity)
        if quantity is None or trade.quoted(ledger, clause, quantity):
            return True
        if clause.verb.lemma == "be" and is_money(quantity.thing) and not passive:
            return trade.cost(ledger, clause, quantity)
        return events.contents(ledger, clause, quantity) or events.change(ledger, clause, quantity)


def _passive_subject(clause: Clause) -> Quantity | None:
    """The amount in the subject: "5 birds fly away", "half of them leave"."""
    if text_at(clause.words, 0) in ("each", "every", "a", "an") or clause.verb.act in ("cost", "scale"):
        return None
    return find_quantity(clause.subject)


def _owner(clause: Clause, last: Owner) -> Owner:
    name = holder(clause.subject)
    if not name or (name[0] in PRONOUNS | {"they", "each"} and name[0] not in _ONESELF):
        return last
    return name
