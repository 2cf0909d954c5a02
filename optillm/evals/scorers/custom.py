"""Scorers of one's own: any importable function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from optillm.evals.questions import Question
from optillm.evals.scorers.contract import Mark, ScoringError, Tools


@dataclass(frozen=True, slots=True)
class Custom:
    """A function of the reply and the question's row that returns a score.

    The score is true or false, or a number from 0 to 1. It may be a coroutine function. What it raises is no verdict
    on the reply.
    """

    name: str
    function: Callable[..., Any]

    @classmethod
    def imported(cls, name: str) -> Custom:
        """Return the scorer `package.module:function`.

        Raises `ValueError` if there is no such function.
        """
        module, _, path = name.partition(":")
        try:
            function: Any = import_module(module)
            for attribute in path.split("."):
                function = getattr(function, attribute)
        except Exception as error:  # noqa: BLE001 - foreign code may raise anything
            raise ValueError(f"{name}: {type(error).__name__}: {error}") from None
        if not callable(function):
            raise ValueError(f"{name} is not a function")
        return cls(name, function)

    def problem(self, question: Question) -> str | None:  # noqa: ARG002
        """Return nothing: the function knows what it needs."""
        return None

    async def score(self, question: Question, reply: str, tools: Tools) -> Mark:  # noqa: ARG002
        """Call the function."""
        try:
            value = self.function(reply, {**question.row, "answers": question.answers})
            if inspect.isawaitable(value):
                value = await value
            value = float(value)
        except Exception as error:  # foreign code may raise anything
            raise ScoringError(f"{self.name} raised {type(error).__name__}: {error}") from error
        if not 0 <= value <= 1:
            raise ScoringError(f"{self.name} returned {value}, which is not between 0 and 1")
        return Mark(value)
