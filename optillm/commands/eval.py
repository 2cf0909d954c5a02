"""`optillm eval FILE [flags]`: compare techniques and models on questions with answers."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from optillm import logs
from optillm.commands import Invocation
from optillm.commands.serve import own_model
from optillm.config.settings import Settings
from optillm.config.sources import SettingsError

if TYPE_CHECKING:
    from optillm.evals.evaluation import Evaluation
    from optillm.evals.forecast import Forecast
    from optillm.evals.questions import Question
    from optillm.evals.summary import Row
    from optillm.techniques import Technique

SUITE_SIZE: Final = 100
"""Questions of a suite if nothing else is said."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of this command."""
    add = parser.add_argument
    add(
        "questions",
        nargs="?",
        metavar="FILE",
        help="the questions: JSON lines or CSV, see docs/evaluation.md",
    )
    add(
        "--suite",
        metavar="NAMES",
        help="suites from installed packages instead of a file, separated by commas",
    )
    add(
        "--n",
        type=_positive,
        metavar="N",
        help=f"questions to take from each suite (default {SUITE_SIZE}) or from the file",
    )
    add("--seed", type=int, default=0, metavar="N", help="the seed of a suite's questions (default 0)")
    add(
        "--with",
        dest="targets",
        metavar="LIST",
        default="plain,self_consistency,bon",
        help="techniques, plain, or model names sent to the server unchanged (default %(default)s)",
    )
    add("--score", default="auto", metavar="SCORER", help="how replies are scored (default %(default)s)")
    add(
        "--fields",
        default="{}",
        metavar="JSON",
        help="fields to add to every request, such as '{\"temperature\": 0}'",
    )
    add("-o", "--output", metavar="FILE", help="the file for results, by default FILE.results.jsonl")
    add("--resume", action="store_true", help="continue from the results that are already there")
    add("--retry-errors", action="store_true", help="with --resume, retry what ended in an error")
    add(
        "--concurrency",
        type=_positive,
        default=8,
        metavar="N",
        help="requests at a time (default %(default)s)",
    )
    add("--max-cost", type=_number, metavar="DOLLARS", help="stop before spending more than this")
    add("--max-tokens", type=_positive, metavar="N", help="stop before using more tokens than this")
    add("--max-minutes", type=_number, metavar="N", help="start no requests after this time")
    add("--yes", action="store_true", help="start without asking for confirmation")
    add("--json", action="store_true", help="print JSON, for scripts")


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of at least 1")
    return int(text)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number above 0")
    return value


def run(invocation: Invocation) -> None:
    """Evaluate, and print the table.

    Exits with 1 if a row could not be used, with 130 after Ctrl-C.
    """
    from optillm.evals.evaluation import INTERRUPTED

    arguments = invocation.arguments
    questions = _questions(arguments)
    settings = invocation.read()
    logs.configure("error", settings.secrets())
    with own_model(settings) as effective:
        rows, ended = asyncio.run(
            _evaluated(arguments, questions, effective, invocation.techniques),
        )
    _print(rows, ended, as_json=arguments.json)
    if ended is not None and "(--max-" not in ended:
        sys.exit(130 if ended == INTERRUPTED else 1)


def _questions(arguments: argparse.Namespace) -> list[Question]:
    from optillm.evals.questions import load
    from optillm.evals.suites import suites

    if (arguments.questions is None) == (arguments.suite is None):
        raise SettingsError("name a file of questions, or suites with --suite: optillm eval FILE")
    if arguments.suite is None:
        return load(arguments.questions)[: arguments.n]
    names = [name.strip() for name in arguments.suite.split(",") if name.strip()]
    return suites(names, arguments.n or SUITE_SIZE, arguments.seed)


async def _evaluated(
    arguments: argparse.Namespace,
    questions: Sequence[Question],
    settings: Settings,
    techniques: Mapping[str, Technique],
) -> tuple[list[Row], str | None]:
    from optillm import sandbox
    from optillm.engine.engine import Engine
    from optillm.evals.answering import Records

    sandbox.configure(language_only=settings.solver_sandbox == "language-only")
    evaluation = _evaluation(arguments, questions, settings, techniques)
    records = Records()
    # The rows say what runs: neither the operator's approach nor a model's name does.
    chosen = settings.model_copy(update={"approach": "none", "background_bypass": False})
    engine = Engine.from_settings(chosen, techniques, [records.note], records)
    try:
        return await evaluation.run(engine, records, lambda forecasts: _confirmed(arguments, forecasts))
    finally:
        await engine.close()


def _evaluation(
    arguments: argparse.Namespace,
    questions: Sequence[Question],
    settings: Settings,
    techniques: Mapping[str, Technique],
) -> Evaluation:
    from optillm.evals.evaluation import Evaluation
    from optillm.evals.runner import Limits
    from optillm.evals.targets import read_targets

    minutes = arguments.max_minutes
    seconds = None if minutes is None else 60 * minutes
    return Evaluation(
        questions,
        read_targets(arguments.targets, techniques, settings.model),
        arguments.score,
        settings.model,
        arguments.output or _output(arguments),
        fields=_fields(arguments.fields),
        limits=Limits(arguments.max_cost, arguments.max_tokens, seconds, arguments.concurrency),
        resume=arguments.resume,
        retry_errors=arguments.retry_errors,
    )


def _output(arguments: argparse.Namespace) -> str:
    name = Path(arguments.questions).stem if arguments.questions else arguments.suite.replace(",", "-")[:64]
    return f"{name}.results.jsonl"


def _fields(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise SettingsError(f"--fields is not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise SettingsError('--fields is not a JSON object such as {"temperature": 0}')
    return fields


def _confirmed(arguments: argparse.Namespace, forecasts: Sequence[Forecast]) -> bool:
    """Show what it will take, and ask unless that was answered beforehand."""
    from optillm.evals.forecast import described

    print(described(forecasts, arguments.concurrency), file=sys.stderr)
    if arguments.yes:
        return True
    if not sys.stdin.isatty():
        raise SettingsError("there is no terminal to confirm at: add --yes to start")
    print("\nBegin? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _print(rows: Sequence[Row], ended: str | None, *, as_json: bool) -> None:
    from optillm.evals.summary import wire
    from optillm.evals.tables import text

    if as_json:
        print(json.dumps({"rows": wire(rows), "ended": ended}, indent=2))
        return
    if rows:
        print(f"\n{text(rows)}")
    if ended is not None:
        print(f"\nEnded early: {ended}.", file=sys.stderr)
