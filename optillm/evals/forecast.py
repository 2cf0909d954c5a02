"""What an evaluation will take, before anything is sent: at most, and probably.

The most is that of the forecast behind `/v1/plan`, for every question. What is probable are about half of these calls,
with replies of ordinary length, or, once a row has results, their mean. Failed calls that are repeated come on top of
both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from optillm.chat import NONE, ChatRequest
from optillm.config.sources import SettingsError
from optillm.errors import InvalidRequest
from optillm.evals.answering import Answerer
from optillm.evals.questions import Question
from optillm.evals.results import Result
from optillm.evals.scorers.judged import ATTEMPTS, PROMPT
from optillm.evals.tables import UNKNOWN, table
from optillm.evals.targets import Target

REPLY: Final = 300
"""Tokens that a reply has, as long as nothing is known of replies."""
SECONDS: Final = 4.0
"""Seconds that a call takes, as long as nothing is known of calls."""
USUAL: Final = 0.5
"""The share of its calls at most that a technique makes: on the demo model between 0.3 and 0.8."""
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
    """What a row will take for the `questions` that it still has to answer.

    `each` is the probable mean.
    """

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
        most = [_planned(answerer, answerer.request(target, question)) for question in sample]
    except InvalidRequest as error:
        raise SettingsError(f"--with {target.name}: {error.message}") from None
    probable = [_usual(answerer, target, question, need) for question, need in zip(sample, most, strict=True)]
    measured = _measured(results)
    return Forecast(
        target,
        count,
        total(most).times(share),
        measured.times(count) if measured else total(probable).times(share),
    )


def of_judge(answerer: Answerer, model: str, questions: Sequence[Question]) -> Forecast:
    """Return what a judge will take that scores one reply to each of these questions."""
    count = len(questions)
    longest = max((question.text for question in questions), key=len, default="")
    prompt = PROMPT + longest + REPLY * "text "  # a reply to read
    body = {"model": model, "messages": [{"role": "user", "content": prompt}], "max_tokens": REPLY}
    each = _planned(answerer, ChatRequest(body, approach=NONE))
    most = Need(ATTEMPTS * count, None, None, ATTEMPTS * count * SECONDS)
    return Forecast(Target(f"judge {model}", NONE, model), count, most, each.times(count))


def _planned(answerer: Answerer, request: ChatRequest) -> Need:
    worst: Mapping[str, Any] = answerer.engine.plan(request)["worst_case"]
    tokens = worst["prompt_tokens"]
    if tokens is not None:
        tokens += worst["completion_tokens"]
    return Need(worst["calls"], tokens, worst["cost"], worst["rounds"] * SECONDS)


def _usual(answerer: Answerer, target: Target, question: Question, most: Need) -> Need:
    """Return what a question usually takes: some of its most calls, each like a plain one."""
    request = answerer.request(replace(target, approach=NONE), question)
    limited = {
        name: min(REPLY, request.body[name]) for name in LIMITS if isinstance(request.body.get(name), int)
    }
    plain = _planned(answerer, replace(request, body={**request.body, **(limited or {"max_tokens": REPLY})}))
    calls = max(1.0, USUAL * most.calls)
    return replace(plain.times(calls), seconds=max(SECONDS, USUAL * most.seconds))


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
        return "All questions already have results."
    rows = [
        _cells(each.target.name, each.questions, each.most, each.probable, concurrency) for each in pending
    ]
    if len(pending) > 1:
        most = total([forecast.most for forecast in pending])
        probable = total([forecast.probable for forecast in pending])
        questions = sum(forecast.questions for forecast in pending)
        rows.append(_cells("total", questions, most, probable, concurrency))
    head = (
        "",
        "questions",
        "calls at most",
        "tokens at most",
        "expected",
        "dollars at most",
        "expected",
        "minutes",
    )
    return table(iter([head, *rows]))


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
