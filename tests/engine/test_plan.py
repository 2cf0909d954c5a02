from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optillm.chat import ChatRequest
from optillm.engine.plan import Expression, Parallel, Pipeline, Plan, Planner, Step, parse, split
from optillm.errors import InvalidRequest
from optillm.techniques import registry

SLUGS = ("bon", "moa", "re2", "self_consistency", "mcts")


def planner(approach: str = "auto", **defaults: dict[str, Any]) -> Planner:
    return Planner(registry(), defaults, approach)


def request(model: str, **own: Any) -> ChatRequest:
    return ChatRequest({"model": model, "messages": []}, **own)


def step(slug: str, **arguments: Any) -> Step:
    return Step(slug, arguments)


@pytest.mark.parametrize(
    ("name", "expression", "model"),
    [
        ("moa-gpt-4o", step("moa"), "gpt-4o"),
        ("self_consistency-gpt-4o-mini", step("self_consistency"), "gpt-4o-mini"),
        ("bon(n=8,judge=pairwise)-openai/gpt-4o", step("bon", n=8, judge="pairwise"), "openai/gpt-4o"),
        ("bon(judge_model=gpt-4o-mini)-x", step("bon", judge_model="gpt-4o-mini"), "x"),
        ("moa(proposers=[a-1, b:2])-x", step("moa", proposers=["a-1", "b:2"]), "x"),
        ("bon()-x", step("bon"), "x"),
        ("none-bon-large", step("none"), "bon-large"),
        ("re2&bon-gpt-4o", Pipeline((step("re2"), step("bon"))), "gpt-4o"),
        ("bon|moa-gpt-4o", Parallel((step("bon"), step("moa"))), "gpt-4o"),
        ("bon|re2&moa-x", Parallel((step("bon"), Pipeline((step("re2"), step("moa"))))), "x"),
        ("(bon|re2)&moa-x", Pipeline((Parallel((step("bon"), step("re2"))), step("moa"))), "x"),
        ("moa-meta/llama-3:8b-instruct", step("moa"), "meta/llama-3:8b-instruct"),
    ],
)
def test_reads_the_expression_in_front_of_a_model(name: str, expression: Expression, model: str) -> None:
    assert split(name, SLUGS) == (expression, model)


@pytest.mark.parametrize(
    "name",
    [
        *("gpt-4o-mini", "bonito-7b", "moat-7b", "mixtral-8x7b", "gpt-4o-bon", "bon/moa-x", "mcts", "mcts-"),
        *("MOA-gpt-4o", "bon|nope-x", "re2&-x", "(bon-x", "bon|moa", "&-x", "o1&x", "", "-", "bon_moa-x"),
    ],
)
def test_everything_else_is_a_model_name(name: str) -> None:
    assert split(name, SLUGS) == (None, name)


@pytest.mark.parametrize("name", ["bon(n=8-gpt-4o", "bon(8)-x", "bon(n=)-x", "bon(=8)-x"])
def test_arguments_that_cannot_be_read_are_the_clients_to_mend(name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        split(name, SLUGS)
    assert refused.value.param == "model"


def test_an_expression_nests_only_so_deep() -> None:
    with pytest.raises(InvalidRequest, match="at most"):
        split("(" * 100 + "bon" + ")" * 100 + "-x", SLUGS)


expressions = st.recursive(
    st.builds(Step, st.sampled_from(SLUGS), st.dictionaries(st.sampled_from(["n", "k"]), st.integers())),
    lambda inner: (
        st.builds(Pipeline, st.lists(inner, min_size=2, max_size=3).map(tuple))
        | st.builds(Parallel, st.lists(inner, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=4,
)


def written(expression: Expression) -> str:
    match expression:
        case Step(slug, arguments):
            inside = ",".join(f"{name}={value}" for name, value in arguments.items())
            return f"{slug}({inside})" if inside else slug
        case Pipeline(steps):
            return "&".join(
                f"({written(s)})" if isinstance(s, Parallel | Pipeline) else written(s) for s in steps
            )
        case Parallel(branches):
            return "|".join(f"({written(b)})" if isinstance(b, Parallel) else written(b) for b in branches)


@given(expressions, st.from_regex(r"[a-z0-9][a-z0-9:/.-]{0,12}", fullmatch=True))
def test_what_is_written_is_what_is_read(expression: Expression, model: str) -> None:
    assert split(f"{written(expression)}-{model}", SLUGS) == (expression, model)
    assert parse(written(expression), SLUGS) == expression


def test_a_model_without_a_technique_is_relayed() -> None:
    plan = planner().plan(request("gpt-4o"))
    assert (plan.model, plan.technique) == ("gpt-4o", None)
    assert planner().plan(request("none-bon-7b")).model == "bon-7b"


def test_the_field_comes_before_the_slug_and_the_slug_before_the_operator() -> None:
    def slug(plan: Plan) -> str | None:
        return None if plan.technique is None else plan.technique.slug

    assert slug(planner().plan(request("moa-x", approach="bon"))) == "bon"
    assert slug(planner().plan(request("moa-x", approach="auto"))) == "moa"
    assert slug(planner().plan(request("moa-x", approach="none"))) is None
    assert planner().plan(request("moa-x", approach="bon")).model == "x"
    fixed = planner("bon")
    assert slug(fixed.plan(request("moa-x"))) == "bon"
    assert fixed.plan(request("moa-x")).model == "moa-x"
    assert slug(fixed.plan(request("moa-x", approach="moa"))) == "moa"


def test_slug_arguments_come_before_request_options_and_these_before_the_operators() -> None:
    plans = planner(bon={"n": 4, "temperature": 1.0, "group": 5})
    plan = plans.plan(request("bon(n=8)-x", options={"bon": {"n": 6, "temperature": 0.5}}))
    assert plan.options is not None
    assert plan.options.model_dump().items() >= {"n": 8, "temperature": 0.5, "group": 5}.items()


@pytest.mark.parametrize(
    ("name", "options", "param", "words"),
    [
        ("bon(n=99)-x", {}, "optillm.options.bon.n", ("32", "99")),
        ("bon(n=two)-x", {}, "optillm.options.bon.n", ("integer", "two")),
        ("bon(size=2)-x", {}, "optillm.options.bon.size", ("no such option", "judge")),
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


def test_compositions_are_refused_clearly_until_they_can_be_served() -> None:
    with pytest.raises(InvalidRequest, match="'&' and '\\|'"):
        planner().plan(request("bon&moa-x"))


def test_an_unknown_approach_names_the_known_ones() -> None:
    with pytest.raises(InvalidRequest, match="self_consistency") as refused:
        planner().plan(request("x", approach="bonn"))
    assert refused.value.param == "optillm_approach"
    with pytest.raises(InvalidRequest):
        planner("bonn")


@pytest.mark.parametrize(
    ("name", "meant"),
    [("MOA-gpt-4o", "moa-gpt-4o"), ("mao-gpt-4o", "moa-gpt-4o"), ("gpt-4o", None), ("moat", None)],
)
def test_suggests_the_slug_that_was_probably_meant(name: str, meant: str | None) -> None:
    assert planner().suggestion(name) == meant
