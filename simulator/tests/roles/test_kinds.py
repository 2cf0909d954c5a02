"""Judges of the writer's own kind, of another family, and near chance: what each believes, and how steadily."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Literal

import orjson
import pytest
from optillm_simulator.error_models import DULL, KIN, OTHER, SMALL, ErrorModel
from optillm_simulator.problems import Family, generate
from optillm_simulator.roles.context import PromptContext, read_context
from optillm_simulator.roles.dispatch import recognise
from optillm_simulator.roles.impressions import impressions
from optillm_simulator.server import complete
from optillm_simulator.skills.reader import read
from optillm_simulator.skills.reasoner import habit, truth, work
from optillm_simulator.wire import read_body

from simulator.tests.talk import quoting

FAMILIES: Sequence[Family] = ("arithmetic", "ordering", "functions")
CALLS = 60
RNG = random.Random(0)

RANKING = {"ranking": {"type": "array", "items": {"type": "string", "enum": ["A", "B"]}}}
BETTER = {"better": {"type": "string", "enum": ["A", "B", "tie"]}}
SCORES = {"scores": {"type": "object", "properties": {name: {"type": "integer"} for name in "AB"}}}


@cache
def errors(family: Family) -> Sequence[tuple[str, str, str]]:
    """Questions that are easy for demo-small, a right reply to each, and a wrong one that it writes."""
    cases = []
    for problem in generate(family, 90, 11, easy_for="demo-small"):
        task = read(problem.question)
        assert task is not None
        samples = [work(task, SMALL, random.Random(seed)) for seed in range(12)]
        right = [sample.text for sample in samples if sample.answer == truth(task)]
        wrong = [sample.text for sample in samples if sample.answer != truth(task)]
        if right and wrong:
            cases.append((problem.question, right[0], wrong[0]))
    return cases


def again(context: PromptContext, question: str) -> Iterator[PromptContext]:
    """The same request time and again, each time with rng of its own."""
    return (replace(context, rng=random.Random(f"{question} {call}")) for call in range(CALLS))


def share_seen_right(model: ErrorModel, question: str, reply: str) -> float:
    """In what share of calls a judge sees a reply as right."""
    context = read_context([("user", quoting("Rate it.", reply, question=question))], model, RNG, None)
    return sum(impressions(one)[0].right for one in again(context, question)) / CALLS


def preferred(model: ErrorModel, question: str, pair: Sequence[str], schema: dict[str, Any]) -> list[str]:
    """Which of two replies, A or B, a judge prefers in each of several calls, by its verdict in JSON."""
    form = {"type": "json_schema", "json_schema": {"schema": {"type": "object", "properties": schema}}}
    prompt = [("user", quoting("Which candidate is better?", *pair, question=question))]
    verdicts = []
    context = read_context(prompt, model, RNG, form)
    play = recognise(context)
    for one in again(context, question):
        verdict = orjson.loads(play(one))
        scores = verdict.get("scores")
        best = max(scores, key=scores.__getitem__) if scores else verdict.get("better")
        verdicts.append(best or verdict["ranking"][0])
    return verdicts


@pytest.mark.parametrize("family", FAMILIES)
def test_one_of_the_same_kind_never_sees_some_errors_and_always_sees_the_others(family: Family) -> None:
    shares = [share_seen_right(KIN, question, wrong) for question, _, wrong in errors(family)]
    unseen = [share for share in shares if share > 0.5]
    assert all(share > 0.65 or share < 0.35 for share in shares)
    assert abs(len(unseen) / len(shares) - KIN.blind) < 4 * (KIN.blind * (1 - KIN.blind) / len(shares)) ** 0.5


def test_it_sees_right_answers_as_well_as_the_writer_does() -> None:
    shares = [share_seen_right(KIN, question, right) for question, right, _ in errors("arithmetic")[:30]]
    assert abs(sum(shares) / len(shares) - KIN.reliability) < 0.04


def test_the_slips_of_the_others_are_new_in_each_call() -> None:
    for question, _, wrong in errors("arithmetic")[:30]:
        assert share_seen_right(SMALL, question, wrong) < 0.4
        task = read(question)
        if task is not None and habit(task, OTHER) == truth(task):
            assert share_seen_right(OTHER, question, wrong) < 0.4


def test_a_hard_task_misleads_its_kind_and_not_another_family() -> None:
    tasks = [(problem.question, read(problem.question)) for problem in generate("arithmetic", 200, 12)]
    hard = [
        (question, task)
        for question, task in tasks
        if task and habit(task, KIN) != truth(task) == habit(task, OTHER)
    ]
    assert len(hard) >= 10
    for question, task in hard[:10]:
        lured, right = f"The answer is {habit(task, KIN)}.", f"The answer is {truth(task)}."
        assert share_seen_right(KIN, question, lured) > 0.65
        assert share_seen_right(KIN, question, right) < 0.35
        assert share_seen_right(OTHER, question, lured) < 0.35
        assert share_seen_right(OTHER, question, right) > 0.65


def test_the_dull_one_knows_little_more_than_chance() -> None:
    cases = errors("ordering")[:40]
    seen = [share_seen_right(DULL, question, right) for question, right, _ in cases]
    missed = [share_seen_right(DULL, question, wrong) for question, _, wrong in cases]
    assert 0.55 < sum(seen) / len(cases) < 0.65
    assert 0.35 < sum(missed) / len(cases) < 0.45


@pytest.mark.parametrize("schema", [RANKING, BETTER, SCORES], ids=["ranking", "comparison", "ratings"])
@pytest.mark.parametrize("reasons", [False, True], ids=["direct", "reasoned"])
def test_all_forms_of_verdicts_say_what_it_believes(schema: dict[str, Any], reasons: bool) -> None:
    properties = {"analysis": {"type": "string"}, **schema} if reasons else schema
    unseen = 0
    for question, right, wrong in errors("ordering")[:12]:
        if share_seen_right(KIN, question, wrong) > 0.5:
            unseen += 1
            first = preferred(KIN, question, (right, wrong), properties).count("A")
            assert 0.2 < first / CALLS < 0.8  # it holds both to be right
        else:
            assert preferred(KIN, question, (right, wrong), properties).count("A") > 0.75 * CALLS
        assert preferred(OTHER, question, (right, wrong), properties).count("A") > 0.7 * CALLS
    assert unseen


def reply(model: str, text: str, **fields: Any) -> str:
    """What a model says."""
    body = {"model": model, "messages": [{"role": "user", "content": text}], **fields}
    content = complete(read_body(orjson.dumps(body))).reply()["choices"][0]["message"]["content"]
    assert isinstance(content, str)
    return content


@pytest.mark.parametrize("temperature", [0, 0.7])
@pytest.mark.parametrize("model", ["demo-kin", "demo-dull"])
def test_they_write_word_for_word_as_demo_small(model: str, temperature: Literal[0] | float) -> None:
    for seed, problem in enumerate(generate("arithmetic", 20, 13)):
        same = reply("demo-small", problem.question, temperature=temperature, seed=seed)
        assert reply(model, problem.question, temperature=temperature, seed=seed) == same


def test_the_other_family_writes_as_well_and_otherwise() -> None:
    problems = generate("arithmetic", 150, 14)
    by_small = [reply("demo-small", one.question, seed=1) for one in problems]
    by_other = [reply("demo-other", one.question, seed=1) for one in problems]
    assert by_small != by_other
    right = [
        sum(p.solved_by(text) for p, text in zip(problems, texts, strict=True))
        for texts in (by_small, by_other)
    ]
    assert abs(right[0] - right[1]) < 4 * (2 * 150 * 0.66 * 0.34) ** 0.5
    assert {p.question for p in problems if p.hard_for("demo-small")} != {
        p.question for p in problems if p.hard_for("demo-other")
    }
