"""The grammar of technique expressions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optillm.engine.plan.expression import Expression, Parallel, Pipeline, Step, parse, split
from optillm.errors import InvalidRequest

SLUGS = ("bon", "moa", "re2", "self_consistency", "mcts")


def step(slug: str, **arguments: object) -> Step:
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


@pytest.mark.parametrize("name", ["bon(n=8-gpt-4o", "bon(8)-x", "bon(n=)-x", "bon(=8)-x", "bon(n=3,n=5)-x"])
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
