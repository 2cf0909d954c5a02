"""Solver-aided: formalise the task for an SMT solver beside a direct answer, and let the exact result decide.

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
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from optillm.sandbox import Checked, SandboxLimits, Value, check, prepare, solve
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


def _texts(value: Any) -> Any:
    return (
        [value]
        if isinstance(value, str)
        else list(value.values())
        if isinstance(value, dict)
        else value or []
    )


Texts = Annotated[list[str], BeforeValidator(_texts)]


class Options(BaseOptions):
    """How many formalisations, in which language, and what they may cost."""

    gives_way = ("max_repairs", "formalizations")
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
        tried = Cost(choices + formalised, 1, formalised) + Cost(
            repaired, self.max_repairs, repaired, notes=2 * repaired
        )
        return tried + Cost(choices, 1, quotes=choices, notes=2 * choices)


class Formalisation(BaseModel):
    """What a model makes of the task; `program` is Python where it wrote that instead of SMT-LIB."""

    applicable: bool
    kind: Literal["model", "entail", "choice", "optimize", "count"] = "model"
    smt2: str = ""
    query: Texts = []
    options: Texts = []
    answer_vars: Texts = []
    program: str = ""

    @property
    def source(self) -> str:
        """The formalisation as text."""
        return self.program or "\n".join([self.smt2, *self.query])


@dataclass(frozen=True, slots=True)
class Result:
    """What the solver found: facts in words, and the answer they amount to where that is one value."""

    formalisation: Formalisation
    facts: str
    answer: FinalAnswer | None


@dataclass(frozen=True, slots=True)
class Complaint:
    """Why a formalisation gave no result, in words a model can act on."""

    formalisation: Formalisation
    text: str


async def run(ctx: Context, options: Options) -> Answer:
    """Formalise beside a direct answer; solve; repair; say what is certain.

    A request for a program cannot be formalised, so it gets the direct answer alone.
    """
    if question_of(ctx.question).asks_for_program:
        return Answer.of(*await ctx.write())
    direct, formalised = await first_round(ctx, options)
    results: list[Result] = []
    for repairs_left in range(options.max_repairs, -1, -1):
        ctx.say(f"solving {len(formalised)} formalisations")
        solved, complaints = await solve_all(ctx, formalised, options)
        results += solved
        if confirmed(direct, results):
            return Answer.of(*direct, stop="settled")
        if agreed(results) or not complaints or not repairs_left:
            break
        formalised = await repair(ctx, complaints, options)
    if direct and not results:
        return Answer.of(*direct)
    return Answer.of(*await verbalise(ctx, best(results), direct), *direct)


async def first_round(ctx: Context, options: Options) -> tuple[list[Candidate], list[Formalisation]]:
    """The direct answer and the formalisations, asked for together; either may be missing."""

    direct: list[Candidate] = []
    attempts: list[Formalisation] = []

    async def answer() -> None:
        async with aclosing(ctx.arriving(ctx.sample(ctx.choices))) as arriving:
            async for candidates in arriving:
                direct.extend(candidates)

    async def attempt() -> None:
        tasks = [(FORMALISE, PROGRAM)[wants_python(options, i)] for i in range(options.formalizations)]
        prompts = [task.format(conversation=ctx.transcript) for task in tasks]
        attempts.extend(await formalise(ctx, prompts, options))

    await ctx.gather(answer(), attempt())
    return direct, attempts


async def formalise(ctx: Context, prompts: Sequence[str], options: Options) -> list[Formalisation]:
    """The applicable formalisations that came of these prompts; the first is asked for without chance."""

    async def one(index: int, prompt: str) -> Formalisation | None:
        temperature = options.temperature if index else 0.0
        if not wants_python(options, index):
            return await ctx.ask(prompt, verdict=Formalisation, temperature=temperature)
        _, blocks = fences(await ctx.ask(prompt, temperature=temperature) or "")
        return Formalisation(applicable=True, program=blocks[-1].content) if blocks else None

    prepare(len(prompts), limits_of(options))
    async with aclosing(ctx.arriving(*(one(i, prompt) for i, prompt in enumerate(prompts)))) as arriving:
        written = [formalisation async for formalisation in arriving if formalisation]
    return [each for each in written if each.applicable and each.source.strip()]


def wants_python(options: Options, index: int) -> bool:
    """Whether the formalisation at this place is to be a program."""
    return options.lang == "python" or (options.lang == "auto" and index % 2 == 1)


async def repair(ctx: Context, complaints: Sequence[Complaint], options: Options) -> list[Formalisation]:
    """New versions of what did not work, asked for together."""
    prompts = [
        REPAIR.format(
            conversation=ctx.transcript,
            formalisation=ctx.quote(
                "formalisation", complaint.formalisation.model_dump_json(exclude_defaults=True)
            ),
            complaint=ctx.quote("complaint", complaint.text),
        )
        for complaint in complaints
    ]
    ctx.say(f"repairing {len(prompts)} formalisations")
    return await formalise(ctx, prompts, options)


async def solve_all(
    ctx: Context, formalised: Sequence[Formalisation], options: Options
) -> tuple[list[Result], list[Complaint]]:
    """Results, and complaints about what may be mended; the rest is dropped."""
    limits = limits_of(options)

    async def solved(formalisation: Formalisation) -> Result | Complaint | None:
        if formalisation.program:
            return await ran(ctx, formalisation, limits)
        checked = await check(formalisation.model_dump(), limits)
        return judged(formalisation, checked, ctx.question, options)

    with ctx.span("solve", formalisations=len(formalised)):
        outcomes = await ctx.gather(*(solved(formalisation) for formalisation in formalised))
    results = [outcome for outcome in outcomes if isinstance(outcome, Result)]
    return results, [outcome for outcome in outcomes if isinstance(outcome, Complaint)]


def limits_of(options: Options) -> SandboxLimits:
    """What one program may take."""
    return SandboxLimits(wall=options.solver_seconds, check=options.solver_seconds / 2)


async def ran(ctx: Context, formalisation: Formalisation, limits: SandboxLimits) -> Result | Complaint | None:
    """What a program printed."""
    solved = await solve("z3py", formalisation.program, limits)
    if solved.error is not None:
        error = solved.error
        text = f"line {error.line}: {error.type}: {error.message}\n{error.hint}"
        return Complaint(formalisation, text) if error.repairable else None
    printed = solved.output.strip()
    if not printed:
        return Complaint(formalisation, "The program printed nothing.")
    return Result(formalisation, printed, extract(printed, ctx.question))


def judged(
    formalisation: Formalisation, checked: Checked, question: str, options: Options
) -> Result | Complaint | None:
    """What the facts about a formalisation are worth."""
    if checked.error is not None:
        error = checked.error
        text = (
            f"{error.message} (line {error.line})\n{error.hint}"
            if error.line
            else f"{error.message}\n{error.hint}"
        )
        return Complaint(formalisation, text) if error.repairable else None
    if checked.status == "unsat":
        core = "\n".join(assertion.text for assertion in checked.core)
        return Complaint(formalisation, f"These assertions contradict each other:\n{core}")
    stated = conclusion(formalisation, checked)
    if stated is None:
        return Complaint(formalisation, objection(formalisation, checked))
    if formalisation.kind == "model" and checked.unique is False and options.require_unique:
        return Complaint(formalisation, objection(formalisation, checked))
    return Result(formalisation, stated, canonical(stated.removeprefix("answer: "), question))


def conclusion(formalisation: Formalisation, checked: Checked) -> str | None:
    """The result in a few words, `None` when nothing has been decided."""
    match formalisation.kind:
        case "entail":
            return checked.verdict and {"true": "yes", "false": "no"}.get(checked.verdict, "undetermined")
        case "choice":
            places = checked.forced or checked.survivors
            labels = formalisation.options or formalisation.query
            return labels[places[0]] if len(places) == 1 and places[0] < len(labels) else None
        case "count":
            return str(checked.count) if checked.complete and checked.count is not None else None
        case "optimize" if checked.optimum and not checked.values:
            return in_words(dict(enumerate(checked.optimum)), bare=True)
    if checked.status != "sat" or not checked.values:
        return None
    return in_words(checked.values, bare=len(checked.values) == 1)


def in_words(values: Any, *, bare: bool) -> str:
    """Values of variables, with their names unless there is only one."""

    def text(value: Value) -> str:
        return value.decimal or value.text

    return ", ".join(text(value) if bare else f"{name} = {text(value)}" for name, value in values.items())


def objection(formalisation: Formalisation, checked: Checked) -> str:
    """What keeps a formalisation from an answer."""
    if checked.unique is False:
        one, other = in_words(checked.values, bare=False), in_words(checked.other, bare=False)
        return f"It has several solutions, for example {one} and {other}. Some fact of the task is missing."
    if formalisation.kind == "choice":
        return f"{len(checked.survivors)} of the options are possible; exactly one should be."
    return f"The solver could not decide it (status {checked.status}). Bound the variables, or state it more simply."


def confirmed(direct: Sequence[Candidate], results: Sequence[Result]) -> bool:
    """Whether the solver came to the direct answer, too."""
    answers = [result.answer for result in results if result.answer]
    return bool(direct) and any(direct[0].answer and answer.matches(direct[0].answer) for answer in answers)


def agreed(results: Sequence[Result]) -> bool:
    """Whether two formalisations led to the same answer."""
    return any(same(a, b) for i, a in enumerate(results) for b in results[i + 1 :])


def same(a: Result, b: Result) -> bool:
    """Whether two results say the same."""
    return a.answer.matches(b.answer) if a.answer and b.answer else a.facts == b.facts


def best(results: Sequence[Result]) -> Result | None:
    """The result that most formalisations share, the earliest of equals."""
    votes = [sum(same(result, other) for other in results) for result in results]
    return results[votes.index(max(votes))] if results else None


async def verbalise(ctx: Context, result: Result | None, direct: Sequence[Candidate]) -> list[Candidate]:
    """The answer in the client's words, from the certified facts; without any, a plain one."""
    if result is None:
        return await ctx.write()
    facts = f"The formalisation:\n{result.formalisation.source}\n\nThe result:\n{result.facts}"
    drafts = "".join(ctx.quote("draft", candidate.text) for candidate in direct[:1])
    return await ctx.write(VERBALISE.format(facts=ctx.quote("result", facts), drafts=drafts))
