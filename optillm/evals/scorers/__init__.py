"""Scorers: what a reply is worth, from 0 to 1.

    >>> scorer("numeric(0.01)")
    Numeric(tolerance=0.01)

A scorer is written as its name, or as a call with Python literals: `judge("gpt-4o", "Is it polite?")`. A function of
one's own is `package.module:function`. One that only some questions name in their `score` scores these.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from optillm.config.sources import SettingsError, nearest
from optillm.evals.questions import Question, refuse
from optillm.evals.scorers.contract import Mark, Scorer, ScoringError, Tools
from optillm.evals.scorers.custom import Custom
from optillm.evals.scorers.judged import Judge
from optillm.evals.scorers.programs import Python
from optillm.evals.scorers.stated import Auto, Choice, Contains, Exact, Numeric, Regex
from optillm.evals.scorers.structured import Json

__all__ = ["SCORERS", "Judge", "Mark", "Scorer", "Scorers", "ScoringError", "Tools", "scorer"]

SCORERS: Final[Mapping[str, type[Any]]] = {
    "auto": Auto,
    "exact": Exact,
    "numeric": Numeric,
    "choice": Choice,
    "contains": Contains,
    "regex": Regex,
    "json": Json,
    "python": Python,
    "judge": Judge,
}
_IMPORTED: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def scorer(text: str) -> Scorer:
    """Return the scorer that a text names; raises `ValueError`, one line, if it names none."""
    text = text.strip()
    if _IMPORTED.fullmatch(text):
        return Custom.imported(text)
    name, arguments, options = _call(text)
    if name not in SCORERS:
        there = f"there are {', '.join(SCORERS)} and package.module:function"
        raise ValueError(f"unknown scorer {name!r}{nearest(name, SCORERS, there)}")
    try:
        chosen: Scorer = SCORERS[name](*arguments, **options)
    except TypeError as error:
        raise ValueError(f"{name}: {str(error).removeprefix('type object ')}") from None
    return chosen


def _call(text: str) -> tuple[str, Sequence[Any], Mapping[str, Any]]:
    """Return the name, the arguments and the named arguments of a scorer as it is written."""
    try:
        match ast.parse(text, mode="eval").body:
            case ast.Name(id=name):
                return name, (), {}
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords):
                options = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in keywords}
                return name, [ast.literal_eval(argument) for argument in arguments], options
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    raise ValueError(f'{text!r} is no scorer: write it like numeric(0.01) or regex("a+")')


class Scorers:
    """The scorers of an evaluation: one for all questions, unless a question names its own."""

    def __init__(self, default: str, questions: Sequence[Question]) -> None:
        """Read all scorers that are named.

        Raises `SettingsError`, with the line, for one that cannot be used.
        """
        try:
            self._default = scorer(default)
        except ValueError as error:
            raise SettingsError(str(error)) from None
        self._named: dict[str, Scorer] = {}
        refuse([fault for question in questions if (fault := self._fault(question))])

    def _fault(self, question: Question) -> str | None:
        try:
            if question.score is not None and question.score not in self._named:
                self._named[question.score] = scorer(question.score)
            problem = self.of(question).problem(question)
        except ValueError as error:
            problem = str(error)
        return problem and f"{question.where}: {problem}"

    def of(self, question: Question) -> Scorer:
        """Return the scorer of a question."""
        return self._default if question.score is None else self._named[question.score]

    def judge_of(self, question: Question) -> str | None:
        """Return the model that judges replies to a question, `None` if none does."""
        used = self.of(question)
        return used.model if isinstance(used, Judge) else None

    @property
    def run_programs(self) -> bool:
        """Return whether any scorer needs the sandbox."""
        return any(isinstance(used, Python) for used in self._used)

    @property
    def _used(self) -> list[Scorer]:
        return [self._default, *self._named.values()]
