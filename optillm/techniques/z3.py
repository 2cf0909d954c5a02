"""Solver-aided: formalise the task beside a direct answer, and let an exact solver decide.

Paper: Ye et al., SatLM: Satisfiability-Aided Language Models Using Declarative Prompting (2023)
https://arxiv.org/abs/2305.09656
Rounds: 1 when the solver confirms the direct answer or nothing can be formalised, else 2; +1 per repair
Calls: formalizations + 1 (+1 to put the result into words, + up to formalizations per repair)

Formalisations agree or do not, as in LINC (https://arxiv.org/abs/2310.15164); the solver's complaints, unsat cores
and second solutions go back for repair, as in Logic-LM (https://arxiv.org/abs/2305.12295). Programs run in the
sandbox of `optillm.sandbox` and nowhere else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from pydantic import Field

from optillm.sandbox import SandboxLimits, check, prepare, solve
from optillm.sandbox.conclusions import Finding, concluded, printed
from optillm.sandbox.formalisation import Formalisation
from optillm.technique import Answer, BaseOptions, Candidate, Context, Cost
from optillm.toolkit.answers import FinalAnswer, canonical, extract
from optillm.toolkit.answers.extraction import fences
from optillm.toolkit.answers.questions import question_of

FORMALISE = """\
Formalise a task for an SMT solver; do not solve it. The task is the last turn of this conversation, quoted as data:
{conversation}

If it is about quantities, order, assignment, logic or optimisation, write SMT-LIB 2: declarations, definitions and \
one assert for each fact it states, with telling names, and no other command. Kinds of task:
- model: find the values of some variables; name those that the question asks for in answer_vars
- optimize: the same, with query holding one term such as "(maximize profit)"
- entail: does a statement follow? query holds the statement as one Boolean term
- choice: which of several options holds? options holds their texts, query one Boolean term for each
- count: how many solutions are there?
First say in a sentence or two how you model the task. Then end with one object of JSON, like
{{"applicable": true, "kind": "model", "smt2": "(declare-const x Int) (assert (= (+ x 3) 5))", "answer_vars": ["x"], \
"query": [], "options": []}}
or, for a task that no solver can help with, {{"applicable": false}}
"""

PROGRAM = """\
Write a program that solves a task exactly; do not solve it. The task is the last turn of this conversation, quoted as \
data:
{conversation}

Write Python with z3 (from z3 import *) or sympy in one fenced block. No input, no files, no other packages. It states \
every fact of the task as a constraint or an equation and prints nothing but the answer. If no such program can help, \
answer with the one word inapplicable.
"""

REPAIR = """\
A formalisation of a task did not work. The task is the last turn of this conversation, quoted as data:
{conversation}

The formalisation, quoted as data:
{formalisation}

What the solver says of it, quoted as data:
{complaint}

Repair the formalisation: find the fact it states wrongly or leaves out, or the error in its notation, and write it \
again whole, in the same format.
"""

VERBALISE = """\
A solver has worked on my last message. Its result, quoted as data, is certain for the formalisation given with it:
{facts}
{drafts}
Check that the formalisation says what I said. If it does, answer my last message from the result, in the form I asked \
for, with the reasoning a reader needs. Do not mention the solver or the drafts.
"""


class Options(BaseOptions):
    """How many formalisations, in which language, and what they may cost."""

    shrink_order = ("max_repairs", "formalizations")
    ends_by_writing = True

    formalizations: int = Field(2, ge=1, le=8, description="formalisations to ask for")
    lang: Literal["auto", "smt2", "python"] = Field(
        "smt2", description="SMT-LIB, a Python program, or auto: one of each, as far as they go round"
    )
    max_repairs: int = Field(2, ge=0, le=5, description="rounds of repair at most")
    temperature: float = Field(
        0.7, ge=0, le=2, description="sampling temperature of all formalisations but the first"
    )
    solver_seconds: float = Field(10, ge=0.5, le=60, description="seconds one program may run")
    require_unique: bool = Field(
        True, description="hand a formalisation with several solutions back for repair"
    )

    def worst_case(self, choices: int) -> Cost:
        """Every formalisation needs every repair, and the result has to be put into words."""
        formalised = self.formalizations
        repaired = self.max_repairs * formalised
        tried = Cost(choices, 1) | Cost.judging(formalised)
        tried += Cost(repaired, self.max_repairs, judge_calls=repaired, quoted_judge_replies=2 * repaired)
        return tried + Cost(choices, 1, quoted_answers=choices, quoted_judge_replies=2 * choices)

    @property
    def limits(self) -> SandboxLimits:
        """What one program may take."""
        return SandboxLimits(wall=self.solver_seconds, check=self.solver_seconds / 2)


@dataclass(frozen=True, slots=True)
class Result:
    """What the solver finds of a formalisation, and the answer if that is one value."""

    formalisation: Formalisation
    finding: Finding
    answer: FinalAnswer | None


async def run(ctx: Context, options: Options) -> Answer:
    """Formalise beside a direct answer; solve; repair; say what is certain.

    A request for a program cannot be formalised, so it gets the direct answer alone.
    """
    if question_of(ctx.question).asks_for_program:
        return Answer.of(*await ctx.write())
    direct, formalised = await first_round(ctx, options)
    results: list[Result] = []
    for repairs_left in range(options.max_repairs, -1, -1):
        with ctx.span("solve", formalisations=len(formalised)) as span:
            outcomes = await solve_all(ctx, formalised, options)
            solved = [outcome for outcome in outcomes if outcome.finding.facts]
            results += solved
            span.attributes.update(solved=len(solved), confirmed=confirmed(direct, results))
            span.texts["findings"] = [str(o.finding.facts or o.finding.complaint) for o in outcomes]
        if confirmed(direct, results):
            return Answer.of(*direct, stop="settled")
        faulty = [outcome for outcome in outcomes if outcome.finding.complaint]
        if agreed(results) or not faulty or not repairs_left:
            break
        formalised = await repair(ctx, faulty, options)
    if direct and not results:
        return Answer.of(*direct)
    return Answer.of(*await verbalise(ctx, best(results), direct), *direct)


async def first_round(ctx: Context, options: Options) -> tuple[list[Candidate], list[Formalisation]]:
    """Return a direct answer and formalisations, requested together; either may be missing."""
    direct: list[Candidate] = []

    async def answer() -> list[Formalisation]:
        for candidates in await ctx.collect(ctx.sample(ctx.choices)):
            direct.extend(candidates)
        return []

    python = [in_python(options, index) for index in range(options.formalizations)]
    prompts = [(PROGRAM if each else FORMALISE).format(conversation=ctx.transcript) for each in python]
    _, formalised = await ctx.gather(answer(), formalise(ctx, prompts, python, options))
    return direct, formalised


async def formalise(
    ctx: Context, prompts: Sequence[str], python: Sequence[bool], options: Options
) -> list[Formalisation]:
    """Return the applicable formalisations of these prompts, the first at temperature 0."""

    async def one(index: int, prompt: str) -> Formalisation | None:
        temperature = options.temperature if index else 0.0
        if not python[index]:
            return await ctx.ask(prompt, verdict=Formalisation, temperature=temperature)
        _, blocks = fences(await ctx.ask(prompt, temperature=temperature) or "")
        return Formalisation(applicable=True, program=blocks[-1].content) if blocks else None

    prepare(len(prompts), options.limits)
    written = await ctx.collect(*(one(index, prompt) for index, prompt in enumerate(prompts)))
    return [each for each in written if each.applicable and each.source.strip()]


def in_python(options: Options, index: int) -> bool:
    """Return whether the formalisation with this index is to be a program."""
    return options.lang == "python" or (options.lang == "auto" and index % 2 == 1)


async def repair(ctx: Context, faulty: Sequence[Result], options: Options) -> list[Formalisation]:
    """Return new versions of the formalisations that did not work, requested together."""

    def prompt(result: Result) -> str:
        formalisation = result.formalisation.model_dump_json(exclude_defaults=True)
        return REPAIR.format(
            conversation=ctx.transcript,
            formalisation=ctx.quote("formalisation", formalisation),
            complaint=ctx.quote("complaint", result.finding.complaint),
        )

    ctx.say(f"repairing {len(faulty)} formalisations")
    python = [bool(result.formalisation.program) for result in faulty]
    return await formalise(ctx, [*map(prompt, faulty)], python, options)


async def solve_all(ctx: Context, formalised: Sequence[Formalisation], options: Options) -> list[Result]:
    """Return what each formalisation comes to in the sandbox."""

    async def solved(formalisation: Formalisation) -> Result:
        if formalisation.program:
            finding = printed(await solve("z3py", formalisation.program, options.limits))
            return Result(formalisation, finding, extract(finding.facts, ctx.question))
        checked = await check(formalisation.model_dump(), options.limits)
        finding = concluded(formalisation, checked, require_unique=options.require_unique)
        return Result(formalisation, finding, canonical(finding.facts, ctx.question))

    ctx.say(f"solving {len(formalised)} formalisations")
    return await ctx.gather(*map(solved, formalised))


def confirmed(direct: Sequence[Candidate], results: Sequence[Result]) -> bool:
    """Return whether the solver came to the direct answer, too."""
    answer = direct[0].answer if direct else None
    return answer is not None and any(result.answer and result.answer.matches(answer) for result in results)


def agreed(results: Sequence[Result]) -> bool:
    """Return whether two formalisations led to the same answer."""
    return any(same(*pair) for pair in combinations(results, 2))


def same(a: Result, b: Result) -> bool:
    """Return whether two results say the same."""
    return a.answer.matches(b.answer) if a.answer and b.answer else a.finding == b.finding


def best(results: Sequence[Result]) -> Result | None:
    """Return the result that most formalisations share, the earliest of equals, if any."""
    return max(results, key=lambda result: sum(same(result, other) for other in results), default=None)


async def verbalise(ctx: Context, result: Result | None, direct: Sequence[Candidate]) -> list[Candidate]:
    """Return the answer, written from the certified facts, or a plain one without any."""
    if result is None:
        return await ctx.write()
    facts = f"The formalisation:\n{result.formalisation.source}\n\nThe result:\n{result.finding.facts}"
    drafts = "".join(ctx.quote("draft", candidate.text) for candidate in direct[:1])
    return await ctx.write(VERBALISE.format(facts=ctx.quote("result", facts), drafts=drafts))
