"""Answers as pydantic models: `parse` of the openai SDK gets one from every technique."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import count
from typing import Literal

import pytest
from openai import OpenAI
from pydantic import BaseModel

from optillm.techniques import registry
from tests.e2e.proxy import Proxy, serving
from tests.e2e.shop import VERDICT
from tests.e2e.test_sdk import QUESTION, asked
from tests.stub import Call, Stub, completion

MODELS = ["none", *sorted(registry())]


class Total(BaseModel):
    total: int


class Item(BaseModel):
    name: str
    pieces: int | None


class Order(BaseModel):
    kind: Literal["sale", "return"]
    items: list[Item]


ORDER = Order(kind="sale", items=[Item(name="apple", pieces=1), Item(name="pear", pieces=None)])


class Forgetful:
    """An upstream that ignores the form in every other reply, unless it is told what was wrong."""

    def __init__(self) -> None:
        self._numbers = count()

    def __call__(self, call: Call) -> None:
        sent = call.sent
        if "response_format" not in sent:
            return call.json(completion(VERDICT))
        told = "does not have the form" in json.dumps(sent["messages"][-1])
        if next(self._numbers) % 2 or told:
            return call.json(completion(ORDER.model_dump_json()))
        return call.json(completion("An apple and some pears, sold."))


@pytest.fixture(scope="module")
def forgetful() -> Iterator[Proxy]:
    with Stub(Forgetful()) as stub, serving("--base-url", stub.base_url) as proxy:
        yield proxy


@pytest.mark.parametrize("slug", MODELS)
def test_parse_returns_the_model(demo: Proxy, slug: str) -> None:
    with OpenAI(base_url=demo.base_url, api_key="any", max_retries=0) as sdk:
        reply = sdk.chat.completions.parse(
            **asked(f"{slug}-demo-large", QUESTION, seed=7), response_format=Total
        )
    assert reply.choices[0].message.parsed == Total(total=43)


@pytest.mark.parametrize("slug", MODELS)
def test_a_stream_parses_at_its_end(demo: Proxy, slug: str) -> None:
    with (
        OpenAI(base_url=demo.base_url, api_key="any", max_retries=0) as sdk,
        sdk.chat.completions.stream(
            **asked(f"{slug}-demo-large", QUESTION, seed=7), response_format=Total
        ) as stream,
    ):
        reply = stream.get_final_completion()
    assert reply.choices[0].message.parsed == Total(total=43)


@pytest.mark.parametrize("slug", MODELS[1:])
def test_an_upstream_that_forgets_the_form_still_yields_it(forgetful: Proxy, slug: str) -> None:
    with OpenAI(base_url=forgetful.base_url, api_key="any", max_retries=0) as sdk:
        reply = sdk.chat.completions.parse(**asked(f"{slug}-m", "What was ordered?"), response_format=Order)
    assert reply.choices[0].message.parsed == ORDER
