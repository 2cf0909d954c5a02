"""What tests of evaluations share: questions, tools of scorers that ask nobody, a scripted upstream."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TextIO

from optillm.chat import RawRequest, Relay
from optillm.config.prices import Price
from optillm.errors import UpstreamError
from optillm.evals.answering import Records
from optillm.evals.evaluation import Evaluation
from optillm.evals.forecast import Forecast
from optillm.evals.questions import Question, questions_of
from optillm.evals.scorers.contract import Asked, Tools
from optillm.evals.summary import Row
from optillm.evals.targets import read_targets
from tests.fakes import Script, World, no_algebra


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


def bench(script: Script, **more: Any) -> tuple[World, Records]:
    """A scripted upstream whose engine runs only what a target says, and the records of its requests."""
    records = Records()
    world = Plain(script, observers=[records.note], recorder=records, **more)
    world.engine.planner.approach = "none"
    return world, records


class Plain(World):
    """A scripted upstream that answers plain requests, too, as it answers calls."""

    async def relay(self, request: RawRequest) -> Relay:
        """A plain reply, or the error with its status."""
        try:
            reply = await self.chat(json.loads(request.content), request.authorization)
        except UpstreamError as error:
            headers = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
            return Relay(error.status, headers, json.dumps(error.body()).encode())
        return Relay(200, {"content-type": "application/json"}, json.dumps(reply).encode())


PRICES = {"m": Price(input=1.0, output=2.0)}
"""A call of ten and five tokens costs twenty millionths of a dollar."""


def evaluated(
    world: World,
    records: Records,
    asked: Sequence[Question],
    targets: str,
    output: Path,
    *,
    confirm: Callable[[Sequence[Forecast]], bool] = lambda forecasts: True,
    score: str = "auto",
    stream: TextIO | None = None,
    **more: Any,
) -> tuple[list[Row], str | None]:
    """The rows of an evaluation of the model `m`, and why it ended early."""
    named = read_targets(targets, world.engine.planner.techniques, "m")
    evaluation = Evaluation(asked, named, score, "m", str(output), stream=stream or io.StringIO(), **more)
    return world.run(evaluation.run(world.engine, records, confirm))
