"""Requests with tools: actions go back as they are, answers get the technique."""

from __future__ import annotations

from typing import Any

import pytest

from optillm.chat import Completion, Stream
from optillm.techniques import registry
from tests.fakes import Say, Sent, World, failing

TOOLS = [{"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}]
CALLS = [{"id": "call_1", "type": "function", "function": {"name": "search", "arguments": '{"q":  "x"}'}}]
TECHNIQUES = sorted(registry())
WRITING = ["moa", "rto", "cot_reflection", "re2"]


def acting(sent: Sent) -> Say:
    return Say(None, "tool_calls", {"tool_calls": CALLS})


def answering(sent: Sent) -> str:
    return '{"ranking": ["A", "B"], "score": 5}' if sent.role == "judge" else f"The answer is {sent.number}."


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_an_action_goes_back_as_it_is_after_one_call(slug: str) -> None:
    world = World(acting)
    completion = world.complete(f"{slug}-m", "Find x.", tools=TOOLS, temperature=0, parallel_tool_calls=True)
    assert completion.replies[0].message["tool_calls"] == CALLS
    assert completion.replies[0].finish_reason == "tool_calls"
    assert (completion.report.technique, completion.report.turn) == ("none", "action")
    assert (completion.report.options, completion.report.requested_options) == ({}, None)
    assert [(record.technique, record.stop) for record in world.records] == [("none", None)]
    (sent,) = world.sent
    assert sent.body["tools"] == TOOLS
    assert sent.body["temperature"] == 0
    assert sent.body["parallel_tool_calls"] is True


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_an_answer_gets_the_technique_with_that_reply_as_its_first_candidate(slug: str) -> None:
    world = World(answering)
    completion = world.complete(f"{slug}-m", "Find x.", tools=TOOLS)
    assert (completion.report.technique, completion.report.turn) == (slug, "answer")
    assert [record.technique for record in world.records] == [slug]
    assert "tool_choice" not in world.sent[0].body
    assert all(sent.body.get("tool_choice") == "none" for sent in world.sent[1:] if sent.role != "judge")
    assert not any("tools" in sent.body for sent in world.of("judge"))


def test_the_first_reply_takes_a_place_among_the_candidates() -> None:
    world = World(answering)
    world.complete("bon-m", "Find x.", tools=TOOLS)
    assert len(world.of("generate")) == 3
    assert world.seconds == 3.0


@pytest.mark.parametrize("fields", [{"tools": []}, {"tools": TOOLS, "tool_choice": "none"}, {"tools": None}])
def test_without_usable_tools_there_is_no_faithful_call(fields: dict[str, Any]) -> None:
    world = World(answering)
    world.complete("bon-m", "Find x.", **fields)
    assert world.seconds == 2.0


def test_tool_turns_in_the_history_stay_as_they_are() -> None:
    messages = [
        {"role": "user", "content": "Find x."},
        {"role": "assistant", "content": None, "tool_calls": CALLS},
        {"role": "tool", "tool_call_id": "call_1", "content": "x is 7"},
    ]
    world = World(answering)
    world.complete("moa-m", messages, tools=TOOLS)
    assert all(
        list(sent.body["messages"][:3]) == messages for sent in [*world.of("generate"), *world.of("write")]
    )


def test_an_action_streams_too() -> None:
    events = [event for _, event in World(acting).events("moa-m", "Find x.", tools=TOOLS)]
    (last,) = events
    assert isinstance(last, Completion)
    assert last.replies[0].tool_calls == CALLS
    assert last.report.technique == "none"


@pytest.mark.parametrize(
    ("fields", "technique"),
    [
        ({}, "moa"),
        ({"tools": TOOLS}, None),
        ({"tools": TOOLS, "tool_choice": "none"}, "moa"),
        ({"tools": TOOLS, "tool_choice": "required"}, "moa"),
    ],
)
def test_a_stream_names_its_technique_in_its_headers_if_that_is_certain(
    fields: dict[str, Any], technique: str | None
) -> None:
    async def named() -> str | None:
        stream = await world.serve("moa-m", "Find x.", stream=True, **fields)
        assert isinstance(stream, Stream)
        await stream.events.aclose()
        return stream.technique

    world = World(answering)
    assert world.run(named()) == technique


@pytest.mark.parametrize("slug", TECHNIQUES)
@pytest.mark.parametrize("answers", [1, 2])
def test_samples_that_call_tools_against_tool_choice_none_are_no_failure(slug: str, answers: int) -> None:
    def script(sent: Sent) -> str | Say:
        return answering(sent) if sent.role == "judge" or sent.number < answers else acting(sent)

    completion = World(script).complete(f"{slug}-m", "Find x.", tools=TOOLS)
    (reply,) = completion.replies
    assert reply.tool_calls == CALLS or reply.text.startswith("The answer is")
    assert (completion.report.technique, completion.report.turn) == (
        slug,
        "action" if reply.actions else "answer",
    )
    assert not {"failed", "empty", "invalid"} & completion.report.losses.keys()


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_samples_that_call_tools_without_any_offered_are_no_failure(slug: str) -> None:
    def script(sent: Sent) -> str | Say:
        return answering(sent) if sent.role == "judge" or not sent.number else acting(sent)

    assert World(script).complete(f"{slug}-m", "Find x.").replies


@pytest.mark.parametrize("finish_reason", ["tool_calls", "stop"])
@pytest.mark.parametrize("slug", WRITING)
def test_a_final_call_that_calls_a_tool_against_tool_choice_none_is_returned_and_not_repeated(
    slug: str, finish_reason: str
) -> None:
    def script(sent: Sent) -> str | Say:
        if sent.role == "judge":
            return "B" * sent.number
        if sent.role == "write" or (slug == "re2" and sent.number > 0):
            return Say(None, finish_reason, {"tool_calls": CALLS})
        return f"The answer is {sent.number}."

    completion = World(script).complete(f"{slug}-m", "Find x.", tools=TOOLS)
    assert completion.replies[0].tool_calls == CALLS
    assert completion.report.calls["write"] == 1
    assert (completion.report.technique, completion.report.turn) == (slug, "action")


def test_when_the_technique_fails_the_first_reply_is_the_answer() -> None:
    def script(sent: Sent) -> str:
        if sent.number:
            raise failing(400)
        return "x is 7."

    completion = World(script).complete("bon-m", "Find x.", tools=TOOLS)
    assert completion.replies[0].text == "x is 7."


@pytest.mark.parametrize("n", ["honoured", "ignored"])
def test_an_action_turn_has_as_many_choices_as_asked_for(n: Any) -> None:
    world = World(acting, n=n)
    completion = world.complete("bon-m", "Find x.", tools=TOOLS, n=3)
    assert [reply.message["tool_calls"] for reply in completion.replies] == [CALLS] * 3
    assert world.seconds == 1.0


def test_of_several_first_replies_those_that_answer_are_candidates() -> None:
    def script(sent: Sent) -> str | Say:
        return acting(sent) if sent.number == 1 else answering(sent)

    completion = World(script).complete("bon-m", "Find x.", tools=TOOLS, n=2)
    assert completion.report.turn == "answer"
    assert len(completion.replies) == 2
    assert not any(reply.tool_calls for reply in completion.replies)


FUNCTIONS = [{"name": "search", "parameters": {"type": "object"}}]


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_a_function_call_of_old_goes_back_as_it_is(slug: str) -> None:
    call = {"name": "search", "arguments": "{}"}
    world = World(lambda sent: Say(None, "function_call", {"function_call": call}))
    completion = world.complete(f"{slug}-m", "Find x.", functions=FUNCTIONS)
    assert completion.replies[0].message["function_call"] == call
    assert completion.replies[0].finish_reason == "function_call"
    assert (completion.report.turn, len(world.sent)) == ("action", 1)


def test_an_answer_though_functions_are_offered_gets_the_technique() -> None:
    world = World(answering)
    assert world.complete("bon-m", "Find x.", functions=FUNCTIONS).report.turn == "answer"
    assert {sent.body.get("function_call") for sent in world.of("generate")[1:]} == {"none"}
    assert (
        World(answering).complete("bon-m", "x", functions=FUNCTIONS, function_call="none").report.rounds == 2
    )
