"""The ledger never books more than was said beforehand, and at the defaults exactly that."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from optillm.chat import Budget, ChatRequest, Sender
from optillm.engine.engine import Limits
from optillm.errors import InvalidRequest
from optillm.solver import Checked, Failure, Solved
from optillm.techniques import registry
from tests.fakes import Say, Sent, World

QUESTION = "What is 17 + 25?"
UNBOUNDED = Limits(Budget(None, None, None))
FORMALISATION = '{"applicable": true, "kind": "model", "smt2": "(declare-const x Int)", "answer_vars": ["x"]}'


def quarrelsome(sent: Sent) -> str:
    """Nobody agrees with anybody, judges contradict each other, and no formalisation is unique."""
    if sent.role != "judge":
        return f"Let me see. First this. Then that. The answer is {sent.number}."
    if "smt2" in sent.prompt:
        return FORMALISATION
    labels = ["A", "B", "C"] if sent.number % 2 else ["C", "B", "A"]
    return (
        f"Something is said here, number {sent.number}.\n"
        f'{{"ranking": {labels}, "score": {sent.number % 11}, "better": "A", "errors": ["e{sent.number}"], '
        f'"groups": [["A"], ["B"], ["C"]], "pick": "A"}}'.replace("'", '"')
    )


@pytest.fixture(autouse=True)
def undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    """A solver that cannot decide anything: its processes keep real time, and each try is to need a repair."""

    async def check(*_: Any) -> Checked:
        return Checked(True, None, 1, status="unknown")

    async def solve(*_: Any) -> Solved:
        return Solved(False, "", Failure("error", "NameError", "x"), 1)

    monkeypatch.setattr("optillm.techniques.z3.check", check)
    monkeypatch.setattr("optillm.techniques.z3.solve", solve)


def extremes(slug: str) -> Iterator[dict[str, Any]]:
    """The defaults, and each option at each of its bounds or words, the others at their defaults."""
    yield {}
    for name, schema in registry()[slug].Options.model_json_schema()["properties"].items():
        kinds = schema.get("anyOf", [schema])
        for kind in kinds:
            values = kind.get("enum") or [kind[end] for end in ("minimum", "maximum") if end in kind]
            values += [True, False] if kind.get("type") == "boolean" else []
            yield from ({name: value} for value in values)


CASES = [(slug, options) for slug in sorted(registry()) for options in extremes(slug)]


def planned(world: World, model: str, **fields: Any) -> dict[str, Any]:
    own = {name: fields.pop(name) for name in ("options", "merge", "budget", "sender") if name in fields}
    body = {"model": model, "messages": [{"role": "user", "content": QUESTION}], **fields}
    return world.engine.plan(ChatRequest(body, **own))


@pytest.mark.parametrize("choices", [1, 5])
@pytest.mark.parametrize(("slug", "options"), CASES)
def test_no_request_takes_more_than_was_said(slug: str, options: dict[str, Any], choices: int) -> None:
    world = World(quarrelsome, limits=UNBOUNDED)
    chosen: dict[str, Any] = {"options": {slug: options}, "n": choices}
    plan = planned(world, f"{slug}-m", **chosen)
    assert not world.sent
    report = world.complete(f"{slug}-m", QUESTION, **chosen).report
    assert len(world.sent) == sum(report.calls.values()) <= plan["worst_case"]["calls"]
    assert report.rounds <= plan["worst_case"]["rounds"]
    assert report.options == plan["options"]


COMPOSITIONS = [
    *(f"{a}&{b}" for a, b in itertools.permutations(("re2", "bon", "moa", "mcts"), 2)),
    "bon|moa",
    "self_consistency|bon|rto",
    "(bon|moa)&mcts",
    "re2&(bon|moa)",
]


@pytest.mark.parametrize("choices", [1, 4])
@pytest.mark.parametrize("merge", ["select", "choices", "first"])
@pytest.mark.parametrize("expression", COMPOSITIONS)
def test_no_composition_takes_more_than_was_said(expression: str, merge: str, choices: int) -> None:
    world = World(quarrelsome, limits=UNBOUNDED)
    plan = planned(world, f"{expression}-m", merge=merge, n=choices)["worst_case"]
    report = world.complete(f"{expression}-m", QUESTION, merge=merge, n=choices).report
    assert sum(report.calls.values()) <= plan["calls"]
    assert report.rounds <= plan["rounds"]


@pytest.mark.parametrize(
    ("slug", "calls", "rounds"),
    [
        ("bon", 6, 2),
        ("moa", 5, 2),
        ("mcts", 16, 4),
        ("pvg", 12, 2),
        ("re2", 1, 1),
        ("self_consistency", 10, 2),
    ],
)
def test_the_worst_case_at_the_defaults_happens(slug: str, calls: int, rounds: int) -> None:
    worst = planned(World(quarrelsome), f"{slug}-m")["worst_case"]
    assert worst == {"calls": calls, "rounds": rounds, "completion_tokens": None}


def test_a_limit_on_replies_is_one_on_all_calls() -> None:
    assert planned(World(quarrelsome), "bon-m", max_tokens=100)["worst_case"]["completion_tokens"] == 600


def test_tools_and_forms_may_take_a_call_more() -> None:
    world = World(quarrelsome)
    tool = {"type": "function", "function": {"name": "f"}}
    assert planned(world, "bon-m", tools=[tool])["worst_case"]["rounds"] == 3
    assert planned(world, "bon-m", response_format={"type": "json_object"})["worst_case"]["calls"] == 7


def test_a_plan_says_what_fits_the_budget() -> None:
    world = World(quarrelsome, limits=Limits(Budget(5, None, 9.0)))
    plan = planned(world, "bon-m")
    assert plan["budget"] == {"max_calls": 5, "max_tokens": None, "seconds": 9.0}
    assert plan["fits"] is False
    assert planned(world, "bon(n=2)-m")["fits"] is True


def test_a_plain_request_is_one_call() -> None:
    plan = planned(World(quarrelsome), "gpt-4o")
    assert (plan["model"], plan["technique"], plan["worst_case"]["calls"]) == ("gpt-4o", "none", 1)


def test_a_bypassed_request_is_one_call_of_the_background_model() -> None:
    world = World(quarrelsome, limits=Limits(background_model="tiny"))
    plan = planned(world, "bon-m", sender=Sender(background=True))
    assert (plan["model"], plan["technique"], plan["bypassed"]) == ("tiny", "none", "background")
    assert planned(world, "bon-m")["bypassed"] is None


@pytest.mark.parametrize("model", ["bon(n=99)-m", "bon(x=1)-m"])
def test_a_bad_request_is_refused_as_it_would_be(model: str) -> None:
    with pytest.raises(InvalidRequest):
        planned(World(quarrelsome), model)


def test_failures_come_on_top_but_never_beyond_the_budget() -> None:
    world = World(
        lambda sent: Say(None) if sent.number % 2 else quarrelsome(sent), limits=Limits(Budget(9, None, None))
    )
    report = world.complete("mcts-m", QUESTION).report
    assert sum(report.calls.values()) <= 9
