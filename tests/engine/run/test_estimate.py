"""The ledger never books more than was said beforehand, and at the defaults exactly that."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from optillm.chat import Budget, ChatRequest, Sender
from optillm.config.prices import Price
from optillm.engine.engine import Limits
from optillm.errors import InvalidRequest
from optillm.sandbox import Checked, Failure, Solved
from optillm.techniques import registry
from tests.fakes import Say, Sent, World

QUESTION = "What is 17 + 25?"
PRICES = {"m": Price(input=1.0, output=4.0)}
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
        ("bon(proof=0)", 6, 2),
        ("moa", 5, 2),
        ("mcts(proof=0)", 16, 4),
        ("pvg(proof=0)", 12, 2),
        ("re2", 1, 1),
        ("self_consistency", 10, 2),
    ],
)
def test_the_worst_case_at_the_defaults_happens(slug: str, calls: int, rounds: int) -> None:
    worst = planned(World(quarrelsome), f"{slug}-m")["worst_case"]
    assert (worst["calls"], worst["rounds"]) == (calls, rounds)
    report = World(quarrelsome).complete(f"{slug}-m", QUESTION).report
    assert (sum(report.calls.values()), report.rounds) == (calls, rounds)


def test_without_a_limit_on_replies_tokens_and_cost_are_not_known() -> None:
    worst = planned(World(quarrelsome, prices=PRICES), "bon-m")["worst_case"]
    assert (worst["prompt_tokens"], worst["completion_tokens"], worst["cost"]) == (None, None, None)


def test_a_plain_request_takes_its_prompt_and_its_choices_at_full_length() -> None:
    worst = planned(World(quarrelsome, prices=PRICES), "m", max_tokens=100, n=3)["worst_case"]
    assert (worst["prompt_tokens"], worst["completion_tokens"]) == (8, 300)
    assert worst["cost"] == pytest.approx((8 * 1 + 300 * 4) / 1e6)


LIMIT = 60
LONG = 700
"""Tokens of helpers in these tests, so that texts stay short; their true limit is a constant."""


def wordy(sent: Sent) -> Say:
    """As quarrelsome, and as long as a reply may be; its tokens are counted by its length."""
    text = quarrelsome(sent)
    most = 4 * (LONG if sent.role == "judge" else LIMIT)
    padding = "so it goes; " * (most // 12)
    if "{" in text:  # what is quoted of a verdict must be long, too
        text = text.replace('["e', f'["{padding[: most - len(text) - 1]}e').replace(
            '"smt2": "', f'"smt2": ";{padding}'
        )
    return Say((padding + text)[-most:] if "{" not in text else text[:most], usage=None)


@pytest.mark.parametrize("choices", [1, 3])
@pytest.mark.parametrize(("slug", "options"), CASES)
def test_no_request_takes_more_tokens_or_dollars_than_was_said(
    slug: str, options: dict[str, Any], choices: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optillm.engine.run.estimate.TEXT_LIMIT", LONG)
    world = World(wordy, limits=UNBOUNDED, prices=PRICES)
    chosen: dict[str, Any] = {"options": {slug: options}, "n": choices, "max_tokens": LIMIT}
    worst = planned(world, f"{slug}-m", **chosen)["worst_case"]
    completion = world.complete(f"{slug}-m", QUESTION, **chosen)
    assert completion.usage is not None
    assert completion.usage.prompt_tokens <= worst["prompt_tokens"]
    assert completion.usage.completion_tokens <= worst["completion_tokens"]
    assert completion.report.cost is not None
    assert completion.report.cost <= worst["cost"]


def test_another_model_makes_the_price_that_of_the_dearest() -> None:
    world = World(quarrelsome, prices={**PRICES, "dear": Price(input=10.0, output=40.0)})
    cheap = planned(world, "bon-m", max_tokens=50)["worst_case"]["cost"]
    assert planned(world, "bon(judge_model=dear)-m", max_tokens=50)["worst_case"]["cost"] == pytest.approx(
        10 * cheap
    )
    assert planned(world, "bon(judge_model=new)-m", max_tokens=50)["worst_case"]["cost"] is None
    options = {"moa": {"proposers": ["dear", "m"]}}
    assert planned(world, "moa-m", options=options, max_tokens=50)["worst_case"]["cost"] is not None


@pytest.mark.parametrize("slug", sorted(registry()))
@pytest.mark.parametrize("calls", [1, 2, 3, 5, 8, 13])
def test_a_technique_is_made_as_small_as_the_budget_demands(slug: str, calls: int) -> None:
    world = World(quarrelsome)
    budget = Budget(max_calls=calls)
    plan = planned(world, f"{slug}-m", budget=budget)
    asked = planned(world, f"{slug}-m")
    report = world.complete(f"{slug}-m", QUESTION, budget=budget).report
    assert report.options == plan["options"]
    assert sum(report.calls.values()) <= calls
    if asked["worst_case"]["calls"] <= calls:
        assert "asked" not in plan
        assert report.requested_options is None
    elif plan["options"] != asked["options"]:
        assert plan["asked"] == asked["options"] == report.requested_options
    assert plan["fits"] == (plan["worst_case"]["calls"] <= calls)
    if plan["fits"]:
        assert report.stop_reason != "budget"


@pytest.mark.parametrize(("calls", "n"), [(6, 3), (5, 2), (4, 2), (3, 1), (1, 1)])
def test_no_smaller_than_it_has_to_be(calls: int, n: int) -> None:
    plan = planned(World(quarrelsome), "bon(n=8)-m", budget=Budget(max_calls=calls))
    assert plan["options"]["n"] == n
    assert plan["asked"]["n"] == 8


def test_stages_of_a_composition_get_smaller_together() -> None:
    plan = planned(World(quarrelsome), "bon(n=6)&mcts(simulations=6)-m", budget=Budget(max_calls=30))
    assert plan["fits"]
    assert 1 < plan["options"]["bon"]["n"] < 6
    assert 1 <= plan["options"]["mcts"]["simulations"] < 6


def test_many_stages_are_made_smaller_at_once() -> None:
    expression = "|".join(["mcts(width=16,simulations=64)"] * 8)
    plan = planned(World(quarrelsome), f"{expression}-m", budget=Budget(max_calls=40))
    assert plan["worst_case"]["calls"] <= 64
    assert plan["options"]["mcts"]["simulations"] == 1


def test_what_fits_nothing_says_so_and_runs_as_far_as_it_gets() -> None:
    world = World(quarrelsome)
    assert planned(world, "mcts-m", budget=Budget(max_calls=1))["fits"] is False
    report = world.complete("mcts-m", QUESTION, budget=Budget(max_calls=1)).report
    assert (report.calls, report.stop_reason) == ({"generate": 1}, "budget")


@pytest.mark.parametrize(
    ("budget", "fits"),
    [
        (Budget(max_tokens=100_000), True),
        (Budget(max_tokens=1_000), False),
        (Budget(max_cost=1.0), True),
        (Budget(max_cost=0.001), False),
    ],
)
def test_a_plan_says_whether_tokens_and_cost_fit(budget: Budget, fits: bool) -> None:
    assert planned(World(quarrelsome, prices=PRICES), "bon-m", max_tokens=50, budget=budget)["fits"] is fits


def test_a_bound_that_nobody_can_foresee_is_not_said_to_fit() -> None:
    assert (
        planned(World(quarrelsome, prices=PRICES), "bon-m", budget=Budget(max_tokens=10**9))["fits"] is False
    )
    assert planned(World(quarrelsome), "bon-m", max_tokens=5, budget=Budget(max_cost=9.0))["fits"] is False


def test_tools_and_forms_may_take_a_call_more() -> None:
    world = World(quarrelsome)
    tool = {"type": "function", "function": {"name": "f"}}
    assert planned(world, "bon(proof=0)-m", tools=[tool])["worst_case"]["rounds"] == 3
    assert (
        planned(world, "bon(proof=0)-m", response_format={"type": "json_object"})["worst_case"]["calls"] == 7
    )


def test_a_forced_tool_takes_no_faithful_call_and_may_take_a_mending_one() -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    worst = planned(World(quarrelsome), "bon(proof=0)-m", tools=[tool], tool_choice="required")["worst_case"]
    assert (worst["calls"], worst["rounds"]) == (7, 3)


def test_a_plan_says_what_fits_the_budget() -> None:
    world = World(quarrelsome, limits=Limits(Budget(1, None, 9.0, 0.5)))
    plan = planned(world, "moa-m")
    assert plan["budget"] == {"max_calls": 1, "max_tokens": None, "seconds": 9.0, "max_cost": 0.5}
    assert plan["fits"] is False
    assert planned(World(quarrelsome), "bon(n=2)-m")["fits"] is True


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
