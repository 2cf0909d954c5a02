"""Accuracy of the techniques on the demo model, against known truth.

    python -m benchmarks.accuracy [--problems 200] [--model demo-small] [--family F] [--length N] [technique …]

Prints a Markdown table per family of problems: accuracy with its 95 % interval (Wilson), and what one answer
costs in calls, tokens and rounds. Every technique sees the same problems; "plain" is one call at temperature 0.
The demo model errs at documented rates by simulation: the table shows what the algorithms make of an
unreliable reasoner, not how much a real model would gain.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import get_args

from openai import AsyncOpenAI, DefaultAioHttpClient

from optillm.demo.problems import Family, Problem, generate
from optillm.solver import Limits
from optillm.solver import solve as solve_program
from optillm.toolkit.answers import canonical, extract
from optillm.toolkit.extraction import fences
from tests.e2e.proxy import serving

SEED = 20_261
SANDBOX = asyncio.Semaphore(2)


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


def row(name: str, outcomes: Sequence[Outcome]) -> str:
    """One line of the table."""
    total, right = len(outcomes), sum(outcome.right for outcome in outcomes)
    low, high = wilson(right, total)
    calls, tokens, rounds = (
        sum(getattr(outcome, field) for outcome in outcomes) / total
        for field in ("calls", "tokens", "rounds")
    )
    return f"| {name} | {right / total:.1%} | {low:.1%} to {high:.1%} | {calls:.1f} | {tokens:.0f} | {rounds:.2f} |"


async def measure(
    base_url: str,
    model: str,
    techniques: Sequence[str],
    count: int,
    families: Sequence[Family],
    length: int | None,
) -> None:
    """Print the tables."""
    gate = asyncio.Semaphore(8)
    async with AsyncOpenAI(base_url=base_url, api_key="none", http_client=DefaultAioHttpClient()) as sdk:
        for family in families:
            problems = generate(family, count, SEED, length=length)
            told = f" of length {length}" if length else ""
            print(f"\n{count} {family} problems{told}, {model}\n")
            print(
                "| technique | accuracy | 95 % interval | calls | tokens | rounds |\n|---|---|---|---|---|---|"
            )
            for name in ("plain", *techniques):
                full = model if name == "plain" else f"{name}-{model}"
                outcomes = await asyncio.gather(
                    *(solve(sdk, gate, full, problem, seed) for seed, problem in enumerate(problems))
                )
                print(row(name, outcomes), flush=True)


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
    parser.add_argument("techniques", nargs="*", default=["self_consistency", "bon", "moa"])
    given = parser.parse_args()
    families = [given.family] if given.family else get_args(Family)
    flags = ["--rto-execution"] if given.rto_execution else []
    with serving("--demo", *flags) as proxy:
        asyncio.run(
            measure(proxy.base_url, given.model, given.techniques, given.problems, families, given.length)
        )


if __name__ == "__main__":
    main()
