"""How often the demo model's answer is correct when its samples agree on it.

    python -m benchmarks.agreement [--problems 500] [--model demo-small]

Prints, per family of problems, how many of four samples give the leading answer, and why `self_consistency` closes a
vote of eight: because one more sample would hardly change it, because the lead cannot be caught, or because all are
in. Beside each: the share of all votes, and how often the leading answer is correct. Each problem has 64 samples: 16
votes of four, 8 votes of eight.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from multiprocessing import get_context
from typing import Final, get_args

from optillm_simulator.error_models import MODELS
from optillm_simulator.problems import Family

from benchmarks.exam import Paper
from benchmarks.machine import table
from benchmarks.votes import POOL, Pool, draw
from optillm.toolkit.judging.votes import beta_stop

FEW: Final = 4
SAMPLES: Final = 8
CONFIDENCE: Final = 0.95
MIN_LEAD: Final = 3
"""Votes that the leading answer needs. `SAMPLES`, `CONFIDENCE` and this are the defaults of `self_consistency`."""
HEAD: Final = ("vote", "share of votes", "leading answer right")


def leading(votes: Sequence[int]) -> tuple[int, int, int]:
    """Return the leading answer (-1: none), its number of votes, and that of the next one."""
    counts = Counter(vote for vote in votes if vote >= 0).most_common(2)
    (answer, lead), (_, next_one) = [*counts, (-1, 0), (-1, 0)][:2]
    return answer, lead, next_one


def closed(votes: Sequence[int]) -> tuple[str, int]:
    """Return why a vote closes if its samples arrive in this order, and the leading answer then."""
    for count in range(1, len(votes)):
        answer, lead, next_one = leading(votes[:count])
        if lead >= MIN_LEAD and beta_stop(lead, next_one) >= CONFIDENCE:
            return "8: sure of the lead", answer
        if lead - next_one > len(votes) - count:
            return "8: the lead cannot be caught", answer
    return "8: at its end", leading(votes)[0]


def outcomes(pool: Pool) -> Iterator[tuple[str, float]]:
    """Yield the kind of each vote, and whether its leading answer is right."""
    votes = pool.votes.tolist()
    for start in range(0, POOL, FEW):
        answer, lead, _ = leading(votes[start : start + FEW])
        yield f"{FEW}: {lead} agree", _right(pool, answer)
    for start in range(0, POOL, SAMPLES):
        kind, answer = closed(votes[start : start + SAMPLES])
        yield kind, _right(pool, answer)


def _right(pool: Pool, answer: int) -> float:
    return float(pool.right[answer]) if answer >= 0 else 0.0


def rows(pools: Sequence[Pool]) -> list[tuple[str, str, str]]:
    """Return the table's lines."""
    by_kind: dict[str, list[float]] = defaultdict(list)
    for kind, right in chain.from_iterable(map(outcomes, pools)):
        by_kind[kind].append(right)
    totals = Counter[str]()
    for kind, rights in by_kind.items():
        totals[kind[0]] += len(rights)
    return [
        (kind, f"{len(rights) / totals[kind[0]]:.0%}", f"{sum(rights) / len(rights):.1%}")
        for kind, rights in sorted(by_kind.items(), reverse=True)
    ]


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problems", type=int, default=500)
    parser.add_argument("--model", default="demo-small", choices=MODELS)
    options = parser.parse_args()
    families: tuple[Family, ...] = get_args(Family)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        for family in families:
            paper, step = Paper(family, options.problems), 50
            starts = range(0, options.problems, step)
            parts = [
                processes.submit(draw, paper, options.model, start, min(start + step, options.problems))
                for start in starts
            ]
            print(f"\n{options.problems} {family} problems, {options.model}\n", flush=True)
            table(HEAD, rows([pool for part in parts for pool in part.result()]))


if __name__ == "__main__":
    main()
