"""Accuracy of the techniques on the demo model, against known truth.

    python -m benchmarks.accuracy [--problems 200] [--model demo-small] [--judge MODEL] [--family F] [--length N]
        [--processes 2] [--save FILE] [--against FILE] [technique …]

Prints a Markdown table per family of problems: accuracy with its 95 % interval (Wilson), what one answer costs in
calls, tokens and rounds, and two accuracies to compare with: the plurality of the technique's own samples, and a
plain vote at equal tokens, each with the difference in points, paired by problem, and its 95 % interval
(bootstrap). Every technique sees the same problems with the same seeds; "plain" is one call at temperature 0.
The demo model errs at documented rates by simulation: the table shows what the algorithms make of an unreliable
reasoner, not how much a real model would gain. `demo-kin` judges as one of the writer's own kind, `demo-other` as one
of another family, `demo-dull` near chance. With `--against`, the difference from what an earlier run saved.
With `--target 0.85`, what each technique needs for that accuracy instead: the first of its settings, from small to
large, that reaches it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from math import sqrt
from multiprocessing import get_context
from pathlib import Path
from typing import Final, get_args

from optillm_simulator.error_models import MODELS
from optillm_simulator.problems import Family

from benchmarks.exam import PLAIN, Outcome, Paper, Sitting, sit
from benchmarks.machine import table
from benchmarks.votes import POOL, Difference, Pool, Pools, draw

STEP: Final = 50
"""Problems that one process takes at a time."""
COSTS: Final = ("technique", "accuracy", "95 % interval", "calls", "tokens", "rounds")
RIVALS: Final = ("own plurality", "difference", "vote at equal tokens", "difference")
BEFORE: Final = ("before", "difference")
NOTHING: Final = ("–", "–")
SIZES: Final[Mapping[str, Sequence[str]]] = {
    PLAIN: ("",),
    "self_consistency": ("samples=3", "samples=4", "samples=6", "samples=8", "samples=16", "samples=32"),
    "bon": ("n=2", "n=3", "n=4", "n=6", "n=8", "n=16"),
    "moa": ("proposers=2", "proposers=3", "proposers=4", "proposers=6", "proposers=8"),
    "mcts": ("simulations=1,width=2", "simulations=1", "simulations=2", "simulations=4"),
    "rstar": ("num_rollouts=2", "num_rollouts=3", "num_rollouts=5", "num_rollouts=8"),
    "pvg": ("helpful=2", "helpful=3", "helpful=4", "helpful=6"),
    "rto": ("drafts=2", "drafts=3", "drafts=4", "drafts=8"),
    "z3": ("formalizations=1", "formalizations=2", "formalizations=3"),
    "re2": ("",),
    "cot_reflection": ("",),
}
"""Settings of each technique, from small to large."""


def wilson(right: int, total: int) -> tuple[float, float]:
    """Return the 95 % score interval of a proportion."""
    z, share = 1.96, right / total
    centre = share + z * z / (2 * total)
    spread = z * sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return (centre - spread) / (1 + z * z / total), (centre + spread) / (1 + z * z / total)


def accuracy(outcomes: Sequence[Outcome]) -> float:
    """Return the share that is correct."""
    return sum(outcome.right for outcome in outcomes) / len(outcomes)


def costs(name: str, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """Return the first cells of a line: accuracy, and what an answer costs."""
    total = len(outcomes)
    low, high = wilson(sum(outcome.right for outcome in outcomes), total)
    calls, tokens, rounds = (
        sum(getattr(outcome, field) for outcome in outcomes) / total
        for field in ("calls", "tokens", "rounds")
    )
    interval = f"{low:.1%} to {high:.1%}"
    return name, f"{accuracy(outcomes):.1%}", interval, f"{calls:.1f}", f"{tokens:.0f}", f"{rounds:.2f}"


def rivals(outcomes: Sequence[Outcome], pools: Pools) -> tuple[str, ...]:
    """Return the cells to compare with: the plurality of its own samples, and the vote at equal tokens."""
    right = [outcome.right for outcome in outcomes]
    own, difference = NOTHING
    pluralities = [outcome.plurality for outcome in outcomes if outcome.plurality is not None]
    if len(pluralities) == len(outcomes):
        own = f"{sum(pluralities) / len(pluralities):.1%}"
        difference = str(Difference.of(right, pluralities))
    vote = pools.vote(sum(outcome.tokens for outcome in outcomes) / len(outcomes))
    size = f"{vote.size:.1f}" if vote.size < POOL else f"only {POOL}"
    voted = f"{vote.right.mean():.1%} (of {size})"
    return own, difference, voted, str(Difference.of(right, vote.right))


@dataclass
class Exam:
    """One paper for one model.

    `verdicts` lists for each technique which problems it solved; `earlier` is the same for an earlier run.
    """

    workers: Executor
    paper: Paper
    model: str
    judge: str | None = None
    execution: bool = False
    earlier: Mapping[str, Sequence[bool]] | None = None
    verdicts: dict[str, Sequence[bool]] = field(default_factory=dict)
    drawing: Sequence[Future[list[Pool]]] = field(init=False)

    def __post_init__(self) -> None:
        """Start to draw the samples, which all rows wait for."""
        self.drawing = [self.workers.submit(draw, self.paper, self.model, *ends) for ends in self._steps()]

    @property
    def head(self) -> tuple[str, ...]:
        """Return the table's header."""
        return COSTS + RIVALS + (() if self.earlier is None else BEFORE)

    @cached_property
    def pools(self) -> Pools:
        """Return the samples to vote with."""
        return Pools([pool for future in self.drawing for pool in future.result()])

    def begin(self, name: str) -> list[Future[list[Outcome]]]:
        """Start to answer the problems with this technique, or plain."""
        return [
            self.workers.submit(sit, Sitting(self.paper, name, self.model, *ends, self.judge, self.execution))
            for ends in self._steps()
        ]

    def row(self, name: str, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
        """Return one line of the table."""
        self.verdicts[name] = right = [outcome.right for outcome in outcomes]
        cells = costs(name, outcomes) + rivals(outcomes, self.pools)
        if self.earlier is None:
            return cells
        before = self.earlier.get(name)
        if before is None or len(before) != len(right):
            return cells + NOTHING
        return (*cells, f"{sum(before) / len(before):.1%}", str(Difference.of(right, before)))

    def reaching(self, target: float, technique: str) -> tuple[str, ...]:
        """Return the line of the first setting that reaches an accuracy, or of the most accurate one."""
        best, most = "", list[Outcome]()
        for size in SIZES[technique]:
            name = f"{technique}({size})" if size else technique
            outcomes = taken(self.begin(name))
            if not most or accuracy(outcomes) > accuracy(most):
                best, most = name, outcomes
            if accuracy(most) >= target:
                return self.row(best, most)
        return self.row(f"{best}: not reached", most)

    def rows(self, names: Sequence[str]) -> Iterator[tuple[str, ...]]:
        """Yield the lines of these techniques, each as soon as it is measured."""
        begun = [(name, self.begin(name)) for name in names]
        for name, sittings in begun:
            yield self.row(name, taken(sittings))

    def _steps(self) -> list[tuple[int, int]]:
        return [(start, min(start + STEP, self.paper.count)) for start in range(0, self.paper.count, STEP)]


def taken(sittings: Sequence[Future[list[Outcome]]]) -> list[Outcome]:
    """Return the outcomes of all problems, in their order."""
    return list(chain.from_iterable(sitting.result() for sitting in sittings))


def examine(options: argparse.Namespace, workers: Executor) -> dict[str, Mapping[str, Sequence[bool]]]:
    """Print the tables; return the verdicts, by table and technique."""
    earlier = json.loads(Path(options.against).read_text()) if options.against else None
    verdicts = dict[str, Mapping[str, Sequence[bool]]]()
    for family in [options.family] if options.family else get_args(Family):
        paper = Paper(family, options.problems, options.length)
        length = f" of length {options.length}" if options.length else ""
        judge = f", judged by {options.judge}" if options.judge else ""
        title = f"{options.problems} {family} problems{length}, {options.model}{judge}"
        print(f"\n{title}", flush=True)
        before = None if earlier is None else earlier.get(title, {})
        exam = Exam(workers, paper, options.model, options.judge, options.rto_execution, before)
        if options.target is None:
            table(exam.head, exam.rows([PLAIN, *(options.techniques or ["self_consistency", "bon", "moa"])]))
        else:
            table(exam.head, (exam.reaching(options.target, name) for name in options.techniques or SIZES))
        verdicts[title] = exam.verdicts
    return verdicts


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problems", type=int, default=200, help="problems of each family")
    parser.add_argument("--model", default="demo-small", choices=MODELS, help="the model that answers")
    parser.add_argument("--judge", choices=MODELS, help="the model that judges; the same one by default")
    parser.add_argument("--family", choices=get_args(Family), help="one family of problems; all by default")
    parser.add_argument("--length", type=int, help="turns of a sum, people of an order; mixed by default")
    parser.add_argument("--rto-execution", action="store_true", help="let rto run programs in the sandbox")
    parser.add_argument(
        "--target", type=float, help="an accuracy that all are to reach, each at its own cost"
    )
    parser.add_argument("--processes", type=int, default=2, help="processes that share the problems")
    parser.add_argument("--save", help="a file for what was right, problem by problem")
    parser.add_argument("--against", help="a file that an earlier run saved")
    parser.add_argument("techniques", nargs="*", help="those of the tables; by default all, at a target")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Read the arguments and measure."""
    options = arguments(argv)
    with ProcessPoolExecutor(options.processes, get_context("spawn")) as workers:
        verdicts = examine(options, workers)
    if options.save:
        Path(options.save).write_text(json.dumps(verdicts))


if __name__ == "__main__":
    main()
