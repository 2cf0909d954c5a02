"""Scorers that compare what a reply states with the answers of its question.

Any of several answers will do.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from optillm.evals.questions import OPTIONS, Question
from optillm.evals.scorers.contract import NO_ANSWER, Mark, Tools
from optillm.toolkit.answers import FinalAnswer, canonical, extract, resolved, strip_reasoning

_NUMBER: Final = re.compile(r"[-+−]?(?:\d[\d,]*)?\.?\d+(?:[eE][-+]?\d+)?")


def _plain(text: str) -> str:
    """Return a text without its reasoning, blanks around it and accidents of encoding."""
    return unicodedata.normalize("NFC", strip_reasoning(text)).strip()


@dataclass(frozen=True, slots=True)
class Auto:
    """The final answer means the same as one of the question's answers.

    It may be a number in any notation, an expression, a choice, a list or words. Where a number is asked for and the
    reply states none as its answer, its last number counts.
    """

    def problem(self, question: Question) -> str | None:
        """Return why a question cannot be scored."""
        return None if question.answers else NO_ANSWER

    async def score(self, question: Question, reply: str, tools: Tools) -> Mark:
        """Compare the final answer of a reply with each right answer."""
        answer = extract(reply, question.text)
        text = _plain(reply).casefold()
        for right in question.answers:
            if text == _plain(right).casefold():
                return Mark.of(True)
            expected = canonical(right, question.text)
            if answer is None:
                equal = expected.kind == "number" and number(reply, question.text) == Fraction(expected.value)
            else:
                equal = await _equal(answer, expected, tools)
            if equal:
                return Mark.of(True)
        return Mark.of(False)


async def _equal(answer: FinalAnswer, expected: FinalAnswer, tools: Tools) -> bool:
    if answer.matches(expected):
        return True
    if "expression" not in (answer.kind, expected.kind):
        return False
    return (await _resolved(answer, tools)).matches(await _resolved(expected, tools))


async def _resolved(answer: FinalAnswer, tools: Tools) -> FinalAnswer:
    if answer.kind != "expression":
        return answer
    return resolved(answer, await tools.canonical(answer.value))


@dataclass(frozen=True, slots=True)
class Exact:
    """The whole reply is the answer, but for blanks around it."""

    def problem(self, question: Question) -> str | None:
        """Return why a question cannot be scored."""
        return None if question.answers else NO_ANSWER

    async def score(self, question: Question, reply: str, tools: Tools) -> Mark:  # noqa: ARG002
        """Compare the whole reply with each right answer."""
        return Mark.of(_plain(reply) in map(_plain, question.answers))


@dataclass(frozen=True, slots=True)
class Numeric:
    """The final answer is a number no further than `tolerance` from the right one.

    `relative`: the tolerance is a share of the right number.
    """

    tolerance: float = 1e-6
    relative: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no tolerance."""
        if (
            isinstance(self.tolerance, bool)
            or not isinstance(self.tolerance, int | float)
            or self.tolerance < 0
        ):
            raise ValueError(f"numeric: the tolerance {self.tolerance!r} is no number from 0 up")

    def problem(self, question: Question) -> str | None:
        """Return why a question cannot be scored."""
        if not question.answers:
            return NO_ANSWER
        others = [right for right in question.answers if number(right, question.text) is None]
        return f"the answer {others[0]!r} is no number" if others else None

    async def score(self, question: Question, reply: str, tools: Tools) -> Mark:  # noqa: ARG002
        """Compare the number that a reply ends with."""
        value = number(reply, question.text)
        return Mark.of(
            value is not None and any(self._near(value, right) for right in self._rights(question))
        )

    def _rights(self, question: Question) -> Sequence[Fraction]:
        numbers = (number(right, question.text) for right in question.answers)
        return [value for value in numbers if value is not None]

    def _near(self, value: Fraction, right: Fraction) -> bool:
        scale = abs(right) if self.relative else 1
        return abs(value - right) <= Fraction(self.tolerance) * scale


def number(text: str, question: str) -> Fraction | None:
    """Return the number that a text states as its answer, else its last number, else `None`."""
    stated = extract(text, question) or canonical(text, question)
    if stated.kind == "number":
        return Fraction(stated.value)
    written = _NUMBER.findall(strip_reasoning(text))
    return Fraction(written[-1].replace(",", "").replace("−", "-")) if written else None


@dataclass(frozen=True, slots=True)
class Choice:
    """The final answer is the letter of the right option, or the option itself."""

    def problem(self, question: Question) -> str | None:
        """Return why a question cannot be scored."""
        if not question.answers:
            return NO_ANSWER
        others = [right for right in question.answers if len(right) != 1 or right.upper() not in OPTIONS]
        return f"the answer {others[0]!r} is no letter of an option" if others else None

    async def score(self, question: Question, reply: str, tools: Tools) -> Mark:  # noqa: ARG002
        """Compare the option that a reply chooses."""
        return Mark.of(self._chosen(question, reply) in {right.upper() for right in question.answers})

    @staticmethod
    def _chosen(question: Question, reply: str) -> str | None:
        text = _plain(reply)
        for letter, choice in zip(OPTIONS, question.choices, strict=False):
            if text.casefold() == choice.strip().casefold():
                return letter
        answer = extract(reply, question.text)
        stated = answer.value if answer is not None else text
        return stated.strip("().: ").upper() if len(stated.strip("().: ")) == 1 else None


@dataclass(frozen=True, slots=True)
class Contains:
    """The answer occurs in the reply, whatever its case."""

    def problem(self, question: Question) -> str | None:
        """Return why a question cannot be scored."""
        return None if question.answers else NO_ANSWER

    async def score(self, question: Question, reply: str, tools: Tools) -> Mark:  # noqa: ARG002
        """Look for each right answer."""
        text = _plain(reply).casefold()
        return Mark.of(any(_plain(right).casefold() in text for right in question.answers))


@dataclass(frozen=True, slots=True)
class Regex:
    """The pattern matches somewhere in the reply; without one, the answers are patterns."""

    pattern: str | None = None

    def __post_init__(self) -> None:
        """Refuse what is no pattern."""
        if self.pattern is not None and (fault := _pattern_fault(self.pattern)):
            raise ValueError(f"regex: {fault}")

    def problem(self, question: Question) -> str | None:
        """Return why a question cannot be scored."""
        if self.pattern is not None:
            return None
        faults = [fault for right in question.answers if (fault := _pattern_fault(right))]
        return next(iter(faults), None) if question.answers else NO_ANSWER

    async def score(self, question: Question, reply: str, tools: Tools) -> Mark:  # noqa: ARG002
        """Search a reply for the pattern."""
        patterns = question.answers if self.pattern is None else [self.pattern]
        return Mark.of(any(re.search(pattern, strip_reasoning(reply)) for pattern in patterns))


def _pattern_fault(pattern: object) -> str | None:
    try:
        re.compile(str(pattern))
    except re.error as error:
        return f"{pattern!r} is no regular expression: {error}"
    return None
