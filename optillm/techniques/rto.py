"""Round-trip optimization: describe each draft, write it again from the description alone, trust what comes back.

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
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from optillm.chat import ReplyKind
from optillm.technique import Answer, BaseOptions, Candidate, Context, Cost
from optillm.toolkit.answers import clusters, extract, strip_reasoning
from optillm.toolkit.answers.leaks import gives_away
from optillm.toolkit.answers.questions import Question
from optillm.toolkit.judging.ballots import LABELS
from optillm.toolkit.judging.verdicts import Groups
from optillm.toolkit.programs.code import broken, interface, leaked, program_text, runnable, without_programs
from optillm.toolkit.programs.equivalence import alike, merged
from optillm.toolkit.programs.trials import MOST_CALLS, calls, outcomes, script

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

COMPARE = """\
Sort these versions of an answer to the last turn of a conversation into groups that come to the same: programs \
that behave alike on every input that matters, or texts that claim the same. Style, naming and wording do not count.

The conversation:
{conversation}

The versions, quoted as data:
{versions}

Say briefly where they part. Each label belongs to exactly one group; pick any of the largest.
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

    gives_way = ("regenerations", "descriptions", "drafts")
    ends_by_writing = True

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
        trips = Cost(drafts + inputs, 1, inputs) + Cost(described, 1, described, described)
        trips += Cost(versions, 1, versions, notes=versions)
        trips += Cost(judges, min(judges, 1), judges, judges * drafts, judges * versions)
        last = choices if self.reconcile else 0
        return trips + Cost(last, min(last, 1), quotes=last * drafts, notes=last * drafts)


@dataclass(slots=True)
class Trip:
    """A draft, what readers took it to say, what was written from that, and the share that came back the same."""

    draft: Candidate
    descriptions: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    score: float = 0.0


async def run(ctx: Context, options: Options) -> Answer:
    """Draft, describe, regenerate; return the draft that comes back, else reconcile."""
    drafts, tried = await drafted(ctx, options)
    if 2 * sum(bool(draft.reply.actions) for draft in drafts) >= len(drafts):  # actions are voted on
        return Answer.of(
            *(drafts[i] for group in clusters([draft.answer for draft in drafts]) for i in group)
        )
    code = 2 * sum(draft.answer is not None and draft.answer.kind == "code" for draft in drafts) >= len(
        drafts
    )
    texts = [draft.text for draft in drafts]
    groups, _ = await executed(ctx, texts, alike(texts, ctx.question, compared(options, code)), tried)
    distinct = [drafts[min(g, key=lambda i: len(drafts[i].text))].standing_for(len(g)) for g in groups]
    ctx.offer(distinct[0], score=1)
    if 2 * len(groups[0]) > len(drafts) > 1:
        return Answer.of(*first(distinct[0], drafts), stop="settled")
    trips = await round_trips(ctx, options, distinct, code)
    evidence = any(trip.versions for trip in trips)
    if not evidence and len(groups[0]) > max(map(len, groups[1:]), default=0):
        return Answer.of(*first(distinct[0], drafts))
    best = await returned(ctx, options, trips, code, tried) if evidence else None
    if best is None and options.reconcile:
        return await reconcile(ctx, trips)
    return Answer.of(*first(best or favourite(trips), drafts))


async def drafted(ctx: Context, options: Options) -> tuple[list[Candidate], list[str]]:
    """The drafts, and where programs may run, calls to tell them apart by, thought up beside them."""
    drafts = ctx.sample(max(options.drafts, ctx.choices), temperature=options.temperature)
    if not (ctx.executes and options.equivalence == "auto" and Question(ctx.question).asks_for_code):
        return await drafts, []
    prompt = INPUTS.format(conversation=ctx.transcript, most=MOST_CALLS)
    sampled, (proposed,) = await ctx.beside(drafts, ctx.ask(prompt))
    return sampled, calls(proposed or "")


async def round_trips(ctx: Context, options: Options, drafts: Sequence[Candidate], code: bool) -> list[Trip]:
    """One trip for each draft: all descriptions together, then all new versions."""
    trips = [Trip(draft) for draft in drafts]
    ctx.say(f"sending {len(drafts)} drafts on a round trip")
    out = [describe(ctx, options, trip, code) for trip in trips for _ in range(options.descriptions)]
    with ctx.span("describe", drafts=len(drafts)):
        async with aclosing(ctx.arriving(*out)) as arriving:
            described = [pair async for pair in arriving]
    for trip, description in described:
        trip.descriptions.append(description)
    back = [regenerate(ctx, options, *pair, code) for pair in described for _ in range(options.regenerations)]
    with ctx.span("regenerate", descriptions=len(described)):
        async with aclosing(ctx.arriving(*back)) as arriving:
            async for trip, version in arriving:
                trip.versions.append(version)
                texts = [trip.draft.text, *trip.versions]
                at_home([trip], alike(texts, ctx.question, compared(options, code)))
                ctx.offer(trip.draft, score=1 + trip.score)
    return trips


async def describe(ctx: Context, options: Options, trip: Trip, code: bool) -> tuple[Trip, str] | None:
    """Return what a reader who knows only the draft takes it to say; `None` when that gives the draft away."""
    shown = program_text(trip.draft.text) if code else strip_reasoning(trip.draft.text)
    prompt = (DESCRIBE_CODE if code else DESCRIBE_ANSWER).format(draft=ctx.quote("A", shown))
    description = await ctx.ask(prompt, temperature=0.7 if options.descriptions > 1 else 0.0)
    if description and leaked(shown, description) > options.max_leak:
        description = without_programs(description)
    if not description or not description.strip() or leaked(shown, description) > options.max_leak:
        return None
    leak = not code and trip.draft.answer and gives_away(description, trip.draft.answer, ctx.question)
    return None if leak else (trip, description)


async def regenerate(
    ctx: Context, options: Options, trip: Trip, description: str, code: bool
) -> tuple[Trip, str] | None:
    """What is written from a description alone; of the draft only the names others rely on are known."""
    prompt = description
    if code:
        names_by_kind = {
            kind: ", ".join(names) for kind, names in interface(trip.draft.text).items() if names
        }
        lines = "\n".join(INTERFACE[kind].format(names) for kind, names in names_by_kind.items())
        prompt = REGENERATE_CODE.format(description=description, interface=lines)
    version = await ctx.ask(prompt, temperature=0.7 if options.regenerations > 1 else 0.0)
    return (trip, version) if version and version.strip() else None


async def returned(
    ctx: Context, options: Options, trips: Sequence[Trip], code: bool, tried: Sequence[str]
) -> Candidate | None:
    """The draft that came back and has most company; a judge compares where nothing else says enough."""
    texts = [trip.draft.text for trip in trips] + [version for trip in trips for version in trip.versions]
    groups = alike(texts, ctx.question, compared(options, code))
    groups, all_ran = await executed(ctx, texts, groups, tried)
    best = at_home(trips, groups)
    stated = not code and all(extract(texts[group[0]], ctx.question) for group in groups)
    decided = all_ran or (stated and options.equivalence == "auto")
    if best is None and options.equivalence != "ast" and not decided:
        shown = [program_text(text) if code else strip_reasoning(text) for text in texts]
        best = at_home(trips, await judged(ctx, shown, groups))
    ctx.offer(best or favourite(trips), score=3)
    return best


def at_home(trips: Sequence[Trip], groups: Sequence[Sequence[int]]) -> Candidate | None:
    """Score each trip by its versions in its draft's group, and give the draft that is at home in the largest.

    `groups` number the drafts first and then their versions. A program that does not even parse never comes
    back; where two groups are equally large, neither is the largest.
    """
    home = {i: index for index, group in enumerate(groups) for i in group}
    size = [len(group) for group in groups]
    start = len(trips)
    for number, trip in enumerate(trips):
        own = range(start, start := start + len(trip.versions))
        same = sum(home[i] == home[number] for i in own)
        trip.score = same / len(own) if own and not broken(trip.draft.text) else 0.0
        size[home[number]] += trip.draft.copies - 1
    largest = [index for index in range(len(groups)) if size[index] == max(size)]
    back = [t for number, t in enumerate(trips) if [home[number]] == largest and t.score >= BACK]
    return max(back, key=lambda trip: trip.score).draft if back else None


async def executed(
    ctx: Context, texts: Sequence[str], groups: list[list[int]], tried: Sequence[str]
) -> tuple[list[list[int]], bool]:
    """The groups, those made one whose programs do the same at all calls tried, and whether all could be run.

    A program that fails or is refused keeps to itself: that costs it the company of others, and nothing else.
    """
    if len(groups) < 2 or not tried:
        return groups, False

    async def outcome(text: str) -> tuple[str, tuple[str, ...]] | None:
        program = runnable(text)
        printed = outcomes(await ctx.execute(script(program[0], tried))) if program else None
        return (printed, program[1]) if printed and program else None

    with ctx.span("execute", versions=len(groups), calls=len(tried)):
        results = await ctx.gather(*(outcome(texts[group[0]]) for group in groups))
    kinds = [*dict.fromkeys(results)]
    same = {g: kinds.index(result) for g, result in enumerate(results) if result}
    return merged(groups, [same]), None not in results


async def judged(ctx: Context, texts: Sequence[str], groups: list[list[int]]) -> list[list[int]]:
    """Return the groups, merging those that two judges, who see them in opposite orders, both put together."""
    shown = range(len(groups))[: len(LABELS)]

    async def opinion(order: Sequence[int]) -> dict[int, int]:
        versions = "\n".join(ctx.quote(LABELS[i], texts[groups[g][0]]) for i, g in enumerate(order))
        prompt = COMPARE.format(conversation=ctx.transcript, versions=versions)
        verdict = await ctx.ask(prompt, verdict=Groups, labels=LABELS[: len(order)])
        stated = enumerate(verdict.groups if verdict else ())
        places = {label: index for index, labels in stated for label in labels}
        return {g: places[LABELS[i]] for i, g in enumerate(order) if LABELS[i] in places}

    ctx.say(f"comparing {len(groups)} versions")
    with ctx.span("compare", versions=len(groups)):
        async with aclosing(ctx.arriving(opinion(shown), opinion(shown[::-1]))) as arriving:
            return merged(groups, [opinion_ async for opinion_ in arriving])


async def reconcile(ctx: Context, trips: Sequence[Trip]) -> Answer:
    """Write one answer from all drafts and how they were read; the favourite stands in for a refusal."""
    ctx.say("no draft came back, writing one answer from all")
    quoted = []
    for label, trip in zip(LABELS, trips, strict=False):
        quoted.append(ctx.quote(label, trip.draft.text))
        if trip.descriptions:
            outcome = "the same" if trip.score >= BACK else "something else"
            quoted += [
                ctx.quote(f"{label} as read", trip.descriptions[0]),
                f"Written again, {label} was {outcome}.",
            ]
    written = await ctx.write(RECONCILE.format(drafts="\n".join(quoted)))
    answers = [candidate for candidate in written if candidate.reply.kind is not ReplyKind.REFUSAL]
    return Answer.of(*answers, *([] if answers else [favourite(trips)]))


def compared(options: Options, code: bool) -> Literal["programs", "answers", "words"]:
    """What makes two versions the same without asking a judge."""
    if options.equivalence == "judge":
        return "words"
    return "programs" if code else "answers"


def favourite(trips: Sequence[Trip]) -> Candidate:
    """The draft that fared best: by its trip, then by its copies, then by brevity."""
    return max(trips, key=lambda trip: (trip.score, trip.draft.copies, -len(trip.draft.text))).draft


def first(best: Candidate, drafts: Sequence[Candidate]) -> list[Candidate]:
    """The drafts, the best one before the others."""
    return [best, *(draft for draft in drafts if draft.index != best.index)]
