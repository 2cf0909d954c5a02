"""LangChain's ChatOpenAI: invoke, stream, agents, structured output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from optillm.techniques import registry
from tests.e2e.proxy import Proxy
from tests.e2e.shop import ANSWER, CALLS, QUESTION, TURNS, price, stock
from tests.e2e.test_sdk import QUESTION as MARBLES

TECHNIQUES = sorted(registry())
MODELS = ["m", *(f"{slug}-m" for slug in TECHNIQUES)]


class Total(BaseModel):
    total: int


def chat(proxy: Proxy, model: str, **more: Any) -> Any:
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model=model, base_url=proxy.base_url, api_key="any", max_retries=0, **more)  # type: ignore[arg-type, unused-ignore]


@pytest.mark.parametrize("slug", ["none", *TECHNIQUES])
def test_invoke(demo: Proxy, slug: str) -> None:
    reply = chat(demo, f"{slug}-demo-large", seed=7).invoke(MARBLES)
    assert "43" in reply.text
    assert reply.usage_metadata["total_tokens"] > 0
    assert reply.response_metadata["finish_reason"] == "stop"
    assert reply.response_metadata["model_name"] == "demo-large"


@pytest.mark.parametrize("slug", ["none", *TECHNIQUES])
def test_stream(demo: Proxy, slug: str) -> None:
    chunks = list(chat(demo, f"{slug}-demo-large", seed=7, stream_usage=True).stream(MARBLES))
    whole = sum(chunks[1:], chunks[0])
    assert "43" in whole.text
    assert whole.usage_metadata["total_tokens"] > 0
    assert whole.response_metadata["finish_reason"] == "stop"


@pytest.mark.parametrize("slug", ["none", *TECHNIQUES])
def test_structured_output(demo: Proxy, slug: str) -> None:
    model = chat(demo, f"{slug}-demo-large", seed=7).with_structured_output(Total)
    assert model.invoke(MARBLES) == Total(total=43)


def whole(model: Any, messages: list[Any]) -> Any:
    return model.invoke(messages)


def streamed(model: Any, messages: list[Any]) -> Any:
    chunks = list(model.stream(messages))
    return sum(chunks[1:], chunks[0])


@pytest.mark.parametrize("ask", [whole, streamed])
@pytest.mark.parametrize("model", MODELS)
def test_an_agent_acts_until_it_answers(
    shop: Proxy, model: str, ask: Callable[[Any, list[Any]], Any]
) -> None:
    from langchain_core.messages import HumanMessage
    from langchain_core.tools import tool

    tools = {function.__name__: tool(function) for function in (price, stock)}
    bound = chat(shop, model).bind_tools(list(tools.values()))
    messages: list[Any] = [HumanMessage(QUESTION)]
    done = []
    for _ in TURNS:
        reply = ask(bound, messages)
        messages.append(reply)
        for call in reply.tool_calls:
            done.append((call["name"], call["args"]))
            messages.append(tools[call["name"]].invoke(call))
    assert done == CALLS
    assert messages[-1].text.startswith(ANSWER)
