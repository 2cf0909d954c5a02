"""A whole evaluation: what is asked of whom, what it will take, the run, and the table.

evaluation = Evaluation(questions, targets, "auto", "gpt-4o-mini", output="results.jsonl")
rows, ended = await evaluation.run(engine, records, confirm=lambda forecasts: True)
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, TextIO

from optillm import sandbox
from optillm.config.sources import SettingsError
from optillm.engine.engine import Engine
from optillm.evals.answering import Answerer, Records
from optillm.evals.forecast import Forecast, foreseen, of_judge
from optillm.evals.progress import Progress, Tally, shown
from optillm.evals.questions import Question, refuse
from optillm.evals.results import Header, Result, ResultsFile
from optillm.evals.runner import Item, Limits, Run, items
from optillm.evals.scorers import Scorers, Tools
from optillm.evals.scorers.programs import OUR_FAULT
from optillm.evals.summary import Row, summarised
from optillm.evals.targets import Target

INTERRUPTED: Final = "stopped by Ctrl-C"
OWN_FIELDS: Final = ("model", "messages", "stream", "n")
"""Fields of a request that are not for the user to set."""


@dataclass(frozen=True)
class Evaluation:
    """What is to be evaluated.

    `score` is the scorer of questions that name none; `fields` go into the body of each request. `output` is the file
    of results. With `resume` it may have some already, and with `retry_errors` errors among them are tried again.
    """

    questions: Sequence[Question]
    targets: Sequence[Target]
    score: str
    model: str
    output: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    resume: bool = False
    retry_errors: bool = False
    stream: TextIO = field(default_factory=lambda: sys.stderr)

    async def run(
        self, engine: Engine, records: Records, confirm: Callable[[Sequence[Forecast]], bool]
    ) -> tuple[list[Row], str | None]:
        """Confirm, run, and return the rows of the table, and why the run ended early.

        The reason is `None` if it did not end early. Raises `SettingsError` for whatever is wrong, before anything is
        sent.
        """
        scorers = await self._checked_scorers()
        answerer = Answerer(engine, records, self.fields)
        header = Header(self.model, self.fields, self.score)
        file, stored = ResultsFile.open(self.output, header, resume=self.resume)
        try:
            results = self._own(stored)
            pending = items(self.questions, self.targets, results, retry_errors=self.retry_errors)
            forecasts = [*self._forecasts(answerer, pending, results), *_judging(answerer, scorers, pending)]
            self._check_prices(forecasts)
            if pending and not confirm(forecasts):
                return [], "nothing was sent"
            store = Collected(results, file)
            each = {forecast.target.name: forecast.each for forecast in forecasts}
            with shown(self._progress(pending, results), self.stream) as watchers:
                run = Run(answerer, scorers, _tools(engine, answerer), store, self.limits, each, watchers)
                with _interruptible(run):
                    await run.complete(pending)
        finally:
            file.close()
        return summarised(store.latest(), [target.name for target in self.targets]), run.ended

    def _own(self, stored: Sequence[Result]) -> list[Result]:
        """Return the stored results of these questions and rows.

        Raises `SettingsError` for a question that has changed.
        """
        questions = {question.id: question for question in self.questions}
        names = {target.name for target in self.targets}
        own = [result for result in stored if result.question in questions and result.target in names]
        refuse(
            [
                f"{questions[result.question].where}: {self.output} has a result of question {result.question}, "
                "but the question has changed since"
                for result in own
                if result.digest != questions[result.question].digest
            ]
        )
        return own

    async def _checked_scorers(self) -> Scorers:
        for name in OWN_FIELDS:
            if name in self.fields:
                raise SettingsError(f"--fields must not hold {name}")
        scorers = Scorers(self.score, self.questions)
        if scorers.run_programs:
            error = (await sandbox.solve("sympy", "print(1)")).error
            if error is not None and error.kind in OUR_FAULT:
                raise SettingsError(
                    f"the scorer python needs the sandbox, which cannot run here: {error.message}"
                )
        return scorers

    def _forecasts(
        self, answerer: Answerer, pending: Sequence[Item], results: Sequence[Result]
    ) -> Iterator[Forecast]:
        for target in self.targets:
            unanswered = [item.question for item in pending if item.target is target and item.reply is None]
            own = [result for result in results if result.target == target.name]
            yield foreseen(answerer, target, unanswered, own)

    def _check_prices(self, forecasts: Sequence[Forecast]) -> None:
        """Refuse a limit in dollars where a model's price is not known."""
        if self.limits.cost is None:
            return
        unpriced = [forecast.target.name for forecast in forecasts if forecast.probable.cost is None]
        if unpriced:
            raise SettingsError(
                f"--max-cost cannot be kept: no price is known for {', '.join(unpriced)}; add one with --prices"
            )

    def _progress(self, pending: Sequence[Item], results: Sequence[Result]) -> Progress:
        tallies = {target.name: Tally(len(self.questions)) for target in self.targets}
        again = {(item.question.id, item.target.name) for item in pending}
        for result in results:
            if result.key not in again:
                tallies[result.target].note(result)
        return Progress(tallies, asyncio.get_running_loop().time)


def _judging(answerer: Answerer, scorers: Scorers, pending: Sequence[Item]) -> Iterator[Forecast]:
    """Yield what judges will take to score what is pending."""
    questions: dict[str, list[Question]] = {}
    for item in pending:
        if (model := scorers.judge_of(item.question)) is not None:
            questions.setdefault(model, []).append(item.question)
    for model, judged in questions.items():
        yield of_judge(answerer, model, judged)


def _tools(engine: Engine, answerer: Answerer) -> Callable[[], Tools]:
    """Return a factory of the tools that score one answer.

    The time for algebra is limited, for each answer by itself.
    """
    return lambda: Tools(engine.runs.offload.share(), answerer.ask)


class Collected:
    """The results of all runs, the latest of each question and target, also written to the file."""

    def __init__(self, results: Sequence[Result], file: ResultsFile) -> None:
        self._results = {result.key: result for result in results}
        self._file = file

    def append(self, result: Result) -> None:
        """Keep and write a result."""
        self._file.append(result)
        self._results[result.key] = result

    def latest(self) -> list[Result]:
        """Return the results, those of the same question and target only once."""
        return list(self._results.values())


@contextmanager
def _interruptible(run: Run) -> Iterator[None]:
    """Let the first Ctrl-C end the run after its running requests, the second at once."""

    def interrupt() -> None:
        if run.ended == INTERRUPTED:
            run.cancel()
        run.end(INTERRUPTED)

    loop = asyncio.get_running_loop()
    handled = []
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            with suppress(ValueError, RuntimeError, NotImplementedError):  # not in the main thread
                loop.add_signal_handler(number, interrupt)
                handled.append(number)
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
