"""Read a word problem sentence by sentence into a ledger, and turn it into a sum."""

from __future__ import annotations

from collections.abc import Sequence

from optillm_simulator.skills import events, trade
from optillm_simulator.skills.asking import answer_term, requested_thing
from optillm_simulator.skills.clauses import Clause, clauses, holder, question_at, verb_at
from optillm_simulator.skills.language import Word, number, sentences, words
from optillm_simulator.skills.ledger import Ledger, Owner, is_money
from optillm_simulator.skills.lexicon import PRONOUNS
from optillm_simulator.skills.quantity import Quantity, find_quantity, text_at
from optillm_simulator.skills.sums import Sum

_ONESELF = frozenset({"i", "you", "we"})


def read_story(text: str) -> Sum | None:
    """Return the sum that a word problem asks for; `None` if some amount in it is not understood."""
    reader = _Reader()
    question: Sequence[Word] | None = None
    for sentence in sentences(text):
        sentence_words = words(sentence)
        cut = question_at(sentence_words)
        if cut is None:
            if not reader.statement(sentence_words):
                return None
            continue
        afterwards = _condition_at(sentence_words, cut)
        question = sentence_words[cut:afterwards]
        reader.expect(question)
        if not reader.statement(sentence_words[:cut]) or not reader.statement(sentence_words[afterwards:]):
            return None
    if not question or not reader.settled():
        return None
    wanted = answer_term(question, reader.ledger)
    return None if wanted is None else reader.ledger.sheet.finish(wanted)


def _condition_at(words: Sequence[Word], start: int) -> int:
    """Return where a condition follows the question: "… if he eats 2", "… after giving 3 away"."""
    for index in range(start, len(words)):
        if words[index].text in ("if", "after", "when", "once") and find_quantity(words, index):
            return index
    return len(words)


class _Reader:
    """Reads statements one after another and writes their effects into the ledger."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.last: Clause | None = None
        self.waiting: list[tuple[Clause, Owner]] = []  # clauses that depend on later ones

    def statement(self, sentence: Sequence[Word]) -> bool:
        """Read one sentence; return whether every amount in it belongs to a clause."""
        sentence_clauses = clauses(sentence, self.last)
        for clause in sentence_clauses:
            self.last = clause
            before = self.ledger.owner
            if not self.clause(clause):
                self.waiting.append((clause, before))
        return bool(sentence_clauses) or not any(number(word.text) is not None for word in sentence)

    def expect(self, question: Sequence[Word]) -> None:
        """Let a question that stands first say whom and what the story is about."""
        if not self.ledger.piles and not self.ledger.deeds:
            self.ledger.thing = self.ledger.thing or requested_thing(question)
            self.ledger.owner = self.ledger.owner or holder(question[: verb_at(question)])

    def settled(self) -> bool:
        """Read again what had to wait; return whether everything is understood now."""
        while self.waiting:
            still = [entry for entry in self.waiting if not self.again(*entry)]
            if len(still) == len(self.waiting):
                return False
            self.waiting = still
        return True

    def again(self, clause: Clause, owner: Owner) -> bool:
        """Read a clause once more, with the owner it referred to."""
        self.ledger.owner = owner
        return self.clause(clause)

    def clause(self, clause: Clause) -> bool:
        """Read one clause; return whether it was understood."""
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
    """Return the amount in the subject: "5 birds fly away", "half of them leave"."""
    if text_at(clause.words, 0) in ("each", "every", "a", "an") or clause.verb.act in ("cost", "scale"):
        return None
    return find_quantity(clause.subject)


def _owner(clause: Clause, last: Owner) -> Owner:
    name = holder(clause.subject)
    if not name or (name[0] in PRONOUNS | {"they", "each"} and name[0] not in _ONESELF):
        return last
    return name
