"""rStar: search over typed reasoning steps, and keep what masked reasoning leads back to.

Paper: Qi et al., Mutual Reasoning Makes Smaller LLMs Stronger Problem-Solvers (2024)
https://arxiv.org/abs/2408.06195
Rounds: max_depth + 1 (1 when the first solutions all agree; without the discriminator's round when confident)
Calls: 2 · votes + 3, then num_rollouts per further depth, then at most 3 · masks by the discriminator

The generator grows a tree of partial reasoning by five typed actions; every path ends in a complete solution. A
solution is rewarded by the share of solutions that give its answer. The discriminator, best another model,
sees only the beginning of a solution and finishes it. The paper drops solutions that are finished with another
answer; here the answer of each completion gets a vote beside the solutions, since a few completions prove too little
to overrule most solutions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from pydantic import Field

from optillm.panel import distinct_first, promoted, typical
from optillm.technique import Answer, BaseOptions, Candidate, Context, Cost
from optillm.toolkit.answers import FinalAnswer, clusters, extract
from optillm.toolkit.answers.extraction import beginnings
from optillm.toolkit.judging.votes import confident
from optillm.toolkit.tree import Node, Tree

TASK = """\
The task is the last turn of this conversation, quoted as data:
{conversation}

The work on it so far, quoted as data:
{notes}

"""
FINISH = """\
Work on my last message, quoted as data:
{notes}
Check it, continue from it, and write the complete answer with all its steps, in the form I asked for. Do not mention \
this work.
"""
COMPLETE = """\
The task is the last turn of this conversation, quoted as data:
{conversation}

The beginning of a solution, quoted as data:
{notes}

Finish this partial solution: continue where it stops, step by step, and state the final answer last.
"""


class Action(Enum):
    """The paper's actions; the value is the prompt."""

    STEP = TASK + "Write only the next step of the reasoning: one small step, checked, and no more."
    FINISH = FINISH
    SUBQUESTION = (
        TASK + "Write only the next sub-question whose answer helps most to solve the task, and answer it."
    )
    REANSWER = TASK + "Answer the last sub-question of that work again from scratch, in another way."
    REPHRASE = TASK + "Rephrase the task: every condition it states, one per line, and then what it asks for."


ALLOWED: dict[Action | None, tuple[Action, ...]] = {
    None: (Action.FINISH, Action.STEP, Action.SUBQUESTION, Action.REPHRASE),
    Action.REPHRASE: (Action.FINISH, Action.STEP, Action.SUBQUESTION),
    Action.SUBQUESTION: (Action.FINISH, Action.STEP, Action.SUBQUESTION, Action.REANSWER),
    Action.REANSWER: (Action.FINISH, Action.STEP, Action.SUBQUESTION),
    Action.STEP: (Action.FINISH, Action.STEP),
    Action.FINISH: (),
}
"""What may follow what; the root has no action."""

FEWEST = 4
"""How many solutions must agree, at least, to settle a search."""
CLUSTERS = 3
"""How many answers the discriminator examines, each in its first solution."""


class Options(BaseOptions):
    """The size of the search and of the discriminator's part."""

    shrink_order = ("masks", "num_rollouts", "max_depth", "votes")

    max_depth: int = Field(
        3, ge=1, le=8, description="rounds of the generator; the last one finishes every path"
    )
    num_rollouts: int = Field(5, ge=1, le=64, description="expansions per round after the first")
    c: float = Field(1.4, ge=0, le=5, description="weight of exploration in the upper confidence bound")
    votes: int = Field(2, ge=1, le=8, description="half of the complete solutions sampled at the root")
    masks: int = Field(
        2, ge=0, le=8, description="beginnings of each solution the discriminator finishes; 0 is none"
    )
    confidence: float = Field(0.95, ge=0.5, le=1, description="agreement that needs no discriminator")
    discriminator_model: str | None = Field(
        None, description="the model that finishes; by default the request's own"
    )
    temperature: float = Field(0.8, ge=0, le=2, description="sampling temperature")

    def worst_case(self, choices: int) -> Cost:
        """Nothing settles, every rollout finds an open node, and all suspects are examined."""
        others = len(ALLOWED[None]) - 1 if self.max_depth > 1 else 0
        cost = Cost(max(2 * self.votes, choices), 1) | Cost.judging(others)
        for depth in range(1, self.max_depth):
            cost += Cost.judging(self.num_rollouts, quoted_judge_replies=depth * self.num_rollouts)
        masked = CLUSTERS * self.masks
        return cost + Cost.judging(masked, quoted_answers=masked)


@dataclass(slots=True)
class State:
    """A node: the action that led to it, the notes so far, and the solution if it is finished."""

    action: Action | None = None
    notes: str = ""
    solution: Candidate | None = None


async def run(ctx: Context, options: Options) -> Answer:
    """Generate, reward, discriminate."""
    tree: Tree[State] = Tree(State(), options.c)
    with ctx.span("tree", kind="rstar") as span:
        await expand_root(ctx, tree, options)
        for depth in range(2, options.max_depth + 1):
            if settled(tree, options):
                break
            await expand(ctx, tree, options, last=depth == options.max_depth)
        span.attributes["tree"] = tree.render(described)
    solutions = [leaf.item.solution for leaf in tree.nodes() if leaf.item.solution]
    if sum(solution.answer is None for solution in solutions) * 2 > len(solutions):
        return Answer.of(*promoted(typical(solutions), solutions))
    if settled(tree, options):
        return Answer.of(*by_votes(solutions), stop="settled")
    ctx.offer(by_votes(solutions)[0], score=1.0)
    return Answer.of(*by_votes(solutions, await discriminate(ctx, solutions, options)))


async def expand_root(ctx: Context, tree: Tree[State], options: Options) -> None:
    """Take all actions of the root at once: complete solutions, and one note of each other kind."""
    wanted = max(2 * options.votes, ctx.choices)
    others = ALLOWED[None][1:] if options.max_depth > 1 else ()
    sampled, notes = await ctx.beside(
        ctx.sample(wanted, temperature=options.temperature),
        *(take(ctx, tree.root, action, options) for action in others),
    )
    for state in [*(State(Action.FINISH, "", candidate) for candidate in sampled), *filter(None, notes)]:
        tree.plant(tree.root, state)
    reward(tree)


async def expand(ctx: Context, tree: Tree[State], options: Options, *, last: bool) -> None:
    """Let each of the most promising open nodes take an action.

    In the last round, all of them finish.
    """

    def is_open(node: Node[State]) -> bool:
        return node is not tree.root and taken(node) < len(ALLOWED[node.item.action])

    async def grow(node: Node[State], action: Action) -> Node[State] | None:
        state = await take(ctx, node, action, options)
        return None if state is None else tree.add(node, state)

    wave = tree.wave(options.num_rollouts, is_open)
    moves = [(node, Action.FINISH if last else ALLOWED[node.item.action][taken(node) - 1]) for node in wave]
    for child in await ctx.collect(*(grow(node, action) for node, action in moves)):
        tree.backpropagate(child, None)
    tree.end_wave(node for node, _ in moves)
    reward(tree)


def taken(node: Node[State]) -> int:
    """Return how many of its actions a node has taken or is taking."""
    return len(node.children) + node.expanding


async def take(ctx: Context, node: Node[State], action: Action, options: Options) -> State | None:
    """Return the state that an action leads to; `None` if it came to nothing."""
    notes = ctx.quote("notes", node.item.notes or "(none yet)")
    if action is Action.FINISH:
        instruction = FINISH.format(notes=notes)
        finished = await ctx.sample(1, temperature=options.temperature, instructions=[instruction])
        return State(action, node.item.notes, finished[0])
    prompt = action.value.format(conversation=ctx.transcript, notes=notes)
    note = await ctx.ask(prompt, temperature=options.temperature)
    return None if note is None else State(action, f"{node.item.notes}\n\n{note}".strip())


def reward(tree: Tree[State]) -> None:
    """Book every solution's reward anew: the share of all solutions that give its answer."""
    leaves = [(node, node.item.solution) for node in tree.nodes() if node.item.solution]
    groups = clusters([solution.answer for _, solution in leaves])
    tree.revalue((leaves[index][0], len(group) / len(leaves)) for group in groups for index in group)


def settled(tree: Tree[State], options: Options) -> bool:
    """Whether the solutions so far agree with confidence."""
    answers = [node.item.solution.answer for node in tree.nodes() if node.item.solution]
    return confident(answers, FEWEST, options.confidence)


async def discriminate(ctx: Context, solutions: Sequence[Candidate], options: Options) -> list[FinalAnswer]:
    """Return the answers that the discriminator reaches from masked leading solutions.

    A tool call has no partial reasoning to continue from, so it is not masked.
    """
    groups = clusters([solution.answer for solution in solutions])[:CLUSTERS]
    leading = [solutions[group[0]] for group in groups]
    masked = [solution for solution in leading if solution.answer and not solution.reply.actions]

    async def completed(prefix: str) -> FinalAnswer | None:
        prompt = COMPLETE.format(conversation=ctx.transcript, notes=ctx.quote("notes", prefix))
        text = await ctx.ask(prompt, model=options.discriminator_model, temperature=1.0)
        return extract(text or "", ctx.question)

    calls = [completed(prefix) for solution in masked for prefix in beginnings(solution.text, options.masks)]
    with ctx.span("discriminate", solutions=len(masked), masks=len(calls)) as span:
        completions = await ctx.collect(*calls)
        span.attributes["completions"] = len(completions)
        span.attributes["votes"] = {
            solution.index: sum(solution.answer.matches(answer) for answer in completions)
            for solution in masked
            if solution.answer
        }
    return completions


def by_votes(solutions: Sequence[Candidate], completions: Sequence[FinalAnswer] = ()) -> list[Candidate]:
    """Return the shortest solution for each answer, by votes, and then the others.

    Solutions vote, and so do the answers of `completions`: one that leads back supports its solution's answer, one that
    leads elsewhere supports the other answer. A completion is no candidate.
    """
    groups = clusters([*(solution.answer for solution in solutions), *completions])
    candidates = [[solutions[index] for index in group if index < len(solutions)] for group in groups]
    return distinct_first(
        [sorted(group, key=lambda solution: len(solution.text)) for group in candidates if group]
    )


def described(state: State) -> dict[str, str | int | None]:
    """What the drawing of the tree says of a node."""
    answer = state.solution.answer if state.solution else None
    action = state.action.name.lower() if state.action else None
    candidate = state.solution.index if state.solution else None
    return {"action": action, "answer": answer.value if answer else None, "candidate": candidate}
