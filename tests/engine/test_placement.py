"""Where an instruction stands: in conversations of every shape, with every technique, and where it is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import pytest

from optillm.chat import content_text
from optillm.engine.call.adaptation import Adaptation
from optillm.engine.call.payload import ON_BEHALF, PLACEMENTS, Payload, Placement
from optillm.engine.call.remedies import Refusal, remedies
from optillm.engine.upstream.capabilities import Capabilities
from optillm.techniques import registry
from tests.fakes import Sent, World, failing

QUESTION = "A farmer has 12 sheep and buys 30 more. How many are there?"
USER = {"role": "user", "content": "q"}
SYSTEM = {"role": "system", "content": "Be brief."}
REPLY = {"role": "assistant", "content": "Well,"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:,"}}
CALLS: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": []}
TOOL = {"role": "tool", "content": "12", "tool_call_id": "1"}
PICTURED = {"role": "user", "content": [{"type": "text", "text": "q"}, IMAGE]}

OWN = {"role": "user", "content": "Think."}
JOINED = {"role": "user", "content": "q\n\nThink."}
BEFORE = {"role": "user", "content": "Think.\n\nq"}
NEW_SYSTEM = {"role": "system", "content": f"{ON_BEHALF}\n\nThink."}
SYSTEM_TOO = {"role": "system", "content": f"Be brief.\n\n{ON_BEHALF}\n\nThink."}


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


SHAPES: Mapping[str, tuple[list[Any], Mapping[Placement, list[Any]]]] = {
    "question": (
        [USER],
        {
            Placement.OWN_TURN: [USER, OWN],
            Placement.JOINED: [JOINED],
            Placement.BEFORE: [BEFORE],
            Placement.SYSTEM: [NEW_SYSTEM, USER],
        },
    ),
    "system-turn": (
        [SYSTEM, USER],
        {
            Placement.OWN_TURN: [SYSTEM, USER, OWN],
            Placement.JOINED: [SYSTEM, JOINED],
            Placement.BEFORE: [SYSTEM, BEFORE],
            Placement.SYSTEM: [SYSTEM_TOO, USER],
        },
    ),
    "several-turns": (
        [SYSTEM, USER, REPLY, USER],
        {
            Placement.OWN_TURN: [SYSTEM, USER, REPLY, USER, OWN],
            Placement.JOINED: [SYSTEM, USER, REPLY, JOINED],
            Placement.BEFORE: [SYSTEM, USER, REPLY, BEFORE],
            Placement.SYSTEM: [SYSTEM_TOO, USER, REPLY, USER],
        },
    ),
    "image": (
        [PICTURED],
        {
            Placement.OWN_TURN: [PICTURED, OWN],
            Placement.JOINED: [{"role": "user", "content": [text("q"), IMAGE, text("Think.")]}],
            Placement.BEFORE: [
                {"role": "user", "content": [text("Think."), text("q"), IMAGE]},
            ],
            Placement.SYSTEM: [NEW_SYSTEM, PICTURED],
        },
    ),
    "assistant-last": (
        [USER, REPLY],
        {
            Placement.OWN_TURN: [USER, REPLY, OWN],
            Placement.JOINED: [JOINED, REPLY],
            Placement.BEFORE: [BEFORE, REPLY],
            Placement.SYSTEM: [NEW_SYSTEM, USER, REPLY],
        },
    ),
    "tool-result-last": (
        [SYSTEM, USER, CALLS, TOOL],
        {
            Placement.OWN_TURN: [SYSTEM, USER, CALLS, TOOL, OWN],
            Placement.JOINED: [SYSTEM, JOINED, CALLS, TOOL],
            Placement.BEFORE: [SYSTEM, BEFORE, CALLS, TOOL],
            Placement.SYSTEM: [SYSTEM_TOO, USER, CALLS, TOOL],
        },
    ),
    "no-user-turn": (
        [SYSTEM],
        {
            Placement.OWN_TURN: [SYSTEM, OWN],
            Placement.JOINED: [SYSTEM, OWN],
            Placement.BEFORE: [SYSTEM, OWN],
            Placement.SYSTEM: [SYSTEM_TOO],
        },
    ),
}


@pytest.mark.parametrize("placement", Placement, ids=lambda placement: placement.name)
@pytest.mark.parametrize("shape", SHAPES)
def test_an_instruction_stands_in_its_place_and_changes_nothing_else(
    shape: str, placement: Placement
) -> None:
    conversation, expected = SHAPES[shape]
    payload = Payload("m", conversation, instruction="Think.", placement=placement)
    assert payload.body["messages"] == expected[placement]
    elsewhere = Payload("m", conversation, instruction="Think.")
    assert Adaptation(placement=placement).body(elsewhere)["messages"] == expected[placement]


def test_one_blank_line_follows_an_instruction_that_ends_with_a_line_break() -> None:
    payload = Payload("m", [USER], instruction="Think.\n", placement=Placement.BEFORE)
    assert payload.body["messages"] == [BEFORE]


# Where it is refused.


def world_with(word: str, refuses: Callable[[Sequence[Mapping[str, Any]]], bool], message: str) -> World:
    """A world whose instructions stand where the setting says, and whose upstream refuses some conversations."""

    def script(sent: Sent) -> str:
        if refuses(sent.body["messages"]):
            raise failing(400, message)
        return "It is 42."

    world = World(script)
    world.engine.routes.all[0].placements = [("*", PLACEMENTS[word])]
    return world


def has_system_turn(messages: Sequence[Mapping[str, Any]]) -> bool:
    return any(message["role"] == "system" for message in messages)


def has_two_user_turns(messages: Sequence[Mapping[str, Any]]) -> bool:
    return any(one["role"] == other["role"] == "user" for one, other in pairwise(messages))


def ends_otherwise(messages: Sequence[Mapping[str, Any]]) -> bool:
    return bool(messages[-1]["role"] != "user")


REFUSALS = {
    "system turn": (has_system_turn, "System role not supported"),
    "two user turns": (
        has_two_user_turns,
        "Conversation roles must alternate user/assistant/user/assistant/...",
    ),
    "last turn": (ends_otherwise, "The last message must have role user"),
}


@pytest.mark.parametrize(
    ("word", "refusal", "roles"),
    [
        ("after", "system turn", ["user", "user"]),
        ("after", "two user turns", ["user"]),
        ("before", "system turn", ["user"]),
        ("before", "two user turns", ["user"]),
        ("system", "system turn", ["user"]),
        ("system", "two user turns", ["system", "user"]),
    ],
)
def test_a_place_that_is_refused_is_left_for_another_and_not_tried_again(
    word: str, refusal: str, roles: list[str]
) -> None:
    refuses, message = REFUSALS[refusal]
    world = world_with(word, refuses, message)
    for _ in range(2):
        assert world.text("cot_reflection-m", QUESTION) == "It is 42."
        assert [turn["role"] for turn in world.sent[-1].body["messages"]] == roles
    own_place_refused = refuses(
        Payload("m", [USER], instruction="Think.", placement=PLACEMENTS[word]).body["messages"]
    )
    assert [sent.outcome for sent in world.sent].count("failed") == own_place_refused


def test_an_instruction_before_the_question_follows_a_conversation_that_must_end_with_the_user() -> None:
    world = world_with("before", *REFUSALS["last turn"])
    history = [{"role": "user", "content": QUESTION}, REPLY]
    for _ in range(2):
        assert world.text("cot_reflection-m", history) == "It is 42."
    assert [turn["role"] for turn in world.sent[-1].body["messages"]] == ["user", "assistant", "user"]
    assert world.sent[-1].outcome == world.sent[-2].outcome == "ok"


@pytest.mark.parametrize("word", PLACEMENTS)
def test_the_last_form_that_is_tried_adds_no_turn(word: str) -> None:
    payload = Payload("m", [USER], instruction="Think.", placement=PLACEMENTS[word])
    adaptation = Adaptation(placement=payload.placement)
    *_, last = remedies(payload, adaptation, Refusal.read(failing(400)))
    assert [turn["role"] for turn in last.adaptation.body(payload)["messages"]] == ["user"]


def test_what_is_learned_of_one_place_says_nothing_of_another() -> None:
    capabilities = Capabilities(expires=0)
    payloads = {
        word: Payload("m", [USER], instruction="Think.", placement=placement)
        for word, placement in PLACEMENTS.items()
    }
    first = capabilities.adaptation(payloads["system"])
    capabilities.learn(payloads["system"], first, Adaptation(placement=Placement.BEFORE))
    places = {word: capabilities.adaptation(payload).placement for word, payload in payloads.items()}
    assert places == {**PLACEMENTS, "system": Placement.BEFORE}


# With every technique, and for the models that the setting names.


def generates(sent: Sent) -> bool:
    """Whether a call goes on with the conversation: judges get it as a quotation."""
    return any(
        message["role"] == "user"
        and (content_text(message).startswith(QUESTION) or content_text(message).endswith(QUESTION))
        for message in sent.body["messages"]
    )


@pytest.mark.parametrize("word", ["before", "system"])
@pytest.mark.parametrize("slug", sorted(registry()))
def test_every_technique_answers_with_its_instructions_in_that_place(slug: str, word: str) -> None:
    def script(sent: Sent) -> str:
        if generates(sent):
            return f"Let me see. The answer is {40 + sent.number}."
        return '{"ranking": ["A", "B", "C"], "score": 7, "groups": [["A"], ["B"]], "pick": "A"}'

    world = World(script)
    world.engine.routes.all[0].placements = [("*", PLACEMENTS[word])]
    assert "The answer is 4" in world.text(f"{slug}-m", QUESTION)
    instructed = [sent.body["messages"] for sent in world.sent if generates(sent)]
    assert all(content_text(messages[-1]).endswith(QUESTION) for messages in instructed if slug != "re2")
    roles = {tuple(message["role"] for message in messages) for messages in instructed}
    assert roles <= {("user",), ("system", "user") if word == "system" else ("user",)}


def test_a_model_has_its_instructions_where_the_first_fitting_pattern_says() -> None:
    world = World(lambda sent: "It is 42.")
    world.engine.routes.all[0].placements = [
        ("tiny-*", Placement.BEFORE),
        ("t*", Placement.SYSTEM),
    ]
    for model in ("tiny-1", "t2", "large"):
        world.text(f"cot_reflection-{model}", QUESTION)
    assert [[turn["role"] for turn in sent.body["messages"]] for sent in world.sent] == [
        ["user"],
        ["system", "user"],
        ["user", "user"],
    ]
