"""The final answer of a reply: extracted, brought into canonical form, compared, clustered.

    >>> answer = extract("Adding up, the answer is **1,234** apples.", "How many apples?")
    >>> answer.kind, answer.value, answer.unit
    ('number', '1234', 'apple')

A reply is read in these steps; the first that finds an answer, or finds that there is none, decides (`reading`):

1. **Take the reply apart** (`extraction`). Reasoning, closing courtesies and fenced blocks leave the prose.
   "<think>…</think>4. Hope this helps!" is "4".
2. **A program, if one is asked for** (`programs`). "Write a function" is answered by the longest block.
3. **A statement** (`statements`): a box, "the answer is …", a marker such as "####". The last one counts, unless a
   correction follows. "Answer: 8. Wait, no. Answer: 9" is 9.
4. **A conclusion, relative to the question** (`relative`). `questions` and `expected` say what kind of answer is asked
   for; only that kind is looked for, in the last sentence and in earlier ones that repeat the question:
   - yes or no (`polarity`): "So 91 is not prime." is no;
   - an option (`chosen`, `choices`) or one of the alternatives named (`alternatives`): "It must be (B)." is B;
   - an amount (`asked_amounts`): "Tom has 18 marbles, so Anna has 12." is 12 if Anna's are asked for (`subjects`);
   - a date or time (`moments`), code (`snippets`), a formula or solutions (`formulas`);
   - what the last verb says of the question's subject (`predicates`): "The GCD of 20 and 5 is 5." is 5;
   - a name or a few words that the question lacks (`remainders`): "It was painted by Manet." is "Manet".
5. **A short last line**, if nothing was concluded (`reading`, `sentences`). "**Paris**" is "Paris".

What was found is brought into a canonical form (`forms`): a number with its unit (`quantities`, `units`), a bound, a
date (`dates`), a list or set (`lists`), an interval (`intervals`), algebra (`algebra`), or words (`texts`).

One rule holds in every step: **a value is read only if every word and sign around it is accounted for**, because it is
the question's or adds nothing (`accounting`, `question_words`, `vocabulary`, `languages`). Anything else stays words,
which costs one judge call; a word passed over would let different answers share a vote, which is far worse.

50% equals 0.5 and one half, not 50, unless the question asks for a percentage. Units and subjects are compared only
where both answers state one. Order matters in lists, not in sets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from optillm.toolkit.answers.choices import choice
from optillm.toolkit.answers.forms import LONGEST_JSON, Kind, form
from optillm.toolkit.answers.jsontext import canonical_json, parse_json
from optillm.toolkit.answers.questions import question_of
from optillm.toolkit.answers.reading import read_answer
from optillm.toolkit.answers.typography import peel
from optillm.toolkit.answers.units import conversion
from optillm.toolkit.thoughts import strip_reasoning

__all__ = [
    "FinalAnswer",
    "Kind",
    "canonical",
    "canonical_json",
    "clusters",
    "extract",
    "of_tool_calls",
    "resolved",
    "strip_reasoning",
]


@dataclass(frozen=True, slots=True)
class FinalAnswer:
    """What a reply answers.

    `text` is the answer as stated; `value` its canonical form, comparable within a `kind`. If stated, `unit` is the
    unit or currency in the singular, and `subject` the variable or the name that has the value.
    """

    text: str
    kind: Kind
    value: str
    unit: str | None = None
    subject: str | None = None

    @property
    def in_words(self) -> bool:
        """Return whether the answer was compared word by word; another wording may then mean the same."""
        return self.kind == "text"

    def matches(self, other: FinalAnswer) -> bool:
        """Return whether both mean the same; a unit or a subject counts only where both state one.

        For that reason it is not transitive: "5" matches "5 km" and "5 miles". `clusters` decides for a whole vote.
        """
        if self.kind != other.kind or (self.subject and other.subject and self.subject != other.subject):
            return False
        if self.unit is None or other.unit is None or self.unit == other.unit:
            return self.value == other.value
        if self.kind != "number":
            return False
        ratio = conversion(self.unit, other.unit)
        return ratio is not None and Fraction(self.value) * ratio == Fraction(other.value)


def extract(text: str, question: str = "", *, cut: bool = False) -> FinalAnswer | None:
    """Return the final answer of a reply; `None` if it is free-form.

    Without its leading reasoning block, in this order: the program if one is requested; the last statement in a
    box, after a phrase ("the answer is …") or behind a marker; the program that most of the reply consists of; the
    letter of a listed option; a short last line. In a reply that was `cut` off, only the statements count.
    """
    reading = read_answer(strip_reasoning(text).strip(), question_of(question), cut=cut)
    return None if reading is None else FinalAnswer(reading.text, *reading.form)


def canonical(stated: str, question: str = "") -> FinalAnswer:
    """Return the answer that `stated`, which holds nothing else, gives to `question`."""
    parsed = question_of(question)
    return FinalAnswer(peel(stated), *(choice(stated, parsed) or form(stated, parsed)))


_RATIONAL = re.compile(r"-?\d+(?:/\d+)?")


def resolved(answer: FinalAnswer, canonical: str | None) -> FinalAnswer:
    """Return `answer` with the canonical string of its expression (see `expressions`), if there is one.

    An expression with a rational value becomes a number, so that it matches those stated as numbers.
    """
    if canonical is None:
        return answer
    kind: Kind = "number" if _RATIONAL.fullmatch(canonical) else answer.kind
    return replace(answer, kind=kind, value=canonical)


def of_tool_calls(calls: Sequence[Mapping[str, Any]]) -> FinalAnswer:
    """Return the action of a turn: which tools it calls with which arguments, in any order."""
    lines = sorted(_call(call) for call in calls)
    text = "; ".join(f"{name}({arguments})" for name, arguments in lines)
    return FinalAnswer(text, "tools", "\n".join(f"{name} {arguments}" for name, arguments in lines))


def _call(call: Mapping[str, Any]) -> tuple[str, str]:
    function = call.get("function") or call.get("custom") or call
    arguments = function.get("arguments", function.get("input", "")) or {}
    if isinstance(arguments, str) and len(arguments) > LONGEST_JSON:
        return str(function.get("name", "")), arguments.strip()
    try:
        arguments = canonical_json(parse_json(arguments) if isinstance(arguments, str) else arguments)
    except ValueError:
        arguments = str(arguments).strip()
    return str(function.get("name", "")), arguments


def clusters(answers: Sequence[FinalAnswer | None]) -> list[list[int]]:
    """Return the indexes of equal answers together, the largest cluster first, then the earliest.

    Two answers belong together if they match each other and the same others: beside "5 km" and "5 miles" a bare "5"
    could be either, and so is neither. `None` stays alone: free-form replies agree with nobody.
    """
    by_statement: dict[tuple[str, ...], list[int]] = {}
    for index, answer in enumerate(answers):
        key = ("", str(index)) if answer is None else _statement(answer)
        by_statement.setdefault(key, []).append(index)
    distinct = [answers[indexes[0]] for indexes in by_statement.values()]
    by_matches: dict[frozenset[int], list[int]] = {}
    for number, (answer, indexes) in enumerate(zip(distinct, by_statement.values(), strict=True)):
        matching = {
            other for other, rival in enumerate(distinct) if answer and rival and answer.matches(rival)
        }
        by_matches.setdefault(frozenset(matching | {number}), []).extend(indexes)
    return sorted(map(sorted, by_matches.values()), key=lambda cluster: (-len(cluster), cluster[0]))


def _statement(answer: FinalAnswer) -> tuple[str, ...]:
    return answer.kind, answer.value, answer.unit or "", answer.subject or ""
