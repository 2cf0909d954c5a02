"""How many verdicts of a small real model can be read, how they were given, and what they are worth.

    python -m benchmarks.verdicts [--questions 30] [--answers 4] [--verdicts auto|reasoned|direct]

Starts llama.cpp's server on the small model that `make real` downloads. For each question some answers are sampled;
the different ones are ranked in rotated orders, and the two most frequent are compared in both orders. A first
place is right if the answer is; chance is what a judge that picks at random would get.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import gcd
from typing import Any, Final

from benchmarks.machine import table
from benchmarks.real import questions
from optillm.chat import ChatRequest
from optillm.config.settings import load, settings_model
from optillm.engine.engine import Engine
from optillm.panel import RANK, grouped, quoted
from optillm.proof import COMPARE
from optillm.technique import Answer, BaseOptions, Candidate, Cost
from optillm.techniques import registry
from optillm.toolkit.judging.verdicts import Preference, Ranking
from tests.real.server import NAME, running

CLIENTS: Final = 8
"""Questions in flight: as many as the server has slots."""
REPLACED: Final = "mcts"
"""The technique whose name the trial goes by; not `bon`, by which engines choose among branches."""
HEAD: Final = ("verdict", "requested", "read", "reasoned", "direct", "answered", "right first", "chance")


class Options(BaseOptions):
    """No options."""

    def worst_case(self, choices: int) -> Cost:
        """Return a nominal cost: nobody budgets for this technique."""
        return Cost(choices, 1)


@dataclass(frozen=True)
class Opinion:
    """One verdict: its kind, how it was given (`None`: unreadable), whether its first place is correct."""

    kind: str
    way: str | None
    right: bool
    chance: float


class Trial:
    """Runs in place of a technique and has candidates judged, one judge after the other."""

    def __init__(self, answers: int) -> None:
        self.answers = answers
        self.opinions: list[Opinion] = []

    async def run(self, ctx: Any, _: Options) -> Answer:
        """Sample, rank and compare."""
        candidates = await ctx.sample(self.answers, temperature=0.8)
        rivals = [group[0] for group in grouped(candidates)]
        for start in range(len(rivals)) if len(rivals) > 1 else ():
            await self.judge(ctx, Ranking, RANK, [*rivals[start:], *rivals[:start]], temperature=0.0)
        for pair in (rivals[:2], rivals[1::-1]) if len(rivals) > 1 else ():
            await self.judge(ctx, Preference, COMPARE, pair, temperature=0.7)
        return Answer.of(*candidates)

    async def judge(
        self, ctx: Any, kind: type[Any], prompt: str, shown: Sequence[Candidate], *, temperature: float
    ) -> None:
        """Have one judge rank or compare the candidates."""
        before = ctx.ledger.verdicts.copy()
        text = prompt.format(conversation=ctx.transcript, candidates=quoted(ctx, shown))
        verdict = await ctx.ask(text, verdict=kind, candidates=shown, temperature=temperature)
        way = next(iter(ctx.ledger.verdicts - before), None)
        right = [is_right(ctx.question, candidate) for candidate in shown]
        label = verdict and (verdict.ranking[0] if kind is Ranking else verdict.better)
        first = label in ("A", "B", "C", "D") and right["ABCDEFGH".index(label)]
        self.opinions.append(Opinion(kind.__name__, way, bool(first), sum(right) / len(right)))


def is_right(question: str, candidate: Candidate) -> bool:
    """Return whether a candidate answers a question of `benchmarks.real` correctly."""
    numbers = [int(digits) for digits in re.findall(r"\d+", question)]
    if "+" in question:
        truth = sum(numbers)
    elif "*" in question:
        truth = numbers[0] * numbers[1]
    elif "divisor" in question:
        truth = gcd(*numbers)
    else:
        letter, word = re.findall(r"letter (\w) occur in the word (\w+)", question)[0]
        truth = word.count(letter)
    return candidate.answer is not None and candidate.answer.value == str(truth)


def judged_by(trial: Trial, base_url: str, verdicts: str) -> Engine:
    """Return an engine in which the trial takes the place of a technique."""
    techniques = {**registry(), REPLACED: replace(registry()[REPLACED], Options=Options, run=trial.run)}
    model = settings_model({slug: technique.Options for slug, technique in techniques.items()})
    return Engine.from_settings(load(model, {"base_url": base_url, "verdicts": verdicts}), techniques)


async def ask_all(engine: Engine, batch: Sequence[str], tokens: int) -> None:
    """Ask all questions, a few at a time."""
    questions = iter(batch)

    async def client() -> None:
        for question in questions:
            messages = [{"role": "user", "content": question}]
            body = {"model": f"{REPLACED}-{NAME}", "messages": messages, "max_tokens": tokens, "seed": 13}
            await engine.complete(ChatRequest(body, request_id=question))

    try:
        await asyncio.gather(*(client() for _ in range(CLIENTS)))
    finally:
        await engine.close()


def row(kind: str, opinions: Sequence[Opinion]) -> Sequence[Any]:
    """Return the row of a kind of verdict.

    If all answers are correct, or none, a first place counts for nothing.
    """
    ways = Counter(opinion.way for opinion in opinions)
    read = [opinion for opinion in opinions if opinion.way is not None]
    decisive = [opinion for opinion in read if 0 < opinion.chance < 1]
    share = sum(opinion.right for opinion in decisive) / max(1, len(decisive))
    chance = sum(opinion.chance for opinion in decisive) / max(1, len(decisive))
    counts = (ways[way] for way in ("reasoned", "direct", "answered"))
    total = max(1, len(opinions))
    return (
        *(kind, len(opinions), f"{len(read) / total:.0%}", *counts),
        *(f"{share:.0%} of {len(decisive)}", f"{chance:.0%}"),
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--questions", type=int, default=30)
    parser.add_argument("--answers", type=int, default=4, help="sampled for each question, at most eight")
    parser.add_argument("--max-tokens", type=int, default=256, help="of an answer")
    parser.add_argument("--threads", type=int, default=1, help="of the model's server")
    parser.add_argument("--verdicts", default="auto", help="how they are requested")
    options = parser.parse_args(argv)
    os.environ["LLAMA_ARG_THREADS"] = str(options.threads)
    trial = Trial(options.answers)
    with running() as server:
        engine = judged_by(trial, server.base_url, options.verdicts)
        asyncio.run(ask_all(engine, questions(options.questions), options.max_tokens))
    kinds = ("Ranking", "Preference")
    rows = [row(kind, [opinion for opinion in trial.opinions if opinion.kind == kind]) for kind in kinds]
    table(HEAD, rows)


if __name__ == "__main__":
    main()
