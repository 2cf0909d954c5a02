"""Techniques on the demo model without servers: engine and model in one process, the model called as a function.

A request takes milliseconds then, and several processes share the problems. Rows that are compared see the same
problems with the same seeds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from statistics import mean
from typing import Any, Final

import orjson
from optillm_simulator.problems import Family, Problem, generate
from optillm_simulator.server import complete
from optillm_simulator.skills.functions import Function, code_in, variant_of
from optillm_simulator.skills.reader import read
from optillm_simulator.wire import Refused, read_body

from optillm.chat import Budget, ChatRequest, Completion, RawRequest, Relay
from optillm.engine.engine import Engine, Limits
from optillm.engine.plan.planner import Planner
from optillm.engine.run import runner
from optillm.engine.run.context import RequestContext
from optillm.engine.upstream.routes import Routes
from optillm.errors import UpstreamError
from optillm.sandbox import Limits as SandboxLimits
from optillm.sandbox import solve as solve_program
from optillm.technique import Candidate
from optillm.techniques import registry
from optillm.toolkit.answers import FinalAnswer, canonical, clusters, extract
from optillm.toolkit.answers.extraction import fences

SEED: Final = 20_261
PLAIN: Final = "plain"
DEFAULTS: Final = Budget(max_calls=128, seconds=600.0)
"""The default limits of a request."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of one problem.

    `plurality` says whether the answer that most of the technique's own samples give is right: if several tie,
    the share of them that is; `None` if it sampled at most one.
    """

    right: bool
    calls: int
    tokens: int
    rounds: int
    plurality: float | None = None


@dataclass(frozen=True)
class Paper:
    """The problems of an exam: how many, of which family, and of one length if it is given."""

    family: Family
    count: int
    length: int | None = None

    def problems(self) -> Sequence[Problem]:
        """Return the problems, which are always the same for the same paper."""
        return _generated(self)


@lru_cache(maxsize=8)
def _generated(paper: Paper) -> Sequence[Problem]:
    return generate(paper.family, paper.count, SEED, length=paper.length)


@dataclass(frozen=True)
class Sitting:
    """Some problems of a paper for one technique: numbers `start` up to, but not including, `stop`.

    `name` is the prefix of the model's name, or "plain". `judge` is the model that judges, verifies and
    discriminates in place of `model`; `execution` lets rto run programs.
    """

    paper: Paper
    name: str
    model: str
    start: int
    stop: int
    judge: str | None = None
    execution: bool = False


class DemoUpstream:
    """The demo model as an upstream of the engine."""

    base_url = "demo"

    async def chat(self, body: Mapping[str, Any], authorization: str | None) -> Mapping[str, Any]:  # noqa: ARG002
        """Return a completion at once."""
        await asyncio.sleep(0)  # as with a server, calls that are made together begin together
        try:
            return complete(read_body(orjson.dumps(body))).reply()
        except Refused as refusal:
            raise UpstreamError(str(refusal), status=refusal.status, upstream_body=refusal.body) from refusal

    def stream(
        self, body: Mapping[str, Any], authorization: str | None
    ) -> AsyncGenerator[Mapping[str, Any], None]:
        """Not needed here."""
        raise NotImplementedError

    async def relay(self, request: RawRequest) -> Relay:
        """Not needed here."""
        raise NotImplementedError

    async def close(self) -> None:
        """Do nothing."""


_samples: ContextVar[list[Candidate]] = ContextVar("samples of the running technique")


class Observed(RequestContext):
    """A context that records what a technique samples, but not what it asks or writes."""

    async def sample(self, n: int, **how: Any) -> list[Candidate]:
        """Sample, and record the candidates."""
        candidates = await super().sample(n, **how)
        _samples.get().extend(candidates)
        return candidates


def sit(sitting: Sitting) -> list[Outcome]:
    """Answer the problems of a sitting one after the other, and grade the answers."""
    return asyncio.run(_sit(sitting))


async def _sit(sitting: Sitting) -> list[Outcome]:
    vars(runner).update(RequestContext=Observed)  # the engine shows single samples in no other way
    engine = _engine(sitting)
    problems = list(enumerate(sitting.paper.problems()))[sitting.start : sitting.stop]
    try:
        await _answered(engine, f"bon(n=2)-{sitting.model}", problems[0][1], 0)  # learns that it honours `n`
        return [await _outcome(engine, sitting, problem, seed) for seed, problem in problems]
    finally:
        await engine.close()


def _engine(sitting: Sitting) -> Engine:
    techniques = registry()
    judges = {
        slug: {name: sitting.judge for name in technique.Options.model_fields if name.endswith("_model")}
        for slug, technique in techniques.items()
    }
    planner = Planner(techniques, judges if sitting.judge else {}, "auto")
    admitted = [
        slug for slug, technique in techniques.items() if technique.Options.needs and sitting.execution
    ]
    return Engine(Routes.to(DemoUpstream()), planner, Limits(DEFAULTS, admitted=admitted))


async def _outcome(engine: Engine, sitting: Sitting, problem: Problem, seed: int) -> Outcome:
    if sitting.name == PLAIN:
        reply = complete(read_body(orjson.dumps(_body(sitting.model, problem, seed)))).reply()
        text, tokens = reply["choices"][0]["message"]["content"], reply["usage"]["total_tokens"]
        return Outcome(await is_right(text, problem), 1, tokens, 1)
    samples = list[Candidate]()
    _samples.set(samples)
    completion = await _answered(engine, f"{sitting.name}-{sitting.model}", problem, seed)
    report = completion.report
    tokens = completion.usage.total_tokens if completion.usage else 0
    right = await is_right(completion.replies[0].text, problem)
    plurality = await _plurality(samples, problem) if len(samples) > 1 else None
    return Outcome(right, sum(report.calls.values()), tokens, report.rounds, plurality)


async def _answered(engine: Engine, model: str, problem: Problem, seed: int) -> Completion:
    _samples.set(_samples.get([]))
    answer = await engine.complete(ChatRequest(_body(model, problem, seed), request_id=f"problem {seed}"))
    if not isinstance(answer, Completion):
        raise SystemExit(f"{model!r} names no technique")
    return answer


def _body(model: str, problem: Problem, seed: int) -> dict[str, Any]:
    messages = [{"role": "user", "content": problem.question}]
    return {"model": model, "messages": messages, "temperature": 0, "seed": seed}


async def _plurality(samples: Sequence[Candidate], problem: Problem) -> float:
    leading = leaders([sample.answer for sample in samples])
    return mean([await is_right(samples[index].text, problem) for index in leading] or [0.0])


def leaders(answers: Sequence[FinalAnswer | None]) -> list[int]:
    """Return an index for each of the most frequent answers: one, or several that tie; none if there are no answers."""
    groups = [group for group in clusters(answers) if answers[group[0]] is not None]
    return [group[0] for group in groups if len(group) == len(groups[0])]


async def is_right(text: str, problem: Problem) -> bool:
    """Return whether a reply states the true answer; a program must pass the problem's tests, in the sandbox.

    Programs as the demo model writes them are known to pass or to fail by their shape, and are not run.
    """
    if not problem.tests:
        stated = extract(text, problem.question)
        return stated is not None and stated.matches(canonical(problem.answer, problem.question))
    task = read(problem.question)
    variant = variant_of(task, code_in(text) or "") if isinstance(task, Function) else None
    if variant is not None:
        return variant == 0
    _, blocks = fences(text)
    program = "\n".join([*(block.content for block in blocks), *problem.tests, 'print("passed")'])
    return (
        bool(blocks) and (await solve_program("sympy", program, SandboxLimits(wall=20))).output == "passed\n"
    )
