"""The proxy's own fields of a request."""

from __future__ import annotations

from typing import Any

import pytest

from optillm.chat import Budget
from optillm.errors import InvalidRequest
from optillm.server.api.fields import NOTHING, take_extension


def test_a_request_without_them_says_nothing() -> None:
    body = {"model": "m"}
    assert take_extension(body) is NOTHING
    assert body == {"model": "m"}


def test_takes_them_out_of_the_body() -> None:
    body: dict[str, Any] = {
        "model": "m",
        "optillm_approach": "bon",
        "optillm": {
            "approach": "bon",
            "options": {"bon": {"n": 8}, "moa": None},
            "budget": {"max_calls": 5, "max_tokens": None, "seconds": 2.5, "max_cost": 0.05},
            "progress": "reasoning",
            "trace": True,
        },
    }
    own = take_extension(body)
    assert body == {"model": "m"}
    assert own.approach == "bon"
    assert own.options == {"bon": {"n": 8}, "moa": {}}
    assert own.budget == Budget(5, None, 2.5, 0.05)
    assert (own.progress, own.trace) == ("reasoning", True)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"optillm_approach": "bon"}, "optillm_approach"),
        ({"optillm": {"approach": "bon"}}, "optillm.approach"),
    ],
)
def test_remembers_where_the_approach_stood(body: dict[str, Any], field: str) -> None:
    assert take_extension(body).approach_field == field


def test_nulls_say_nothing() -> None:
    body: dict[str, Any] = {"optillm_approach": None, "optillm": None}
    assert take_extension(body).approach is None
    assert body == {}
    own = take_extension({"optillm": dict.fromkeys(("approach", "options", "budget", "progress", "trace"))})
    assert (own.approach, own.options, own.budget, own.progress) == (None, {}, Budget(), None)


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"optillm_approach": 1}, "optillm_approach"),
        ({"optillm_approach": " "}, "optillm_approach"),
        ({"optillm_approach": "bon", "optillm": {"approach": "moa"}}, "optillm_approach"),
        ({"optillm": []}, "optillm"),
        ({"optillm": {"aproach": "bon"}}, "optillm.aproach"),
        ({"optillm": {"approach": ""}}, "optillm.approach"),
        ({"optillm": {"approach": ["bon"]}}, "optillm.approach"),
        ({"optillm": {"options": []}}, "optillm.options"),
        ({"optillm": {"options": {"bon": 8}}}, "optillm.options.bon"),
        ({"optillm": {"budget": 5}}, "optillm.budget"),
        ({"optillm": {"budget": {"calls": 5}}}, "optillm.budget.calls"),
        ({"optillm": {"budget": {"max_calls": 0}}}, "optillm.budget.max_calls"),
        ({"optillm": {"budget": {"max_calls": True}}}, "optillm.budget.max_calls"),
        ({"optillm": {"budget": {"max_tokens": 1.5}}}, "optillm.budget.max_tokens"),
        ({"optillm": {"budget": {"seconds": -1}}}, "optillm.budget.seconds"),
        ({"optillm": {"budget": {"seconds": "1"}}}, "optillm.budget.seconds"),
        ({"optillm": {"progress": "loud"}}, "optillm.progress"),
        ({"optillm": {"progress": ["off"]}}, "optillm.progress"),
        ({"optillm": {"trace": 1}}, "optillm.trace"),
        ({"optillm_approach": "bon" * 200}, "optillm_approach"),
        ({"optillm": {"approach": "bon(judge_model=a\0b)"}}, "optillm.approach"),
        ({"optillm": {"options": {"bon": {"judge_model": "a\r\nb"}}}}, "optillm.options.bon.judge_model"),
        ({"optillm": {"options": {"moa": {"proposers": ["a", "b\0"]}}}}, "optillm.options.moa.proposers"),
    ],
)
def test_names_what_it_refuses(fields: dict[str, Any], where: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        take_extension(fields)
    assert caught.value.param == where
    assert where in caught.value.message
