"""pydantic-ai's agents: structured output by a forced tool, which is their default, and by a JSON schema."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from pydantic import BaseModel

from optillm.techniques import registry
from tests.e2e.proxy import Proxy, serving
from tests.stub import Call, Stub, completion

TECHNIQUES = sorted(registry())
VERDICT = '{"ranking": ["A", "B"], "score": 7, "groups": [["A"]], "pick": "A", "applicable": false}'


class Total(BaseModel):
    total: int


class Clerk:
    """An upstream that says 43 in two of three replies, in whichever form it is asked for."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def __call__(self, call: Call) -> None:
        sent = call.sent
        total = json.dumps({"total": 43 if next(self._numbers) % 3 else 44})
        message: dict[str, Any] = {"role": "assistant", "content": VERDICT}
        if "tools" in sent:
            function = {"name": sent["tools"][0]["function"]["name"], "arguments": total}
            message |= {
                "content": None,
                "tool_calls": [{"id": "1", "type": "function", "function": function}],
            }
        elif "response_format" in sent:
            message["content"] = f"```json\n{total}\n```"
        reply = completion(None)
        reply["choices"][0]["message"] = message
        call.json(reply)


@pytest.fixture(scope="module")
def clerk() -> Iterator[Proxy]:
    with Stub(Clerk()) as stub, serving("--base-url", stub.base_url) as proxy:
        yield proxy


def agent(proxy: Proxy, slug: str, output: Any) -> Any:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = OpenAIProvider(base_url=proxy.base_url, api_key="any")
    return Agent(OpenAIChatModel(f"{slug}-m", provider=provider), output_type=output)


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_an_agent_gets_its_model_from_a_tool(clerk: Proxy, slug: str) -> None:
    output = agent(clerk, slug, Total).run_sync("How many marbles?").output
    assert output.total in (43, 44)


def test_the_calls_of_an_agent_are_voted_on(clerk: Proxy) -> None:
    for _ in range(3):
        assert (
            agent(clerk, "self_consistency(samples=6,mode=fixed)", Total).run_sync("How?").output.total == 43
        )


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_an_agent_gets_its_model_from_a_schema(clerk: Proxy, slug: str) -> None:
    from pydantic_ai import NativeOutput

    output = agent(clerk, slug, NativeOutput(Total)).run_sync("How many marbles?").output
    assert output.total in (43, 44)


async def streamed(clerk: Proxy, slug: str) -> Any:
    async with agent(clerk, slug, Total).run_stream("How many marbles?") as run:
        return await run.get_output()


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_a_streaming_agent_gets_its_model(clerk: Proxy, slug: str) -> None:
    assert asyncio.run(streamed(clerk, slug)).total in (43, 44)
