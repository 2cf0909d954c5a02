"""Compositions for people: the expression with its options, and the graph."""

from __future__ import annotations

from typing import Any

import pytest

from optillm.chat import ChatRequest
from optillm.engine.plan.planner import Planner
from optillm.engine.run.composition import Work
from optillm.engine.run.drawing import described, expression, graph
from optillm.techniques import registry


def work_of(written: str) -> Work:
    messages: list[Any] = [{"role": "user", "content": "Hi"}]
    plan = Planner(registry(), {}, "auto").plan(ChatRequest({"model": f"{written}-m", "messages": messages}))
    assert plan.work is not None
    return plan.work


@pytest.mark.parametrize(
    ("written", "drawn"),
    [
        ("bon", "bon"),
        ("bon(n=3)", "bon"),
        ("bon(n=4,judge=rate,prevote=false)", "bon(n=4, judge=rate, prevote=false)"),
        ("moa(proposers=[a,b])", "moa(proposers=[a,b])"),
        ("re2&(bon(n=2)|self_consistency)", "re2&(bon(n=2)|self_consistency)"),
    ],
)
def test_an_expression_names_what_is_not_at_its_default(written: str, drawn: str) -> None:
    assert expression(work_of(written)) == drawn


@pytest.mark.parametrize("written", ["bon(n=4,judge=rate)", "moa(proposers=[a,b])", "re2&(bon(n=2)|rto)"])
def test_an_expression_can_be_requested_again(written: str) -> None:
    again = expression(work_of(written)).replace(" ", "")
    assert expression(work_of(again)) == expression(work_of(written))


def test_a_single_technique_has_no_graph() -> None:
    assert graph(work_of("bon")) is None


def test_a_pipeline_is_a_chain() -> None:
    drawn = graph(work_of("re2&bon"))
    assert drawn is not None
    assert drawn["edges"] == [[0, 1]]
    assert [node["kind"] for node in drawn["nodes"]] == ["technique", "technique"]


def test_branches_meet_in_a_merge_that_what_follows_goes_on_from() -> None:
    drawn = graph(work_of("re2&(bon|moa)&rto"))
    assert drawn is not None
    assert [node["label"] for node in drawn["nodes"]] == ["re2", "bon", "moa", "merge", "rto"]
    assert drawn["edges"] == [[0, 1], [0, 2], [1, 3], [2, 3], [3, 4]]


def test_options_that_were_not_reduced_are_not_told_twice() -> None:
    small, large = work_of("bon(n=2)"), work_of("bon(n=8)")
    assert described(large, large)["requested_options"] is None
    reduced = described(small, large)
    assert (reduced["options"]["n"], reduced["requested_options"]["n"]) == (2, 8)
