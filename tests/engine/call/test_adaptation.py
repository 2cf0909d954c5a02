"""How a payload becomes a body: what is left out, what it is called, and where an instruction stands."""

from __future__ import annotations

from typing import Any

import pytest

from optillm.engine.call.adaptation import Adaptation, Fit, merge_turns
from optillm.engine.call.payload import ON_BEHALF, Payload, Placement

USER = {"role": "user", "content": "q"}
SYSTEM = {"role": "system", "content": "Be brief."}
IMAGE = {"type": "image_url", "image_url": {"url": "data:,"}}
CALLS: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": [], "reasoning_content": "Hm."}
TOOL = {"role": "tool", "content": "12", "tool_call_id": "1"}


def messages(placement: Placement, conversation: list[dict[str, Any]]) -> list[Any]:
    payload = Payload("m", conversation, instruction="Think.")
    sent: list[Any] = Adaptation(placement=placement).body(payload)["messages"]
    return sent


@pytest.mark.parametrize(
    ("conversation", "joined"),
    [
        ([USER], [{"role": "user", "content": "q\n\nThink."}]),
        ([SYSTEM, USER, CALLS, TOOL], [SYSTEM, {"role": "user", "content": "q\n\nThink."}, CALLS, TOOL]),
        (
            [{"role": "user", "content": [IMAGE]}],
            [{"role": "user", "content": [IMAGE, {"type": "text", "text": "Think."}]}],
        ),
        ([SYSTEM], [SYSTEM, {"role": "user", "content": "Think."}]),
    ],
)
def test_an_instruction_joins_the_last_user_turn(conversation: list[Any], joined: list[Any]) -> None:
    assert messages(Placement.JOINED, conversation) == joined


@pytest.mark.parametrize("role", ["system", "developer"])
def test_an_instruction_joins_the_system_turn_or_becomes_one(role: str) -> None:
    first = {"role": role, "content": "Be brief."}
    spoken = f"{ON_BEHALF}\n\nThink."
    assert messages(Placement.SYSTEM, [first, USER]) == [{**first, "content": f"Be brief.\n\n{spoken}"}, USER]
    assert messages(Placement.SYSTEM, [USER]) == [{"role": "system", "content": spoken}, USER]


@pytest.mark.parametrize("placement", Placement)
def test_all_other_turns_are_sent_unchanged(placement: Placement) -> None:
    assert messages(placement, [SYSTEM, USER, CALLS, TOOL])[2:4] == [CALLS, TOOL]


def test_neighbouring_user_turns_are_merged_with_their_parts_in_order() -> None:
    merged = merge_turns([{"role": "user", "content": [IMAGE]}, {"role": "user", "content": "b"}])
    assert merged == [{"role": "user", "content": [IMAGE, {"type": "text", "text": "b"}]}]
    assert merge_turns([USER, CALLS, USER]) == [USER, CALLS, USER]


def test_withheld_and_refused_parameters_are_left_out() -> None:
    payload = Payload(
        "m", [USER], {"temperature": 0.7, "seed": 4, "user": "u"}, {"temperature": 0.1, "seed": None}
    )
    assert Adaptation().body(payload) == payload.body
    left = Adaptation(withheld=frozenset({"temperature", "seed", "user"})).body(payload)
    assert left == {"model": "m", "messages": [USER], "temperature": 0.1, "user": "u"}
    assert "user" not in Adaptation(refused=frozenset({"user"})).body(payload)


def test_a_limit_of_ours_is_bounded_and_renamed_and_the_clients_only_renamed() -> None:
    adaptation = Adaptation(fit=Fit(100)).renaming("max_tokens")
    judge = Payload("m", [USER], {"max_tokens": 4096}, {"max_tokens": None})
    assert adaptation.body(judge)["max_completion_tokens"] == 100
    assert adaptation.body(Payload("m", [USER], {"max_tokens": 4096}))["max_completion_tokens"] == 4096


def test_the_clients_own_conversation_takes_the_place_of_another_form_of_it() -> None:
    payload = Payload("m", [{"role": "user", "content": "q q"}], plainer=[USER])
    assert Adaptation(plainer=True).body(payload)["messages"] == [USER]
