"""Clients that still need version 2 of the openai package: instructor and the SDK of LiteLLM."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from optillm.techniques import registry
from tests.clients.programs import HERE, openai2
from tests.e2e.proxy import Proxy, serving
from tests.e2e.shop import ANSWER, CALLS, QUESTION, TOOLS
from tests.e2e.test_sdk import QUESTION as MARBLES
from tests.stub import Call, Stub, completion

MODELS = ["m", *(f"{slug}-m" for slug in sorted(registry()))]


def program(name: str, what: str, proxy: Proxy, *models: str, question: str = MARBLES) -> list[Any]:
    """What one of the programs of `openai2/` says of a proxy, for each of the models."""
    request = json.dumps({"messages": [{"role": "user", "content": question}], "tools": TOOLS})
    path = HERE / "openai2" / f"{name}.py"
    printed = openai2(path, what, proxy.base_url, *models, REQUEST=request)
    return [json.loads(line) for line in printed.splitlines()]


@pytest.fixture(scope="module")
def scribe() -> Iterator[Proxy]:
    """A proxy whose upstream knows the answer, and writes it as a fenced block unless JSON is demanded."""

    def respond(call: Call) -> None:
        text = '{"total": 43}'
        call.json(
            completion(text if "response_format" in call.sent else f"Here it is:\n```json\n{text}\n```")
        )

    with Stub(respond) as stub, serving("--base-url", stub.base_url) as proxy:
        yield proxy


@pytest.mark.parametrize("mode", ["JSON_SCHEMA", "JSON", "MD_JSON"])
def test_instructor_gets_its_model(scribe: Proxy, mode: str) -> None:
    assert program("with_instructor", mode, scribe, *MODELS) == [{"total": 43}] * len(MODELS)


def test_instructor_gets_its_model_from_a_tool(shop: Proxy) -> None:
    """Its default mode, in which the answer is the call of a tool."""
    found = program("with_instructor", "TOOLS", shop, *MODELS, question=QUESTION)
    assert found == [{"item": "apple"}] * len(MODELS)


@pytest.mark.parametrize("what", ["whole", "stream"])
def test_litellm_whole_and_streamed(demo: Proxy, what: str) -> None:
    for reply in program("with_litellm", what, demo, "demo-large", "moa-demo-large", "bon-demo-large"):
        assert "43" in reply["content"]
        assert reply["total_tokens"] > 0


def test_an_agent_of_litellm_acts_until_it_answers(shop: Proxy) -> None:
    replies = program("with_litellm", "agent", shop, *MODELS, question=QUESTION)
    assert len(replies) == len(MODELS)
    for reply in replies:
        assert [(name, arguments) for name, arguments in reply["done"]] == CALLS
        assert reply["content"].startswith(ANSWER)


def test_litellm_raises_its_own_errors(demo: Proxy) -> None:
    raised = program("with_litellm", "refused", demo, "bon(n=99)-demo-small", "bon-demo-huge")
    assert raised == [["BadRequestError", 400], ["NotFoundError", 404]]
