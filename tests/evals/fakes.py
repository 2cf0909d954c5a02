"""What tests of evaluations share: questions, and tools of scorers that ask nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from optillm.evals.questions import Question, questions_of
from optillm.evals.scorers.contract import Asked, Tools
from tests.fakes import no_algebra


def question(**row: Any) -> Question:
    """The question of a row."""
    (made,) = questions_of([("row 1", row)])
    return made


def questions(*rows: Any) -> list[Question]:
    """The questions of rows."""
    return questions_of((f"row {number}", row) for number, row in enumerate(rows, start=1))


def tools(answer: Callable[[str, str], str] = lambda model, prompt: "VERDICT: RIGHT") -> Tools:
    """Tools whose models answer so, for ten tokens and a cent."""

    async def ask(model: str, prompt: str) -> Asked:
        return Asked(answer(model, prompt), 10, 0.01)

    return Tools(no_algebra, ask)
