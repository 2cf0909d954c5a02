"""Accuracy of the techniques on the demo model, against known truth.

    python -m benchmarks.accuracy [--problems 200] [--model demo-small] [--family F] [--length N] [technique …]

Prints a Markdown table per family of problems: accuracy with its 95 % interval (Wilson), and what one answer
costs in calls, tokens and rounds. Every technique sees the same problems; "plain" is one call at temperature 0.
The demo model errs at documented rates by simulation: the table shows what the algorithms make of an
unreliable reasoner, not how much a real model would gain. With `--target 0.85`, what each technique needs for that
accuracy instead: the first of its settings, from small to large, that reaches it.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final, get_args

from openai import AsyncOpenAI, DefaultAioHttpClient

from benchmarks.machine import table
from optillm.demo.problems import Family, Problem, generate
from optillm.solver import Limits
from optillm.solver import solve as solve_program
from optillm.toolkit.answers import canonical, extract
from optillm.toolkit.extraction import fences
from tests.e2e.proxy import serving

SEED: Final = 20_261
SANDBOX = asyncio.Semaphore(2)
HEAD: Final = ("technique", "accuracy", "95 % interval", "calls", "tokens", "rounds")
SIZES: Final[Mapping[str, Sequence[str]]] = {
    "plain": ("",),
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


@dataclass(frozen=True)
class Outcome:
    """What became of one problem."""

    right: bool
    calls: int
    tokens: int
    rounds: int


def wilson(right: int, total: int) -> tuple[float, float]:
    """The 95 % score interval of a proportion."""
    z, share = 1.96, right / total
    centre = share + z * z / (2 * total)
    spread = z * sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return (centre - spread) / (1 + z * z / total), (centre + spread) / (1 + z * z / total)


async def is_right(text: str, problem: Problem) -> bool:
    """Whether a reply states the true answer; a program must pass the problem's tests, in the sandbox."""
    if problem.tests:
        _, blocks = fences(text)
        program = "\n".join([*(block.content for block in blocks), *problem.tests, 'print("passed")'])
        async with SANDBOX:
            return (
                bool(blocks) and (await solve_program("sympy", program, Limits(wall=20))).output == "passed\n"
            )
    stated = extract(text, problem.question)
    return stated is not None and stated.matches(canonical(problem.answer, problem.question))


async def solve(
    sdk: AsyncOpenAI, gate: asyncio.Semaphore, model: str, problem: Problem, seed: int
) -> Outcome:
    """Ask for one answer and grade it."""
    async with gate:
        reply = await sdk.chat.completions.create(
            model=model, messages=[{"role": "user", "content": problem.question}], temperature=0, seed=seed
        )
    report = (reply.model_extra or {}).get("optillm") or {"calls": {"plain": 1}, "rounds": 1}
    tokens = reply.usage.total_tokens if reply.usage else 0
    right = await is_right(reply.choices[0].message.content or "", problem)
    return Outcome(right, sum(report["calls"].values()), tokens, report["rounds"])


def accuracy(outcomes: Sequence[Outcome]) -> float:
    """The share that is right."""
    return sum(outcome.right for outcome in outcomes) / len(outcomes)


def row(name: str, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    """One line of the table."""
    total = len(outcomes)
    low, high = wilson(sum(outcome.right for outcome in outcomes), total)
    calls, tokens, rounds = (
        sum(getattr(outcome, field) for outcome in outcomes) / total
        for field in ("calls", "tokens", "rounds")
    )
    interval = f"{low:.1%} to {high:.1%}"
    return name, f"{accuracy(outcomes):.1%}", interval, f"{calls:.1f}", f"{tokens:.0f}", f"{rounds:.2f}"


class Exam:
    """Problems for one model behind one proxy."""

    def __init__(self, sdk: AsyncOpenAI, model: str, problems: Sequence[Problem]) -> None:
        self._sdk, self._model, self._problems = sdk, model, problems
        self._gate = asyncio.Semaphore(8)

    async def taken(self, name: str) -> list[Outcome]:
        """What becomes of all problems with this technique, or plain."""
        full = self._model if name == "plain" else f"{name}-{self._model}"
        problems = enumerate(self._problems)
        return await asyncio.gather(
            *(solve(self._sdk, self._gate, full, problem, seed) for seed, problem in problems)
        )

    async def reaching(self, target: float, technique: str) -> tuple[str, ...]:
        """The line of the first setting that reaches an accuracy, or of the most accurate one."""
        best, found = "", list[Outcome]()
        for size in SIZES[technique]:
            name = f"{technique}({size})" if size else technique
            outcomes = await self.taken(name)
            if not found or accuracy(outcomes) > accuracy(found):
                best, found = name, outcomes
            if accuracy(found) >= target:
                return row(best, found)
        return row(f"{best}: not reached", found)


async def measure(
    base_url: str, model: str, techniques: Sequence[str], problems: Sequence[Problem], target: float | None
) -> None:
    """Print the table of these problems."""
    async with AsyncOpenAI(base_url=base_url, api_key="none", http_client=DefaultAioHttpClient()) as sdk:
        exam = Exam(sdk, model, problems)
        if target is None:
            table(HEAD, [row(name, await exam.taken(name)) for name in ("plain", *techniques)])
        else:
            table(HEAD, [await exam.reaching(target, name) for name in techniques])


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--model", default="demo-small")
    parser.add_argument("--family", choices=get_args(Family), help="one family of problems; all by default")
    parser.add_argument("--length", type=int, help="turns of a sum, people of an order; mixed by default")
    parser.add_argument("--rto-execution", action="store_true", help="let rto run programs in the sandbox")
    parser.add_argument(
        "--target", type=float, help="an accuracy that all are to reach, each at its own cost"
    )
    parser.add_argument("techniques", nargs="*", help="those of the tables; by default all, at a target")
    given = parser.parse_args()
    techniques = given.techniques or (list(SIZES) if given.target else ["self_consistency", "bon", "moa"])
    families = [given.family] if given.family else get_args(Family)
    flags = ["--rto-execution"] if given.rto_execution else []
    with serving("--demo", *flags) as proxy:
        for family in families:
            problems = generate(family, given.problems, SEED, length=given.length)
            told = f" of length {given.length}" if given.length else ""
            print(f"\n{given.problems} {family} problems{told}, {given.model}", flush=True)
            asyncio.run(measure(proxy.base_url, given.model, techniques, problems, given.target))


if __name__ == "__main__":
    main()
