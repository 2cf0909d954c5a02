"""What an evaluation will take, before anything is sent: at most, and probably.

The most is that of the forecast behind `/v1/plan`, for every question. What is probable is the same with replies of
ordinary length, or, once a row has results, their mean. Failed calls that are repeated come on top of both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from optillm.chat import ChatRequest
from optillm.config.sources import SettingsError
from optillm.errors import InvalidRequest
from optillm.evals.questions import Question
from optillm.evals.results import Result
from optillm.evals.summary import UNKNOWN, table
from optillm.evals.targets import Answerer, Target

REPLY: Final = 300
"""Tokens that a reply has, as long as nothing is known of replies."""
SECONDS: Final = 4.0
"""Seconds that a call takes, as long as nothing is known of calls."""
PLANNED: Final = 200
"""Questions of each row that are planned one by one; of more, the longest stand for all."""
ENOUGH: Final = 5
"""Results whose mean says more than a guess."""
NO_LIMIT: Final = "no limit"
"""What there is at most where no request limits its reply: `max_tokens` in the fields would."""
LIMITS: Final = ("max_completion_tokens", "max_tokens")


@dataclass(frozen=True, slots=True)
class Need:
    """What some requests take; `None` where that has no limit or is not known."""

    calls: float
    tokens: float | None
    cost: float | None
    seconds: float

    def times(self, count: float) -> Need:
        """Return what so many of these take."""
        return Need(
            self.calls * count,
            None if self.tokens is None else self.tokens * count,
            None if self.cost is None else self.cost * count,
            self.seconds * count,
        )


NOTHING: Final = Need(0, 0, 0.0, 0.0)


def total(needs: Sequence[Need]) -> Need:
    """Return what all of these take together."""
    return Need(
        sum(need.calls for need in needs),
        _sum([need.tokens for need in needs]),
        _sum([need.cost for need in needs]),
        sum(need.seconds for need in needs),
    )


def _sum(values: Sequence[float | None]) -> float | None:
    known_values = [value for value in values if value is not None]
    return sum(known_values) if len(known_values) == len(values) else None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a row will take for the `questions` that it still has to answer; `each` is the probable mean."""

    target: Target
    questions: int
    most: Need
    probable: Need

    @property
    def each(self) -> Need:
        """Return what one question probably takes."""
        return self.probable.times(1 / self.questions) if self.questions else NOTHING


def foreseen(
    answerer: Answerer, target: Target, questions: Sequence[Question], results: Sequence[Result]
) -> Forecast:
    """Return the forecast of a row; `results` are those that it has.

    Raises `SettingsError` for a technique whose options are wrong.
    """
    count = len(questions)
    sample = sorted(questions, key=lambda question: len(question.text), reverse=True)[:PLANNED]
    share = count / len(sample) if sample else 0.0
    try:
        most = total([_planned(answerer, answerer.request(target, question)) for question in sample])
        each = _measured(results) or total([_usual(answerer, target, question) for question in sample]).times(
            1 / max(1, len(sample))
        )
    except InvalidRequest as error:
        raise SettingsError(f"--with {target.name}: {error.message}") from None
    return Forecast(target, count, most.times(share), each.times(count))


def _planned(answerer: Answerer, request: ChatRequest) -> Need:
    worst: Mapping[str, Any] = answerer.engine.plan(request)["worst_case"]
    tokens = worst["prompt_tokens"]
    if tokens is not None:
        tokens += worst["completion_tokens"]
    return Need(worst["calls"], tokens, worst["cost"], worst["rounds"] * SECONDS)


def _usual(answerer: Answerer, target: Target, question: Question) -> Need:
    request = answerer.request(target, question)
    limited = {
        name: min(REPLY, request.body[name]) for name in LIMITS if isinstance(request.body.get(name), int)
    }
    body = {**request.body, **(limited or {"max_tokens": REPLY})}
    return _planned(answerer, replace(request, body=body))


def _measured(results: Sequence[Result]) -> Need | None:
    """Return the mean of results; `None` if they are too few."""
    good = [result for result in results if result.error is None]
    if len(good) < ENOUGH:
        return None
    needs = [
        Need(result.calls, result.tokens + result.scoring_tokens, result.cost, result.seconds)
        for result in good
    ]
    return total(needs).times(1 / len(needs))


def described(forecasts: Sequence[Forecast], concurrency: int) -> str:
    """Return the forecasts as a table with their sum."""
    pending = [forecast for forecast in forecasts if forecast.questions]
    if not pending:
        return "Everything has a result already."
    rows = [
        (forecast.target.name, forecast.questions, forecast.most, forecast.probable) for forecast in pending
    ]
    if len(rows) > 1:
        most, probable = (total([row[column] for row in rows]) for column in (2, 3))
        rows.append(("together", sum(forecast.questions for forecast in pending), most, probable))
    head = (
        "",
        "questions",
        "calls at most",
        "tokens at most",
        "probably",
        "dollars at most",
        "probably",
        "minutes",
    )
    return table(iter([head, *(_cells(*row, concurrency) for row in rows)]))


def _cells(name: str, questions: int, most: Need, probable: Need, concurrency: int) -> Sequence[str]:
    minutes = probable.seconds / concurrency / 60
    return (
        name,
        f"{questions:,}",
        f"{most.calls:,.0f}",
        NO_LIMIT if most.tokens is None else f"{most.tokens:,.0f}",
        UNKNOWN if probable.tokens is None else f"{probable.tokens:,.0f}",
        _dollars(most, NO_LIMIT if most.tokens is None and probable.cost is not None else UNKNOWN),
        _dollars(probable, UNKNOWN),
        f"{minutes:.1f}" if minutes < 10 else f"{minutes:.0f}",
    )


def _dollars(need: Need, otherwise: str) -> str:
    return otherwise if need.cost is None else f"{need.cost:,.4f}"
