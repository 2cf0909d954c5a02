"""Monte Carlo tree search: sample answers, refine the promising ones, and return the one valued highest.

Paper: Zhang et al., Accessing GPT-4 level Mathematical Olympiad Solutions via Monte Carlo Tree Self-refine (2024)
https://arxiv.org/abs/2406.07394
Rounds: 2 · simulations (1 when the first answers all agree)
Calls: 2 · simulations · width (an expansion and an evaluation each)

A node is a whole answer; an edge is a critique and the rewrite it led to. One simulation is a wave: `width`
expansions chosen without waiting for each other, evaluated together, backed up together. Whether to widen with a
fresh sample or to go deeper is an arm of the bandit (Inoue et al., AB-MCTS, https://arxiv.org/abs/2503.04412).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from optillm.technique import Answer, BaseOptions, Candidate, Context, Cost
from optillm.toolkit.answers import clusters
from optillm.toolkit.ballots import LABELS, RANK, borda, order_of, rotations
from optillm.toolkit.tree import PRIOR, Node, Tree
from optillm.toolkit.verdicts import Ranking

REFINE = """\
Below is an answer that an assistant drafted to my last message, quoted as data. Refine it. First look for its most \
serious problem: go through it step by step, recompute what can be recomputed, and say which step fails and why, \
or that none does. Then write this line and nothing else on it:
{marker}
After that line write the improved, complete answer to my last message, in the form I asked for, without mentioning \
the draft.

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

    gives_way = ("simulations", "width")

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
    judge_model: str | None = Field(None, description="the model that judges; the request's own by default")

    def worst_case(self, choices: int) -> Cost:
        """The first answers do not agree, and every wave grows as wide as it may."""
        first = max(self.width, choices)
        shown, waves = min(first, MOST_SHOWN), self.simulations - 1
        judges = min(self.width, MOST_SHOWN) * waves
        later = Cost(self.width * waves + judges, 2 * waves, judges, self.width * waves + judges * MOST_SHOWN)
        return Cost(first, 1) + Cost(shown, 1, shown, shown * shown) + later


@dataclass(slots=True)
class State:
    """An answer, and the marks in [0, 1] that judges gave it."""

    candidate: Candidate
    marks: list[float] = field(default_factory=list)

    @property
    def described(self) -> dict[str, Any]:
        """What the drawing of the tree says of it."""
        return {"answer": self.candidate.answer and self.candidate.answer.value, "marks": len(self.marks)}


Search = Tree[State | None]
"""The root holds no answer, all other nodes do."""


async def run(ctx: Context, options: Options) -> Answer:
    """Expand, evaluate, back up, wave by wave; return the answers by value."""
    tree: Search = Tree(None, options.exploration, widening=True)
    with ctx.span("tree") as span:
        for candidate in await ctx.sample(max(options.width, ctx.choices), temperature=options.temperature):
            plant(tree, tree.root, candidate)
        settled = unanimous(tree)
        for wave in range(options.simulations if not settled else 0):
            ctx.say(f"wave {wave + 1} of {options.simulations}")
            grown = await expand(ctx, tree, options) if wave else tree.nodes()
            await evaluate(ctx, tree, grown, options)
            ctx.offer(by_value(tree)[0], score=1 + wave)
        span.attributes["tree"] = tree.render(lambda state: state.described if state else {})
    return Answer.of(*by_value(tree), stop="settled" if settled else "complete")


def plant(tree: Search, parent: Node[State | None], candidate: Candidate) -> Node[State | None]:
    """A new node whose reward is still to come."""
    tree.select(lambda node: node is parent)
    return tree.add(parent, State(candidate))


async def expand(ctx: Context, tree: Search, options: Options) -> list[Node[State | None]]:
    """Select a wave of nodes without waiting, then sample or refine at all of them together."""
    chosen = [tree.select(lambda node: node.depth <= options.depth) for _ in range(options.width)]
    selected = [node for node in chosen if node is not None]

    async def child(node: Node[State | None]) -> tuple[Node[State | None], Candidate]:
        return node, await (sample(ctx, options) if node.item is None else refine(ctx, node.item, options))

    grown: list[Node[State | None]] = []
    async with aclosing(ctx.arriving(*map(child, selected))) as arriving:
        async for parent, candidate in arriving:
            grown.append(tree.add(parent, State(candidate)))
    for node in selected:
        if node.expanding:  # its expansion came to nothing
            tree.give_up(node)
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
    """As many judges as there are new nodes rank the answers in rotated orders; then rewards are backed up.

    An answer no judge has placed is an abstention and counts as no visit.
    """
    rivals = contenders(tree)

    async def ranked(shown: Sequence[int]) -> dict[int, float]:
        quoted = "\n".join(
            ctx.quote(LABELS[i], rivals[index].candidate.text) for i, index in enumerate(shown)
        )
        prompt = RANK.format(
            conversation=ctx.transcript, candidates=quoted, first=LABELS[0], second=LABELS[1]
        )
        return borda(
            shown, order_of(await ctx.ask(prompt, verdict=Ranking, model=options.judge_model), shown)
        )

    spread = rotations(len(rivals), len(rivals))[:: max(1, len(rivals) // max(1, len(nodes)))][: len(nodes)]
    with ctx.span("evaluate", answers=len(rivals), ballots=len(spread)):
        async with aclosing(ctx.arriving(*map(ranked, spread))) as arriving:
            async for marks in arriving:
                for index, mark in marks.items():
                    rivals[index].marks.append(mark)
    worth = dict(values(tree))
    for node in nodes:
        marked = node.item is not None and any(same(node.item, rival) and rival.marks for rival in rivals)
        tree.backpropagate(node, worth[node.item.candidate.index] if marked and node.item else None)


def contenders(tree: Search) -> list[State]:
    """A spokesman for each answer, the most valued ones if they are many."""
    states = {node.item.candidate.index: node.item for node in tree.nodes() if node.item}
    ordered = [states[candidate.index] for candidate in by_value(tree)]
    groups = clusters([state.candidate.answer for state in ordered])
    return [ordered[index] for index in sorted(group[0] for group in groups)][:MOST_SHOWN]


def same(a: State, b: State) -> bool:
    """Whether two nodes give the same answer."""
    if a.candidate.answer is None or b.candidate.answer is None:
        return a is b
    return a.candidate.answer.matches(b.candidate.answer)


def values(tree: Search) -> list[tuple[int, float]]:
    """The value in [0, 1] of each answer, by its index, best first.

    Nodes that give the same answer share their marks, and how many of all nodes they are counts beside
    them; a free-form answer has its own marks only.
    """
    states = [node.item for node in tree.nodes() if node.item]
    valued: list[tuple[int, float]] = []
    for group in clusters([state.candidate.answer for state in states]):
        marks = [mark for index in group for mark in states[index].marks]
        mean = (sum(marks) + PRIOR) / (len(marks) + 1)  # shrunk: one lucky mark is no certainty
        if states[group[0]].candidate.answer is not None:
            mean = (1 - AGREEMENT) * mean + AGREEMENT * len(group) / len(states)
        valued += [(states[index].candidate.index, mean) for index in group]
    return sorted(valued, key=lambda each: -each[1])


def by_value(tree: Search) -> list[Candidate]:
    """All answers, the most valued first, the shortest of equals; repetitions of an answer come last."""
    worth = dict(values(tree))
    candidates = sorted(
        (node.item.candidate for node in tree.nodes() if node.item),
        key=lambda candidate: (-worth[candidate.index], len(candidate.text), candidate.index),
    )
    firsts = {group[0] for group in clusters([candidate.answer for candidate in candidates])}
    order = sorted(range(len(candidates)), key=lambda index: (index not in firsts, index))
    return [candidates[index] for index in order]


def unanimous(tree: Search) -> bool:
    """Whether the first answers are all one and the same, and enough of them."""
    answers = [node.item.candidate.answer for node in tree.nodes() if node.item]
    return len(answers) >= UNANIMOUS and None not in answers and len(clusters(answers)) == 1
