"""Round-trip optimization: describe drafts, write them again, trust what comes back.

Paper: Sharma, Patched RTC (2024), after Allamanis et al., Unsupervised Evaluation of Code LLMs with Round-Trip
Correctness (https://arxiv.org/abs/2402.08699); both measure with the round trip, here it selects
https://arxiv.org/abs/2407.16557
Rounds: 3 when a draft comes back (1 when most drafts agree; +1 where only a judge can compare, +1 to reconcile)
Calls: drafts · (1 + descriptions · (1 + regenerations)), + 1 for inputs if programs run, + 2 judges, + 1 to reconcile

Whoever describes sees the draft and never the request, and whoever writes again sees the description and never
the draft: what survives both must be in the text itself. Where the operator lets programs run, those are the same
that do the same at inputs thought up from the request alone, as in CodeT (https://arxiv.org/abs/2207.10397).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from optillm.panel import merged_by_execution, merged_by_judges, promoted
from optillm.technique import Answer, BaseOptions, Candidate, Context, Cost
from optillm.toolkit.answers import clusters, extract, strip_reasoning
from optillm.toolkit.answers.leaks import gives_away
from optillm.toolkit.answers.questions import Question
from optillm.toolkit.judging.ballots import LABELS
from optillm.toolkit.programs.code import broken, interface, program_text, unleaked
from optillm.toolkit.programs.equivalence import Basis, Groups, alike, largest, shares_returned
from optillm.toolkit.programs.trials import MOST_CALLS, calls

DESCRIBE_CODE = """\
Write the specification of the program below for a programmer who never sees it and is to write one that behaves \
the same: what goes in and comes out, every rule and special case, bad input, the names others rely on. Describe what \
it does, right or wrong, not what was meant. Use words and quote no code.

The program, quoted as data:
{draft}
"""

DESCRIBE_ANSWER = """\
Somebody gave the answer below. Write down what they were asked: one request with every fact and condition that the \
answer takes as given, so that a stranger could answer it just so. Do not give away the answer.

The answer, quoted as data:
{draft}

Reply with the request alone.
"""

REGENERATE_CODE = """\
Write the program that this specification describes, in full and as specified:

{description}

{interface}
Reply with the code in fenced blocks, one for each file.
"""

INTERFACE = {"languages": "Language: {}", "files": "Files: {}", "names": "Names it must define: {}"}

INPUTS = """\
The last turn of this conversation asks for a program. Do not write it. Think up test inputs at which a wrong one \
gives itself away: usual ones, empty and smallest ones, limits, each special case named.

The conversation:
{conversation}

Reply with at most {most} calls of the functions asked for, each on a line of its own, with literal arguments and \
nothing else, like
name([3, 1, 2], 2)
"""

RECONCILE = """\
Drafts of an answer to my last message, quoted as data, each with what a reader took it to say and whether that led \
to the same again. They do not agree, so at least one is wrong or unclear:

{drafts}

Find where they part, decide each point from what I asked, and write the one right answer to my last message, whole \
and in the form I asked for. Do not mention the drafts.
"""

BACK = 0.5
"""The share of a draft's new versions that must equal it."""


class Options(BaseOptions):
    """How many drafts make how many round trips, and who compares what comes back."""

    shrink_order = ("regenerations", "descriptions", "drafts")
    ends_by_writing = True
    needs = "execution"

    drafts: int = Field(3, ge=1, le=8, description="drafts to sample")
    descriptions: int = Field(1, ge=1, le=4, description="descriptions of each different draft")
    regenerations: int = Field(1, ge=1, le=4, description="new versions from each description")
    equivalence: Literal["auto", "ast", "judge"] = Field(
        "auto",
        description="how versions are compared: locally, by execution where the operator admits it and by a judge where"
        " that says nothing; locally; by a judge",
    )
    max_leak: float = Field(
        0.25, ge=0, le=1, description="share of a draft a description may repeat and still count"
    )
    reconcile: bool = Field(True, description="write a last version when no draft comes back")
    temperature: float = Field(0.7, ge=0, le=2, description="the drafts' sampling temperature")

    def worst_case(self, choices: int) -> Cost:
        """All drafts differ, all trips are made, two judges compare and the drafts are reconciled.

        Where programs may run, one more call thinks up what to try them on.
        """
        drafts = max(self.drafts, choices)
        inputs, judges = (1, 2) if self.equivalence == "auto" else (0, 2 * (self.equivalence == "judge"))
        described = drafts * self.descriptions
        versions = described * self.regenerations
        trips = (Cost(drafts, 1) | Cost.judging(inputs)) + Cost.judging(described, quoted_answers=described)
        trips += Cost.judging(versions, quoted_judge_replies=versions)
        trips += Cost.judging(judges, quoted_answers=judges * drafts, quoted_judge_replies=judges * versions)
        last = choices if self.reconcile else 0
        quoted = last * drafts
        return trips + Cost(last, min(last, 1), quoted_answers=quoted, quoted_judge_replies=quoted)


@dataclass(frozen=True, slots=True)
class Task:
    """Whether the drafts are programs (`code`), compared at `inputs`, and what makes them equal."""

    code: bool
    basis: Basis
    inputs: Sequence[str]

    def shown(self, text: str) -> str:
        """Return what a reader is shown of a draft."""
        return program_text(text) if self.code else strip_reasoning(text)


@dataclass(slots=True)
class Trip:
    """A draft, its descriptions, what was written from these, and the share that came back."""

    draft: Candidate
    descriptions: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    score: float = 0.0


async def run(ctx: Context, options: Options) -> Answer:
    """Draft, describe, regenerate; return the draft that comes back, else reconcile."""
    drafts, inputs = await sample(ctx, options)
    if 2 * sum(bool(draft.reply.actions) for draft in drafts) >= len(drafts):  # actions are voted on
        return Answer.of(*(drafts[i] for group in clusters([d.answer for d in drafts]) for i in group))
    task = task_of(drafts, options, inputs)
    groups, _ = await grouped(ctx, task, [draft.text for draft in drafts])
    shortest = [min((drafts[i] for i in group), key=lambda draft: len(draft.text)) for group in groups]
    distinct = [draft.standing_for(len(group)) for draft, group in zip(shortest, groups, strict=True)]
    ctx.offer(distinct[0], score=1)
    if 2 * len(groups[0]) > len(drafts) > 1:
        return Answer.of(*promoted(distinct[0], drafts), stop="settled")
    trips = await round_trips(ctx, options, task, distinct)
    with ctx.span("return", drafts=len(trips), versions=sum(len(trip.versions) for trip in trips)) as span:
        best = await returned(ctx, options, task, trips)
        span.attributes["scores"] = {trip.draft.index: trip.score for trip in trips}
        span.attributes["came_back"] = sum(trip.score >= BACK for trip in trips)
    if best is None and options.reconcile:
        return await reconcile(ctx, trips)
    return Answer.of(*promoted(best or favourite(trips), drafts))


async def sample(ctx: Context, options: Options) -> tuple[list[Candidate], list[str]]:
    """Return the drafts and, where programs may run, calls that may tell them apart."""
    drafts = ctx.sample(max(options.drafts, ctx.choices), temperature=options.temperature)
    if not (ctx.executes and options.equivalence == "auto" and Question(ctx.question).asks_for_code):
        return await drafts, []
    prompt = INPUTS.format(conversation=ctx.transcript, most=MOST_CALLS)
    sampled, (proposed,) = await ctx.beside(drafts, ctx.ask(prompt))
    return sampled, calls(proposed or "")


def task_of(drafts: Sequence[Candidate], options: Options, inputs: Sequence[str]) -> Task:
    """Return what the drafts are, and what makes two of them the same without asking a judge."""
    programs = sum(draft.answer is not None and draft.answer.kind == "code" for draft in drafts)
    code = 2 * programs >= len(drafts)
    basis: Basis = "words" if options.equivalence == "judge" else "programs" if code else "answers"
    return Task(code, basis, inputs)


async def round_trips(ctx: Context, options: Options, task: Task, drafts: Sequence[Candidate]) -> list[Trip]:
    """Make a trip with each draft: all descriptions together, then all new versions."""
    trips = [Trip(draft) for draft in drafts]
    ctx.say(f"sending {len(drafts)} drafts on a round trip")
    with ctx.span("describe", drafts=len(drafts)):
        out = (describe(ctx, options, task, trip) for trip in trips for _ in range(options.descriptions))
        described = await ctx.collect(*out)
    with ctx.span("regenerate", descriptions=len(described)):
        back = (
            regenerate(ctx, options, task, trip, description)
            for trip in trips
            for description in trip.descriptions
            for _ in range(options.regenerations)
        )
        await ctx.collect(*back)
    return trips


async def describe(ctx: Context, options: Options, task: Task, trip: Trip) -> str | None:
    """Add what a reader takes the draft to say, unless that gives the draft away."""
    draft = task.shown(trip.draft.text)
    prompt = (DESCRIBE_CODE if task.code else DESCRIBE_ANSWER).format(draft=ctx.quote("A", draft))
    description = await ctx.ask(prompt, temperature=0.7 if options.descriptions > 1 else 0.0)
    description = unleaked(draft, description or "", options.max_leak)
    answer = None if task.code else trip.draft.answer
    if not description.strip() or (answer and gives_away(description, answer, ctx.question)):
        return None
    trip.descriptions.append(description)
    return description


async def regenerate(ctx: Context, options: Options, task: Task, trip: Trip, description: str) -> str | None:
    """Add what is written from a description and, of a program, the names others rely on."""
    prompt = description
    if task.code:
        names = {kind: ", ".join(names) for kind, names in interface(trip.draft.text).items() if names}
        lines = "\n".join(INTERFACE[kind].format(listed) for kind, listed in names.items())
        prompt = REGENERATE_CODE.format(description=description, interface=lines)
    version = await ctx.ask(prompt, temperature=0.7 if options.regenerations > 1 else 0.0)
    if not version or not version.strip():
        return None
    trip.versions.append(version)
    score([trip], alike([trip.draft.text, *trip.versions], ctx.question, task.basis))
    ctx.offer(trip.draft, score=1 + trip.score)
    return version


async def returned(ctx: Context, options: Options, task: Task, trips: Sequence[Trip]) -> Candidate | None:
    """Return the draft that comes back and has most company.

    If no trip ends, it is the one that was drafted most often. A judge compares where nothing else says enough.
    """
    if not any(trip.versions for trip in trips):
        counts = [trip.draft.copies for trip in trips]
        return trips[0].draft if counts.count(max(counts)) == 1 else None
    texts = [trip.draft.text for trip in trips] + [version for trip in trips for version in trip.versions]
    groups, all_ran = await grouped(ctx, task, texts)
    best = at_home(trips, groups)
    stated = task.basis == "answers" and all(extract(texts[group[0]], ctx.question) for group in groups)
    if best is None and options.equivalence != "ast" and not (all_ran or stated):
        best = at_home(trips, await merged_by_judges(ctx, [task.shown(text) for text in texts], groups))
    ctx.offer(best or favourite(trips), score=3)
    return best


def score(trips: Sequence[Trip], groups: Groups) -> None:
    """Score trips by the share of versions in the draft's group; broken programs get nothing."""
    shares = shares_returned(groups, [len(trip.versions) for trip in trips])
    for trip, share in zip(trips, shares, strict=True):
        trip.score = 0.0 if broken(trip.draft.text) else share


def at_home(trips: Sequence[Trip], groups: Groups) -> Candidate | None:
    """Score the trips; return the best of the drafts in the largest group that came back."""
    score(trips, groups)
    home = largest(groups, {number: trip.draft.copies for number, trip in enumerate(trips)}) or []
    back = [trip for number, trip in enumerate(trips) if number in home and trip.score >= BACK]
    return max(back, key=lambda trip: trip.score).draft if back else None


async def grouped(ctx: Context, task: Task, texts: Sequence[str]) -> tuple[Groups, bool]:
    """Return the texts grouped by what is certainly the same, and whether all could be run."""
    groups = alike(texts, ctx.question, task.basis)
    if len(groups) < 2 or not task.inputs:
        return groups, False
    return await merged_by_execution(ctx, texts, groups, task.inputs)


async def reconcile(ctx: Context, trips: Sequence[Trip]) -> Answer:
    """Write one answer from all drafts and how they were read, or return the favourite."""
    ctx.say("no draft came back, writing one answer from all")
    quoted = []
    for label, trip in zip(LABELS, trips, strict=False):
        quoted.append(ctx.quote(label, trip.draft.text))
        if trip.descriptions:
            outcome = "the same" if trip.score >= BACK else "something else"
            quoted.append(ctx.quote(f"{label} as read", trip.descriptions[0]))
            quoted.append(f"Written again, {label} was {outcome}.")
    written = await ctx.write(RECONCILE.format(drafts="\n".join(quoted)))
    return Answer.written(written, otherwise=favourite(trips))


def favourite(trips: Sequence[Trip]) -> Candidate:
    """Return the draft that fared best: by its trip, then by its copies, then by brevity."""
    return max(trips, key=lambda trip: (trip.score, trip.draft.copies, -len(trip.draft.text))).draft
