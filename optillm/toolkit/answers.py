"""The final answer of a reply: found, put into canonical form, compared, clustered.

    >>> answer = extract("Adding up, the answer is **1,234** apples.", "How many apples?")
    >>> answer.kind, answer.value, answer.unit
    ('number', '1234', 'apple')

Decisions: 50% equals 0.5 and one half, not 50, unless the question asks for a percentage. Units and currencies
are compared only when both answers state one. "x = 5" is 5. Order matters in lists, not in sets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from optillm.toolkit.forms import LONGEST_JSON, Kind, form
from optillm.toolkit.jsontext import canonical_json, parse_json
from optillm.toolkit.questions import Question
from optillm.toolkit.reading import read_answer
from optillm.toolkit.thoughts import strip_reasoning
from optillm.toolkit.typography import peel

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

    `text` is the answer as stated; `value` its canonical form, comparable within a `kind`; `unit` the unit or
    currency it was stated in, in the singular, when there was one.
    """

    text: str
    kind: Kind
    value: str
    unit: str | None = None

    def matches(self, other: FinalAnswer) -> bool:
        """Whether both say the same. Not transitive where units are missing: compare with a leader."""
        if (self.kind, self.value) != (other.kind, other.value):
            return False
        return self.unit is None or other.unit is None or self.unit == other.unit


def extract(text: str, question: str = "") -> FinalAnswer | None:
    """The final answer of a reply; `None` when it is free-form.

    Without its leading reasoning block, in this order, and always the last of its kind: the program where
    one is asked for, `\\boxed{…}`, an explicit statement ("the answer is …"), the program that most of the
    reply consists of, the letter of a listed option, a short last line.
    """
    found = read_answer(strip_reasoning(text).strip(), Question(question))
    return None if found is None else FinalAnswer(found.text, *found.form)


def canonical(stated: str, question: str = "") -> FinalAnswer:
    """The answer that `stated`, which holds nothing else, gives to `question`."""
    return FinalAnswer(peel(stated), *form(stated, Question(question)))


_RATIONAL = re.compile(r"-?\d+(?:/\d+)?")


def resolved(answer: FinalAnswer, canonical: str | None) -> FinalAnswer:
    """`answer` with the canonical string of its expression (see `expressions`); itself when there is none.

    An expression with a rational value becomes a number, so that it matches those stated as numbers.
    """
    if canonical is None:
        return answer
    kind: Kind = "number" if _RATIONAL.fullmatch(canonical) else answer.kind
    return replace(answer, kind=kind, value=canonical)


def of_tool_calls(calls: Sequence[Mapping[str, Any]]) -> FinalAnswer:
    """The action a turn takes: which tools it calls with which arguments, in whatever order."""
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
    """The places of equal answers together, the biggest cluster first, of equals the earliest.

    An answer joins the first cluster whose earliest member it matches. `None` is alone: free-form replies
    agree with nobody.
    """
    found: list[list[int]] = []
    for place, answer in enumerate(answers):
        cluster = None if answer is None else _home(answer, answers, found)
        if cluster is None:
            found.append([place])
        else:
            cluster.append(place)
    return sorted(found, key=lambda cluster: (-len(cluster), cluster[0]))


def _home(
    answer: FinalAnswer, answers: Sequence[FinalAnswer | None], found: Sequence[list[int]]
) -> list[int] | None:
    for cluster in found:
        leader = answers[cluster[0]]
        if leader is not None and leader.matches(answer):
            return cluster
    return None
