"""Tools as structured output: where one must be called, its arguments are the answer, and the technique is for them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from optillm.chat import Completion
from optillm.techniques import registry
from tests.fakes import Say, Sent, World

PARAMETERS = {
    "type": "object",
    "properties": {"total": {"type": "integer"}, "unit": {"type": "string"}},
    "required": ["total"],
    "additionalProperties": False,
}
TOOLS = [{"type": "function", "function": {"name": "Total", "strict": True, "parameters": PARAMETERS}}]
NAMED = {"type": "function", "function": {"name": "Total"}}
FORCED: list[dict[str, Any]] = [
    {"tools": TOOLS, "tool_choice": NAMED},
    {"tools": TOOLS, "tool_choice": "required"},
    {"functions": [TOOLS[0]["function"]], "function_call": {"name": "Total"}},
]
VERDICT = '{"ranking": ["B", "A", "C"], "score": 7, "groups": [["A"]], "pick": "A", "errors": [], "applicable": false}'
TECHNIQUES = sorted(registry())
ALONE = ["cot_reflection"]
"""Techniques that have nothing to do but with text."""


def calling(arguments: str, number: int = 0, finish_reason: str = "stop") -> Say:
    function = {"name": "Total", "arguments": arguments}
    call = {"id": f"call_{number}", "type": "function", "function": function}
    return Say(None, finish_reason, {"tool_calls": [call]})


def disagreeing(sent: Sent) -> str | Say:
    """Calls with other arguments each time, so that no vote settles early."""
    if sent.role == "judge":
        return VERDICT
    said = calling(json.dumps({"total": 40 + sent.number}), sent.number)
    if "functions" in sent.body:
        return Say(None, "stop", {"function_call": said.message["tool_calls"][0]["function"]})
    return said


def arguments_of(completion: Completion) -> Any:
    (action,) = completion.replies[0].actions
    assert action["function"]["name"] == "Total"
    return json.loads(action["function"]["arguments"])


@pytest.mark.parametrize("forced", FORCED, ids=["named", "required", "function"])
@pytest.mark.parametrize("slug", TECHNIQUES)
def test_one_of_the_calls_is_the_answer_of_every_technique(slug: str, forced: dict[str, Any]) -> None:
    world = World(disagreeing)
    completion = world.complete(f"{slug}-m", "Add up.", **forced)
    assert arguments_of(completion)["total"] in range(40, 40 + len(world.sent))
    named = forced.get("tool_choice") != "required"
    assert completion.replies[0].finish_reason == ("stop" if named else "tool_calls")
    report = completion.report
    assert (report.technique, report.turn) == ("none" if slug in ALONE else slug, "action")
    assert (report.stop_reason, report.losses) == ("complete", {})
    choice = next(name for name in forced if name in ("tool_choice", "function_call"))
    assert all(sent.body[choice] == forced[choice] for sent in world.sent if sent.role != "judge")
    assert not any(name in sent.body for sent in world.of("judge") for name in forced)


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_a_stream_ends_with_the_call(slug: str) -> None:
    *_, last = World(disagreeing).events(f"{slug}-m", "Add up.", **FORCED[0])
    assert isinstance(last[1], Completion)
    assert "total" in arguments_of(last[1])


@pytest.mark.parametrize(
    "slug", ["self_consistency(samples=5)", "rto(drafts=5)", "rstar", "moa(proposers=5)", "bon(n=5)"]
)
def test_votes_are_on_canonical_arguments(slug: str) -> None:
    layouts = [
        '{"total": 43, "unit": "pens"}',
        '{"unit":"pens","total":43}',
        '{ "total": 43.0, "unit": "pens" }',
    ]

    def script(sent: Sent) -> Say:
        return calling('{"total": 3}' if sent.number == 0 else layouts[sent.number % 3], sent.number)

    def judged(sent: Sent) -> str | Say:
        return "no idea" if sent.role == "judge" else script(sent)

    completion = World(judged).complete(f"{slug}-m", "Add up.", **FORCED[0])
    assert arguments_of(completion)["total"] == 43


@pytest.mark.parametrize("slug", ["bon", "mcts", "pvg", "moa(critique=shared)"])
def test_judges_see_the_call_with_its_arguments(slug: str) -> None:
    world = World(disagreeing)
    world.complete(f"{slug}-m", "Add up.", **FORCED[0])
    assert any('Total({"total":40})' in sent.prompt for sent in world.of("judge"))


def test_a_judge_chooses_among_calls() -> None:
    completion = World(disagreeing).complete("bon-m", "Add up.", **FORCED[0])
    assert completion.report.calls["judge"] > 0
    assert arguments_of(completion) in ({"total": 40}, {"total": 41}, {"total": 42})


def test_a_forced_call_needs_no_unchanged_request_first() -> None:
    world = World(disagreeing)
    world.complete("bon-m", "Add up.", **FORCED[0])
    assert [sent.start for sent in world.of("generate")] == [0.0] * 3


BAD = ["{", "[]", '{"total": "x"}', '{"total": 1, "more": 2}', "Total is 3"]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("slug", ["bon", "self_consistency", "moa", "mcts", "pvg", "rstar", "rto"])
def test_invalid_arguments_lose_to_valid_ones(slug: str, bad: str) -> None:
    def script(sent: Sent) -> str | Say:
        if sent.role == "judge":
            return VERDICT
        return calling('{"total": 43}' if sent.number == 1 or sent.start > 0 else bad)

    assert arguments_of(World(script).complete(f"{slug}-m", "Add up.", **FORCED[0])) == {"total": 43}


@pytest.mark.parametrize(
    "bad",
    [
        *(calling(bad) for bad in BAD),
        Say("It is 43."),
        Say(
            None,
            message={
                "tool_calls": [
                    {"id": "1", "type": "function", "function": {"name": "Sum", "arguments": "{}"}}
                ]
            },
        ),
    ],
)
@pytest.mark.parametrize("slug", TECHNIQUES)
def test_when_all_are_invalid_one_is_repaired_by_one_call(slug: str, bad: Say) -> None:
    def script(sent: Sent) -> str | Say:
        if sent.role == "judge":
            return VERDICT
        return calling('{"total": 43}') if "does not have the form" in sent.prompt else bad

    world = World(script)
    assert arguments_of(world.complete(f"{slug}-m", "Add up.", **FORCED[0])) == {"total": 43}
    assert sum("does not have the form" in sent.prompt for sent in world.sent) == 1


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_an_upstream_that_never_calls_is_no_failure(slug: str) -> None:
    def script(sent: Sent) -> str:
        return VERDICT if sent.role == "judge" else "It is 43."

    completion = World(script).complete(f"{slug}-m", "Add up.", **FORCED[1])
    assert completion.replies[0].text == "It is 43."
    assert completion.report.turn == "answer"


@pytest.mark.parametrize(
    "model", ["re2&bon-m", "bon&moa-m", "bon|self_consistency-m", "cot_reflection&bon-m"]
)
def test_compositions_choose_among_calls_too(model: str) -> None:
    completion = World(disagreeing).complete(model, "Add up.", **FORCED[0])
    assert "total" in arguments_of(completion)
    assert completion.report.technique == model.removesuffix("-m")


def test_as_many_choices_as_asked_for_are_calls() -> None:
    completion = World(disagreeing).complete("bon-m", "Add up.", n=3, **FORCED[0])
    assert len({reply.tool_calls[0]["function"]["arguments"] for reply in completion.replies}) == 3


@pytest.mark.parametrize("forced", FORCED, ids=["named", "required", "function"])
def test_no_decoy_is_written_that_could_not_be_shown(forced: dict[str, Any]) -> None:
    world = World(disagreeing)
    world.complete("pvg(helpful=2,sneaky=3,votes=1)-m", "Add up.", **forced)
    assert len(world.of("judge")) == 2


def test_a_decoy_is_written_where_a_tool_may_be_called() -> None:
    world = World(lambda sent: VERDICT if sent.role == "judge" else f"The answer is {sent.number}.")
    world.complete("pvg(helpful=2,sneaky=1,votes=1)-m", "Add up.", tools=TOOLS, tool_choice="auto")
    assert any("proof-reading" in str(sent.body["messages"]) for sent in world.of("judge"))
