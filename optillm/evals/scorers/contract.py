"""The contract of a scorer: what it is handed, and what it gives back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from optillm.evals.questions import Question

NO_ANSWER = "it has no answer to compare with: add one, or choose a scorer that needs none"


@dataclass(frozen=True, slots=True)
class Mark:
    """The score of a reply, from 0 to 1.

    `tokens` and `cost` are what a judge took, `None` if that is not known.
    """

    value: float
    tokens: int = 0
    cost: float | None = 0.0

    @classmethod
    def of(cls, correct: bool) -> Mark:
        """Return full marks or none."""
        return cls(1.0 if correct else 0.0)


class ScoringError(Exception):
    """A reply could not be scored, through no fault of the reply."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The reply of a judge's model, and what it took."""

    text: str
    tokens: int
    cost: float | None


@dataclass(frozen=True, slots=True)
class Tools:
    """What scorers may use.

    `canonical` is the canonical form of a mathematical expression, `None` if it has none; `ask` puts a prompt to a
    model, and raises `ScoringError` if it does not answer.
    """

    canonical: Callable[[str], Awaitable[str | None]]
    ask: Callable[[str, str], Awaitable[Asked]]


class Scorer(Protocol):
    """Says what a reply is worth."""

    def problem(self, question: Question) -> str | None:
        """Return why this scorer cannot score replies to a question; `None` if it can."""

    async def score(self, question: Question, reply: str, tools: Tools) -> Mark:
        """Return what a reply is worth; raises `ScoringError` if that cannot be said."""
