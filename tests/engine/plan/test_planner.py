"""Plans: which technique, with which options, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from optillm.chat import ChatRequest, Grant
from optillm.engine.plan.planner import Plan, Planner
from optillm.engine.run.composition import Parallel, Pipeline, Work
from optillm.errors import InvalidRequest, PermissionDenied
from optillm.techniques import registry


def planner(approach: str = "auto", **defaults: dict[str, Any]) -> Planner:
    return Planner(registry(), defaults, approach)


def request(model: str, **own: Any) -> ChatRequest:
    return ChatRequest({"model": model, "messages": []}, **own)


def work(plan: Plan) -> str:
    return str(plan.work)


def options_of(work: Work | None) -> dict[str, Any]:
    """The options of the one technique that a plan has."""
    assert work is not None
    (stage,) = work.leaves()
    return stage.options.model_dump()


def test_compositions_keep_their_operators() -> None:
    assert isinstance(planner().plan(request("bon&moa-x")).work, Pipeline)
    parallel = planner().plan(request("bon|moa&bon-x")).work
    assert isinstance(parallel, Parallel)
    assert [str(stage) for stage in parallel.leaves()] == ["bon", "moa", "bon"]
    assert work(planner().plan(request("(bon|moa)&bon-x"))) == "(bon|moa)&bon"


def test_none_adds_nothing_to_a_composition() -> None:
    assert work(planner().plan(request("none&bon-x"))) == "bon"
    assert planner().plan(request("none|none-x")).work is None


def test_a_composition_has_its_limits() -> None:
    with pytest.raises(InvalidRequest, match="at most"):
        planner().plan(request("&".join(["bon"] * 17) + "-x"))


def test_options_reach_their_technique_wherever_it_stands() -> None:
    plan = planner().plan(request("bon(n=2)&moa-x", options={"moa": {"proposers": 3}, "bon": {"group": 4}}))
    assert plan.work is not None
    bon, moa = (stage.options.model_dump() for stage in plan.work.leaves())
    assert (bon["n"], bon["group"], moa["proposers"]) == (2, 4, 3)


def test_a_model_without_a_technique_is_relayed() -> None:
    plan = planner().plan(request("gpt-4o"))
    assert (plan.model, plan.work) == ("gpt-4o", None)
    assert planner().plan(request("none-bon-7b")).model == "bon-7b"


def test_the_field_comes_before_the_slug_and_the_slug_before_the_operator() -> None:
    assert work(planner().plan(request("moa-x", approach="bon"))) == "bon"
    assert work(planner().plan(request("moa-x", approach="auto"))) == "moa"
    assert planner().plan(request("moa-x", approach="none")).work is None
    assert planner().plan(request("moa-x", approach="bon")).model == "x"
    fixed = planner("bon")
    assert work(fixed.plan(request("moa-x"))) == "bon"
    assert fixed.plan(request("moa-x")).model == "moa-x"
    assert work(fixed.plan(request("moa-x", approach="moa"))) == "moa"


def test_slug_arguments_come_before_request_options_and_these_before_the_operators() -> None:
    plans = planner(bon={"n": 4, "temperature": 1.0, "group": 5})
    plan = plans.plan(request("bon(n=8)-x", options={"bon": {"n": 6, "temperature": 0.5}}))
    assert options_of(plan.work).items() >= {"n": 8, "temperature": 0.5, "group": 5}.items()


@pytest.mark.parametrize(
    ("name", "options", "param", "words"),
    [
        ("bon(n=99)-x", {}, "optillm.options.bon.n", ("32", "99")),
        ("bon(n=two)-x", {}, "optillm.options.bon.n", ("integer", "two")),
        ("bon(size=2)-x", {}, "optillm.options.bon.size", ("no such option", "judge")),
        ("bon-x", {"bon": {"n": 99}}, "optillm.options.bon.n", ("32", "99")),
        ("bon-x", {"bon": {"n": "3"}}, "optillm.options.bon.n", ("integer", "'3'")),
        ("bon-x", {"bon": {"n": True}}, "optillm.options.bon.n", ("integer", "True")),
        ("bon-x", {"bon": {"n": 3.0}}, "optillm.options.bon.n", ("integer", "3.0")),
        ("bon-x", {"bon": {"temperature": "1"}}, "optillm.options.bon.temperature", ("number", "'1'")),
        ("bon-x", {"bon": {"prevote": "yes"}}, "optillm.options.bon.prevote", ("boolean", "yes")),
        ("bon-x", {"bon": {"judge_model": 4}}, "optillm.options.bon.judge_model", ("string", "4")),
        ("bon-x", {"bon": {"size": 2}}, "optillm.options.bon.size", ("no such option", "judge")),
        ("moa-x", {"moa": {"proposers": True}}, "optillm.options.moa.proposers", ("integer", "True")),
        ("bon-x", {"bon": {"judge": "coin"}}, "optillm.options.bon.judge", ("coin", "pairwise")),
        ("gpt-4o", {"bin": {}}, "optillm.options.bin", ("unknown technique",)),
    ],
)
def test_a_bad_option_is_named_with_its_range_and_value(
    name: str, options: dict[str, dict[str, Any]], param: str, words: tuple[str, ...]
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        planner().plan(request(name, options=options))
    assert refused.value.param == param
    assert all(word in refused.value.message for word in words)


def test_json_may_write_an_option_in_each_of_its_types() -> None:
    for proposers in (2, ["a", "b"]):
        chosen = {"proposers": proposers, "temperature": 1, "aggregator": None, "critique": "each"}
        plan = planner().plan(request("moa-x", options={"moa": chosen}))
        assert options_of(plan.work).items() >= chosen.items()


@pytest.mark.parametrize("approach", ["bonn", "bon(n=1,n=2)", "(" * 9 + "bon", "&".join(["bon"] * 17)])
@pytest.mark.parametrize("field", ["optillm_approach", "optillm.approach", "messages"])
def test_a_bad_approach_is_found_where_it_stands(approach: str, field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        planner().plan(request("x", approach=approach, approach_field=field))
    assert refused.value.param == field


BAD_SAMPLING = [
    ("temperature", "x"),
    ("temperature", -1),
    ("temperature", 3),
    ("temperature", True),
    ("top_p", 1.5),
    ("presence_penalty", [1]),
    ("frequency_penalty", -2.1),
    ("seed", True),
    ("seed", 1.0),
    ("seed", "7"),
    ("seed", 2**63),
]


@pytest.mark.parametrize(("field", "value"), BAD_SAMPLING)
def test_a_technique_needs_sampling_values_that_make_sense(field: str, value: Any) -> None:
    body = {"model": "bon-x", "messages": [], field: value}
    with pytest.raises(InvalidRequest) as refused:
        planner().plan(ChatRequest(body))
    assert refused.value.param == field
    assert planner().plan(ChatRequest(body | {"model": "x"})) == Plan("x")  # the upstream is the judge


def test_sampling_values_at_their_bounds_and_nulls_are_fine() -> None:
    values = {"temperature": 2, "top_p": 0.0, "presence_penalty": -2, "frequency_penalty": None, "seed": -1}
    assert planner().plan(ChatRequest({"model": "bon-x", "messages": [], **values})).work is not None


def test_an_unknown_approach_names_the_known_ones() -> None:
    with pytest.raises(InvalidRequest, match="self_consistency") as refused:
        planner().plan(request("x", approach="bonn"))
    assert refused.value.param == "optillm_approach"
    with pytest.raises(InvalidRequest):
        planner("bonn")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("MOA-gpt-4o", "moa-gpt-4o"),
        ("mao-gpt-4o", "moa-gpt-4o"),
        ("bonn-gpt-4o", "bon-gpt-4o"),
        ("bonn(n=3)-org/gpt-4o", "bon(n=3)-org/gpt-4o"),
        ("bon|mao-gpt-4o", "bon|moa-gpt-4o"),
        ("(bonn|moa)&re3-x", "(bon|moa)&re2-x"),
        ("bon(judge_model=moaa)|mao-x", "bon(judge_model=moaa)|moa-x"),
        ("selfconsistency-x", "self_consistency-x"),
        ("self-consistency-x", "self_consistency-x"),
        ("Cot-Reflection-gpt-4o", "cot_reflection-gpt-4o"),
        ("nonne-bon-7b", "none-bon-7b"),
        *((name, None) for name in ("gpt-4o", "moat", "llama-3", "claude-3", "o1-mini", "bon|", "-", "")),
    ],
)
def test_suggests_the_slug_that_was_probably_meant(name: str, meant: str | None) -> None:
    assert planner().suggestion(name) == meant


@pytest.mark.parametrize("name", ["bon", "moa-", "BON", "bon(n=3)", "bon&moa", "bon|moa-", "none", "mcts"])
def test_a_technique_without_a_model_is_told_the_form(name: str) -> None:
    alone = name.removesuffix("-").lower()
    assert planner().advice(name) == f"{alone!r} is a technique without a model: write '{alone}-<model>'"


@pytest.mark.parametrize("name", ["gpt-4o", "moat", "bon/moa-x", "gpt-4o-bon", "bon)", ""])
def test_a_model_like_any_other_gets_no_advice(name: str) -> None:
    assert planner().advice(name) is None


BON_ONLY = Grant("alice", techniques=frozenset({"bon"}))
NEVER_PLAIN = Grant("bob", plain=False)


@pytest.mark.parametrize(
    ("grant", "asked", "field"),
    [
        (BON_ONLY, request("moa-x"), "model"),
        (BON_ONLY, request("bon&(bon|moa)-x"), "model"),
        (BON_ONLY, request("bon-x", approach="moa"), "optillm_approach"),
        (BON_ONLY, request("x", approach="moa", approach_field="optillm.approach"), "optillm.approach"),
        (Grant(techniques=frozenset()), request("bon-x"), "model"),
        (NEVER_PLAIN, request("x"), "model"),
        (NEVER_PLAIN, request("none-x"), "model"),
        (NEVER_PLAIN, request("bon-x", approach="none"), "optillm_approach"),
    ],
)
def test_a_key_may_not_use_more_than_it_was_granted(grant: Grant, asked: ChatRequest, field: str) -> None:
    with pytest.raises(PermissionDenied) as refused:
        planner().plan(replace(asked, grant=grant))
    assert (refused.value.status, refused.value.param) == (403, field)
    assert refused.value.code == "technique_not_allowed"


def test_the_operators_approach_is_no_way_around_a_grant() -> None:
    with pytest.raises(PermissionDenied, match="may not use moa; techniques it may use: bon"):
        planner("moa").plan(request("x", grant=BON_ONLY))


@pytest.mark.parametrize(
    ("grant", "model"),
    [
        (BON_ONLY, "bon-x"),
        (BON_ONLY, "bon&bon-x"),
        (BON_ONLY, "x"),
        (Grant(techniques=frozenset()), "x"),
        (NEVER_PLAIN, "moa-x"),
    ],
)
def test_a_key_may_use_what_it_was_granted(grant: Grant, model: str) -> None:
    assert planner().plan(request(model, grant=grant)).model == "x"
