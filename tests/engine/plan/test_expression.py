"""The grammar of technique expressions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optillm.chat import ChatRequest
from optillm.engine.plan import expression as grammar
from optillm.engine.plan.expression import Expression, Step, parse, split
from optillm.engine.run import composition
from optillm.engine.run.composition import Leaf, Operator, Parallel, Pipeline
from optillm.engine.run.context import RequestContext
from optillm.engine.run.merging import Merging
from optillm.errors import InvalidRequest
from optillm.technique import Answer, Cost
from tests.fakes import World

SLUGS = ("bon", "moa", "re2", "self_consistency", "mcts")


def step(slug: str, **arguments: object) -> Leaf[Step]:
    return Leaf(Step(slug, arguments))


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


steps = st.builds(Step, st.sampled_from(SLUGS), st.dictionaries(st.sampled_from(["n", "k"]), st.integers()))
expressions = st.recursive(
    st.builds(Leaf, steps),
    lambda inner: (
        st.builds(Pipeline, st.lists(inner, min_size=2, max_size=3).map(tuple))
        | st.builds(Parallel, st.lists(inner, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=4,
)


def written(expression: Expression) -> str:
    """Write an expression with its arguments, in no more brackets than it needs to be read as it is."""
    match expression:
        case Leaf(Step(slug, arguments)):
            inside = ",".join(f"{name}={value}" for name, value in arguments.items())
            return f"{slug}({inside})" if inside else slug
        case Operator(parts):
            own = type(expression)
            tighter = composition.OPERATORS[composition.OPERATORS.index(own) + 1 :]
            return own.sign.join(
                written(part) if isinstance(part, (Leaf, *tighter)) else f"({written(part)})"
                for part in parts
            )
    raise AssertionError


@given(expressions, st.from_regex(r"[a-z0-9][a-z0-9:/.-]{0,12}", fullmatch=True))
def test_what_is_written_is_what_is_read(expression: Expression, model: str) -> None:
    assert split(f"{written(expression)}-{model}", SLUGS) == (expression, model)
    assert parse(written(expression), SLUGS) == expression


@dataclass(frozen=True, slots=True)
class Fallback(Operator[Any]):
    """A toy: the first part that gives an answer."""

    sign: ClassVar[str] = "~"

    def worst_case(self, choices: int, merging: Merging) -> Cost:
        return sum((part.worst_case(choices, merging) for part in self.parts), Cost(0, 0))

    async def run(self, ctx: RequestContext, merging: Merging) -> Answer:
        return await self.parts[0].run(ctx, merging)


def test_a_new_operator_is_one_class(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (composition, grammar):
        monkeypatch.setattr(module, "OPERATORS", (Fallback, *composition.OPERATORS))
    world = World(lambda sent: "The answer is 4.")
    plan = world.engine.planner.plan(ChatRequest({"model": "(bon~re2)&none&moa-x", "messages": []}))
    assert str(plan.work) == "(bon~re2)&moa"
    assert world.complete("re2~bon-m").report.technique == "re2~bon"
