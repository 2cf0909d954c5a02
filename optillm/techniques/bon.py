"""Best of n: sample answers, have judges rank them in rotation, return the best verbatim.

Paper: Sharma, Patched MOA (2024), for the baseline; rotated ballots and Borda counts against position bias
https://arxiv.org/abs/2407.18521
Rounds: 2 (1 when all answers agree; +1 when n exceeds the group size; +1 unless the favourite alone has the most votes)
Calls: n + ballots (rank: n; rate: 2n; pairwise: n · (n - 1)) over the distinct answers, + proof against a plurality

Every candidate stands in every place of a ballot equally often, so a judge's additive preference for a
place cancels exactly; a judge that cannot be read abstains. Judges that prefer a different answer from the one most
samples give have to prove it head to head.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydantic import Field

from optillm.panel import Judge, Manner, Scorer, grouped, scores
from optillm.proof import COMPARISONS, burden, upheld
from optillm.technique import Answer, BaseOptions, Candidate, Context, Cost
from optillm.toolkit.judging.ballots import Marks, decided, mean_marks
from optillm.toolkit.judging.votes import beta_stop

AGREEMENT = 0.15
"""What full agreement of the other samples adds to a score in [0, 1]: a weighted vote beside the judge's."""


class Options(BaseOptions):
    """How many answers, and how they are judged."""

    shrink_order = ("proof", "n")
    selects = "n"

    n: int = Field(3, ge=1, le=32, description="answers to sample", json_schema_extra={"flag": "best_of_n"})
    temperature: float = Field(0.7, ge=0, le=2, description="sampling temperature")
    judge: Manner = Field(
        "rank", description="rank all in rotated orders, rate each twice, or compare every pair both ways"
    )
    judge_model: str | None = Field(None, description="the model that judges; the request's own by default")
    ballots: int = Field(
        0, ge=0, le=16, description="rankings to ask for; 0 is one per answer, 4 beyond 8 answers"
    )
    group: int = Field(8, ge=2, le=16, description="answers ranked together at most; winners meet again")
    proof: int = COMPARISONS
    prevote: bool = Field(True, description="skip judging when the answers already agree with confidence")

    @property
    def scorer(self) -> Scorer:
        """The judge these options describe."""
        return Judge(self.judge, self.ballots, self.judge_model)

    def worst_case(self, choices: int) -> Cost:
        """All answers differ, and every slate goes to a judge."""
        drawn = max(self.n, choices)
        return Cost(drawn, 1) + judging(drawn, self) + burden(self.proof, drawn)


def judging(count: int, options: Options) -> Cost:
    """What it takes to rank so many answers, heats and their winners' meetings included."""
    if count <= options.group:
        shown = options.scorer.slates(count) if count > 1 else []
        return Cost.judging(len(shown), quoted_answers=sum(map(len, shown)))
    heats = -(-count // options.group)
    together = Cost(0, 0)
    for heat in range(heats):
        together |= judging(len(range(heat, count, heats)), options)
    return together + judging(heats, options)


async def run(ctx: Context, options: Options) -> Answer:
    """Sample, judge, return the winner's words."""
    samples = await ctx.sample(max(options.n, ctx.choices), temperature=options.temperature)
    pool = [group[0].standing_for(len(group)) for group in grouped(samples)]
    in_pool = {candidate.index for candidate in pool}
    copies = [sample for sample in samples if sample.index not in in_pool]
    if len(pool) == 1 or (options.prevote and agreed(pool)):
        return Answer.of(*pool, *copies, stop="settled")
    ctx.say(f"judging {len(pool)} different answers")
    ranking = await judged(ctx, pool, options)
    final = await upheld(ctx, ranking, samples, options.proof, model=options.judge_model)
    return Answer.of(*final, *copies)


def agreed(pool: Sequence[Candidate]) -> bool:
    """Return whether one more sample would hardly change which answer most of them give."""
    lead, runner_up = pool[0].copies, pool[1].copies
    return pool[0].answer is not None and beta_stop(lead, runner_up) >= 0.95


async def judged(ctx: Context, pool: Sequence[Candidate], options: Options) -> list[Candidate]:
    """Return the pool, best first.

    More than a group holds is judged in heats whose winners meet again.
    """
    if len(pool) <= options.group:
        return await ranked(ctx, pool, options)
    heats = [pool[start :: -(-len(pool) // options.group)] for start in range(-(-len(pool) // options.group))]
    results = await ctx.gather(*(ranked(ctx, heat, options) for heat in heats))
    final = await judged(ctx, [result[0] for result in results], options)
    return final + [candidate for result in results for candidate in result[1:]]


async def ranked(ctx: Context, pool: Sequence[Candidate], options: Options) -> list[Candidate]:
    """Return the pool, best first, by the judges' mean marks and the samples' agreement."""
    if len(pool) == 1:
        return list(pool)
    ballots = options.scorer.slates(len(pool))
    # Ratings are absolute. The other marks depend on what else is shown and where, and are balanced only as a set.
    expected = 0 if options.judge == "rate" else sum(0 in slate for slate in ballots)

    def closed(opinions: Sequence[Marks]) -> bool:
        plurality = max(by_marks(pool, opinions, expected), key=lambda candidate: candidate.copies)
        ctx.offer(plurality, score=plurality.copies + len(opinions) / len(ballots))
        return decided(opinions, len(ballots) - len(opinions), len(pool), agreement(pool), expected)

    with ctx.span("judge", candidates=len(pool), ballots=len(ballots)) as span:
        judges = (options.scorer.marks(ctx, pool, slate) for slate in ballots)
        opinions = await ctx.collect(*judges, until=closed)
        span.attributes["scores"] = scores(pool, merits(pool, opinions, expected))
    return by_marks(pool, opinions, expected)


def agreement(pool: Sequence[Candidate]) -> npt.NDArray[np.float64]:
    """What the other samples' agreement adds to each candidate's mean mark, shape (len(pool),)."""
    sampled = sum(candidate.copies for candidate in pool)
    return np.array([AGREEMENT * (candidate.copies - 1) / sampled for candidate in pool], dtype=np.float64)


def merits(pool: Sequence[Candidate], opinions: Sequence[Marks], expected: int) -> npt.NDArray[np.float64]:
    """Return the judges' mean marks with what agreement adds to them, shape (len(pool),)."""
    return mean_marks(opinions, len(pool), expected) + agreement(pool)


def by_marks(pool: Sequence[Candidate], opinions: Sequence[Marks], expected: int) -> list[Candidate]:
    """Return the pool, best first; without any mark, by agreement and then brevity."""
    merit_of = merits(pool, opinions, expected)
    order = sorted(range(len(pool)), key=lambda number: (-merit_of[number], len(pool[number].text), number))
    return [pool[number] for number in order]
