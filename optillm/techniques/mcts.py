"""Monte Carlo tree search: sample answers, refine the promising ones, return the best.

Paper: Zhang et al., Accessing GPT-4 level Mathematical Olympiad Solutions via Monte Carlo Tree Self-refine (2024)
https://arxiv.org/abs/2406.07394
Rounds: 2 · simulations (1 when the first answers all agree; +1 if two answers tie)
Calls: 2 · simulations · width (an expansion and an evaluation each), + proof at a tie

A node is a whole answer; an edge is a critique and the rewrite it led to. One simulation is a wave: `width`
expansions chosen without waiting for each other, evaluated together, backed up together. Whether to widen with a
fresh sample or to go deeper is an arm of the bandit (Inoue et al., AB-MCTS, https://arxiv.org/abs/2503.04412).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from optillm.panel import distinct_first, grouped, rank, unanimous
from optillm.proof import burden, presumed, upheld
from optillm.technique import Answer, BaseOptions, Candidate, Context, Cost
from optillm.toolkit.judging.ballots import orders
from optillm.toolkit.tree import PRIOR, Node, Tree

REFINE = """\
Improve this draft of an answer to my last message. First look for its most serious problem: go through it step by \
step, recompute what can be recomputed, and say which step fails and why, or that none does. Then write this line:
{marker}
After it write the improved, complete answer, in the form I asked for, without mentioning the draft.

{candidate}
"""

AGREEMENT = 0.4
"""The weight of the share of nodes that agree with an answer; the rest is the judges' mean mark."""
MOST_SHOWN = 8
"""Answers that a judge ranks at most."""
UNANIMOUS = 3
"""Answers that must agree, all of them, for a first wave to settle the search."""


class Options(BaseOptions):
    """The size and the shape of the search."""

    shrink_order = ("proof", "simulations", "width")

    simulations: int = Field(
        2, ge=1, le=64, description="waves of expansions", json_schema_extra={"flag": "simulations"}
    )
    exploration: float = Field(
        0.2,
        ge=0,
        le=5,
        description="weight of exploration in the upper confidence bound",
        json_schema_extra={"flag": "exploration"},
    )
    depth: int = Field(
        1,
        ge=0,
        le=8,
        description="refinements of one answer at most; 0 samples only",
        json_schema_extra={"flag": "depth"},
    )
    width: int = Field(4, ge=1, le=16, description="expansions of one wave, in parallel")
    temperature: float = Field(0.7, ge=0, le=2, description="sampling temperature")
    proof: int = Field(
        12,
        ge=0,
        le=16,
        description="comparisons between the two best answers if both are given equally often",
    )
    judge_model: str | None = Field(None, description="the model that judges; the request's own by default")

    def worst_case(self, choices: int) -> Cost:
        """The first answers do not agree, and every wave grows as wide as it may."""
        first, waves = max(self.width, choices), self.simulations - 1
        shown, judges = min(first, MOST_SHOWN), min(self.width, MOST_SHOWN) * waves
        refined = self.width * waves
        sampled = Cost(first, 1) + Cost.judging(shown, quoted_answers=shown * shown)
        grown = Cost(refined, waves, quoted_answers=refined)
        evaluated = Cost(judges, waves, judge_calls=judges, quoted_answers=judges * MOST_SHOWN)
        return sampled + grown + evaluated + burden(self.proof, first + refined)


@dataclass(slots=True)
class State:
    """An answer, and the marks in [0, 1] that judges gave it."""

    candidate: Candidate
    marks: list[float] = field(default_factory=list)

    def brevity(self) -> tuple[int, int]:
        """Return a key that sorts shorter answers before longer ones, and equals by their index."""
        return len(self.candidate.text), self.candidate.index

    def described(self) -> dict[str, Any]:
        """What the drawing of the tree says of it."""
        answer = self.candidate.answer and self.candidate.answer.value
        return {"answer": answer, "marks": len(self.marks), "candidate": self.candidate.index}


Search = Tree[State | None]
"""The root holds no answer, all other nodes do."""


async def run(ctx: Context, options: Options) -> Answer:
    """Expand, evaluate, back up, wave by wave; return the answers by value."""
    tree: Search = Tree(None, options.exploration, widening=True)
    with ctx.span("tree", kind="mcts") as span:
        first = await ctx.sample(max(options.width, ctx.choices), temperature=options.temperature)
        for candidate in first:
            tree.plant(tree.root, State(candidate))
        settled = len(first) >= UNANIMOUS and unanimous(first)
        for wave in range(options.simulations if not settled else 0):
            ctx.say(f"wave {wave + 1} of {options.simulations}")
            grown = await expand(ctx, tree, options) if wave else tree.nodes()
            await evaluate(ctx, tree, grown, options)
            ctx.offer(presumed(by_value(tree), by_value(tree)), score=1 + wave)
        span.attributes["tree"] = tree.render(lambda state: state.described() if state else {})
        span.attributes["scores"] = {
            state.candidate.index: value for states, value in valued(tree) for state in states
        }
    if settled:
        return Answer.of(*by_value(tree), stop="settled")
    # Refinements vote like samples: most of them are right more often than their drafts. Judges have chosen what was
    # refined, so the votes contain their opinion already: it only decides ties.
    ranked = by_value(tree)
    return Answer.of(
        *await upheld(ctx, ranked, ranked, options.proof, model=options.judge_model, ties_only=True)
    )


async def expand(ctx: Context, tree: Search, options: Options) -> list[Node[State | None]]:
    """Select a wave of nodes without waiting, then sample or refine at all of them together."""

    async def child(node: Node[State | None]) -> Node[State | None]:
        candidate = await (sample(ctx, options) if node.item is None else refine(ctx, node.item, options))
        return tree.add(node, State(candidate))

    selected = list(tree.wave(options.width, lambda node: node.depth <= options.depth))
    grown = await ctx.collect(*map(child, selected))
    tree.end_wave(selected)
    return grown


async def sample(ctx: Context, options: Options) -> Candidate:
    """A fresh answer."""
    return (await ctx.sample(1, temperature=options.temperature))[0]


async def refine(ctx: Context, state: State, options: Options) -> Candidate:
    """The better answer that a critique of this one leads to, without the critique."""
    draft = ctx.quote("draft", state.candidate.text)
    instruction = REFINE.format(marker=ctx.marker, candidate=draft)
    return (await ctx.sample(1, temperature=options.temperature, instructions=[instruction]))[0]


async def evaluate(ctx: Context, tree: Search, nodes: Sequence[Node[State | None]], options: Options) -> None:
    """As many judges as there are new nodes rank the answers in rotated orders.

    Then rewards are backed up. An answer no judge has placed is an abstention and counts as no visit.
    """
    rivals = [states[0] for states, _ in valued(tree)][:MOST_SHOWN]
    candidates = [rival.candidate for rival in rivals]
    ballots = orders(len(rivals), min(len(nodes), len(rivals)))
    with ctx.span("evaluate", answers=len(rivals), ballots=len(ballots)):
        judges = (rank(ctx, candidates, order, model=options.judge_model) for order in ballots)
        for marks in await ctx.collect(*judges):
            for index, mark in marks.items():
                rivals[index].marks.append(mark)
    value_of = {
        state.candidate.index: value if any(rival.marks for rival in states) else None
        for states, value in valued(tree)
        for state in states
    }
    for node in nodes:
        tree.backpropagate(node, value_of[node.item.candidate.index] if node.item else None)


def valued(tree: Search) -> list[tuple[list[State], float]]:
    """Return each answer's nodes and its value in [0, 1], the best answer first.

    The shortest node of an answer comes first. These nodes share their marks, and their share of all nodes counts too;
    a free-form answer has its own marks only.
    """
    state_of = {node.item.candidate.index: node.item for node in tree.nodes() if node.item}
    answers = []
    for group in grouped([state.candidate for state in state_of.values()]):
        states = [state_of[candidate.index] for candidate in group]
        marks = [mark for state in states for mark in state.marks]
        value = (sum(marks) + PRIOR) / (len(marks) + 1)  # shrunk: one lucky mark is no certainty
        if group[0].answer is not None:
            value = (1 - AGREEMENT) * value + AGREEMENT * len(group) / len(state_of)
        answers.append((sorted(states, key=State.brevity), value))
    return sorted(answers, key=lambda answer: (-answer[1], answer[0][0].brevity()))


def by_value(tree: Search) -> list[Candidate]:
    """Return all candidates, by value: the shortest for each answer, then the repetitions."""
    return distinct_first([[state.candidate for state in states] for states, _ in valued(tree)])
