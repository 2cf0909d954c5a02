"""Cut a sentence of a story into clauses, each with its subject, its verb and the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optillm_simulator.skills.language import Word, as_written, number
from optillm_simulator.skills.lexicon import (
    ADVERBS,
    AUXILIARIES,
    DETERMINERS,
    MORE,
    NOUNISH,
    PREPOSITIONS,
    PRONOUNS,
    VERBS,
    Verb,
)
from optillm_simulator.skills.quantity import find_quantity, text_at
from optillm_simulator.vocabulary import vocabulary

_JOINTS = vocabulary("and but then while which who , ; - —")
_QUESTION_WORDS = vocabulary("many much far long")
_OPENERS = vocabulary("if suppose when then and so that")
_TRANSPARENT = vocabulary("is are was were be been being has have had")
_PASSIVE_GIFTS = vocabulary("given paid handed")


@dataclass(frozen=True, slots=True)
class Clause:
    """One statement: `words` with the verb at index `at`; the subject stands before it."""

    words: Sequence[Word]
    at: int
    verb: Verb

    @property
    def subject(self) -> Sequence[Word]:
        """Return the words before the verb."""
        return self.words[: self.at]

    @property
    def about(self) -> str:
        """Return the clause as it was put."""
        return as_written(self.words)


def question_at(words: Sequence[Word]) -> int | None:
    """Return where the question begins in a sentence that asks for an amount."""
    for at in range(len(words)):
        text, after = words[at].text, text_at(words, at + 1)
        if text == "how" and after in _QUESTION_WORDS:
            return at
        if text in ("what", "what's") and _asks_for_amount(words[at:]):
            return at
        if at == 0 and text in ("find", "calculate", "determine") and _asks_for_amount(words):
            return at
    return None


def _asks_for_amount(words: Sequence[Word]) -> bool:
    texts = {word.text for word in words}
    return bool(
        texts & {"total", "cost", "price", "number", "change", "difference", "profit", "amount", "bill"}
    )


def clauses(words: Sequence[Word], last: Clause | None) -> list[Clause]:
    """Return the clauses of a sentence. One without a verb takes over the verb before it ("and 3 pens")."""
    complete: list[Clause] = []
    waiting: list[Word] = []
    for fragment in _fragments(words):
        at = verb_at(fragment)
        previous = complete[-1] if complete else last
        if at is not None:
            clause = _complete(waiting + fragment, len(waiting) + at, previous)
            complete.append(clause)
            waiting = []
        elif previous and complete and find_quantity(fragment) and not waiting:
            complete.append(_elliptical(fragment, previous))
        else:
            waiting += fragment
    if waiting and complete and not find_quantity(waiting):
        complete[-1] = Clause([*complete[-1].words, *waiting], complete[-1].at, complete[-1].verb)
    return complete


def _fragments(words: Sequence[Word]) -> list[list[Word]]:
    pieces: list[list[Word]] = [[]]
    for index, word in enumerate(words):
        inside = word.text == "-" or (word.text == "," and _each_follows(words, index))
        if word.text in _JOINTS and not inside:
            pieces.append([])
        elif word.text not in ".?!:\"'()" and not (word.text in _OPENERS and not pieces[-1]):
            pieces[-1].append(word)
    return [piece for piece in pieces if piece]


def _each_follows(words: Sequence[Word], index: int) -> bool:
    """Return whether "each with" follows: "5 bags, each with 12 marbles" is one fragment."""
    return text_at(words, index + 1) == "each" and text_at(words, index + 2) in (
        "with",
        "containing",
        "holding",
    )


def verb_at(words: Sequence[Word]) -> int | None:
    """Return where the verb stands that says what happens, passing over auxiliaries."""
    first: int | None = None
    for at, word in enumerate(words):
        if word.text not in VERBS or _is_noun(words, at):
            continue
        if first is not None and not all(one.text in AUXILIARIES | ADVERBS for one in words[first:at]):
            break
        if first is not None and words[at].text == "left":  # "there are left": still the first verb
            break
        first = at
        if word.text not in _TRANSPARENT:
            break
    return first


def _is_noun(words: Sequence[Word], at: int) -> bool:
    before = text_at(words, at - 1)
    named = before in DETERMINERS | MORE or number(before) is not None
    return words[at].text in NOUNISH and (named or text_at(words, at + 1) in VERBS)


def _complete(words: Sequence[Word], at: int, previous: Clause | None) -> Clause:
    verb = VERBS[words[at].text]
    if words[at].text in _PASSIVE_GIFTS and text_at(words, at - 1) in _TRANSPARENT:
        if not find_quantity(words[:at]):  # "Tom is given 5", but "5 are given away"
            verb = Verb("gain", verb.lemma)
    elif verb.lemma == "get" and "off" in {word.text for word in words[at : at + 3]}:
        verb = Verb("lose", "leave")
    elif verb.lemma == "get" and text_at(words, at + 1) in VERBS:  # "get lost", "get broken"
        verb = VERBS[words[at + 1].text]
    elif verb.lemma in ("pay", "order") and text_at(words, at - 1) == "is":
        verb = Verb("gain", verb.lemma)
    subject = [word for word in words[:at] if word.text not in AUXILIARIES]
    if not subject and previous:
        subject = [word for word in previous.subject if not find_quantity([word])]
    return Clause([*subject, *words[at:]], len(subject), verb)


def _elliptical(words: Sequence[Word], previous: Clause) -> Clause:
    verb = previous.words[previous.at]
    return Clause([*previous.subject, verb, *words], len(previous.subject), previous.verb)


def holder(words: Sequence[Word]) -> tuple[str, ...]:
    """Return whom a subject names, without articles and without what stands before the name.

    "Later that day, his aunt" names the aunt.
    """
    name: list[str] = []
    for word in reversed(words):
        text = word.text
        if not name and (text in PRONOUNS or text in ("they", "there", "each") or word.shown.istitle()):
            return (text,)
        if text in DETERMINERS or text.endswith("'s"):
            break
        if text in ADVERBS:
            continue
        name = [] if text in PREPOSITIONS or not text.isalpha() else [text, *name]
    return tuple(name)
