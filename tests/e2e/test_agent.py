"""Agents: a loop of several turns with tools runs to its end through every technique, whole and streamed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI

from optillm.techniques import registry
from tests.e2e.proxy import Proxy, serving
from tests.e2e.shop import ANSWER, CALLS, QUESTION, TOOLS, TURNS, Keeper, tool
from tests.stub import Stub

MODELS = ["m", *(f"{slug}-m" for slug in sorted(registry()))]


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    with Stub(Keeper()) as stub:
        yield stub


@pytest.fixture(scope="module")
def shop(stub: Stub) -> Iterator[Proxy]:
    with serving("--base-url", stub.base_url) as proxy:
        yield proxy


@pytest.fixture
def sdk(shop: Proxy) -> Iterator[OpenAI]:
    with OpenAI(base_url=shop.base_url, api_key="any", max_retries=0) as sdk:
        yield sdk


def carry_out(message: Any, messages: list[Any]) -> list[tuple[str, Any]]:
    """Do what a turn asks for, and note it and its results in the conversation."""
    messages.append(message.model_dump(exclude_none=True))
    done = []
    for call in message.tool_calls or ():
        name, arguments = call.function.name, json.loads(call.function.arguments)
        done.append((name, arguments))
        messages.append({"role": "tool", "tool_call_id": call.id, "content": tool(name, arguments)})
    return done


@pytest.mark.parametrize("model", MODELS)
def test_an_agent_acts_until_it_answers(sdk: OpenAI, stub: Stub, model: str) -> None:
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    done, turns = [], []
    stub.calls.clear()
    for _ in TURNS:
        raw = sdk.chat.completions.with_raw_response.create(model=model, messages=messages, tools=TOOLS)  # type: ignore[arg-type]
        choice = raw.parse().choices[0]
        turns.append(raw.headers.get("x-optillm-turn"))
        assert choice.finish_reason == ("tool_calls" if choice.message.tool_calls else "stop")
        done += carry_out(choice.message, messages)
    assert done == CALLS
    assert messages[-1]["content"].startswith(ANSWER)
    assert turns == (TURNS if model != "m" else [None] * 3)
    sent = [call.sent["messages"] for call in stub.calls if "tools" in call.sent]
    results = [message for message in sent[-1] if message["role"] == "tool"]
    assert results == [message for message in messages if message["role"] == "tool"]


@pytest.mark.parametrize("model", MODELS)
def test_a_streaming_agent_acts_until_it_answers(sdk: OpenAI, model: str) -> None:
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    done = []
    for _ in TURNS:
        with sdk.chat.completions.stream(model=model, messages=messages, tools=TOOLS) as stream:  # type: ignore[arg-type]
            choice = stream.get_final_completion().choices[0]
        assert choice.finish_reason == ("tool_calls" if choice.message.tool_calls else "stop")
        done += carry_out(choice.message, messages)
    assert done == CALLS
    assert messages[-1]["content"].startswith(ANSWER)
