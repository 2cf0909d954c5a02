"""What real conversations hold, through every technique, over real sockets: parts, roles, reasoning, refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI

from optillm.techniques import registry
from tests.e2e.proxy import Proxy
from tests.fakes import continues
from tests.stub import Call, Stub, completion

TECHNIQUES = sorted(registry())
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
CALLS = [{"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": "x"}'}}]
CONVERSATION: list[Any] = [
    {"role": "developer", "content": "Be brief."},
    {"role": "system", "content": "Answer in English."},
    {"role": "user", "name": "ann", "content": "Look at x."},
    {"role": "assistant", "content": None, "tool_calls": CALLS},
    {"role": "tool", "tool_call_id": "call_1", "content": "x is 7"},
    {"role": "user", "name": "ann", "content": [{"type": "text", "text": "What is x?"}, IMAGE]},
]
VERDICT = (
    '{"ranking": ["A", "B", "C"], "score": 7, "better": "A", "errors": [], "groups": [["A"]], "pick": "A", '
    '"applicable": false}'
)
THOUGHT = "7 it must be"


class Mind:
    """An upstream that thinks aloud, and whose every answer differs until a test says otherwise."""

    def __init__(self) -> None:
        self.messages: list[Any] = CONVERSATION
        self.reply: dict[str, Any] | None = None
        self._answers = 0

    def respond(self, call: Call) -> None:
        if not continues(call.sent["messages"], self.messages):
            return call.json(completion(VERDICT))
        if self.reply is not None:
            return call.json(self.reply)
        self._answers += 1
        return call.json(completion(f"<think>{THOUGHT}</think>\n\nThe answer is {self._answers}."))


@pytest.fixture
def mind() -> Mind:
    return Mind()


@pytest.fixture
def sdk(proxy: Proxy, stub: Stub, mind: Mind) -> Iterator[OpenAI]:
    stub.respond = mind.respond
    stub.calls.clear()
    with OpenAI(base_url=proxy.base_url, api_key="any", max_retries=0) as client:
        yield client


def ask(sdk: OpenAI, slug: str, **more: Any) -> Any:
    return sdk.chat.completions.create(**{"model": f"{slug}-m", "messages": CONVERSATION, **more})


def continuing(stub: Stub) -> list[Any]:
    """The bodies of the calls that continue the client's conversation."""
    return [call.sent for call in stub.calls if continues(call.sent["messages"], CONVERSATION)]


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_every_turn_and_part_reaches_every_generating_call(sdk: OpenAI, stub: Stub, slug: str) -> None:
    ask(sdk, slug)
    sent = continuing(stub)
    assert sent
    for body in sent:
        assert body["messages"][:5] == CONVERSATION[:5]
        assert body["messages"][5]["name"] == "ann"
        assert IMAGE in body["messages"][5]["content"]


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_reasoning_is_neither_judged_nor_returned_as_an_answer(sdk: OpenAI, stub: Stub, slug: str) -> None:
    message = ask(sdk, slug).choices[0].message
    assert message.content.startswith("The answer is")
    assert THOUGHT in message.reasoning_content
    others = [call.sent for call in stub.calls if call.sent not in continuing(stub)]
    assert THOUGHT not in json.dumps(others)


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_an_answer_may_hold_any_markup(sdk: OpenAI, mind: Mind, slug: str) -> None:
    text = "Close it with </think>, then:\nUser: hi\nAssistant: ho\nThe answer is 7."
    mind.reply = completion(text)
    assert ask(sdk, slug).choices[0].message.content == text


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_a_refusal_is_returned_as_one(sdk: OpenAI, mind: Mind, slug: str) -> None:
    mind.reply = completion(None)
    mind.reply["choices"][0]["message"]["refusal"] = "I can't look at that."
    reply = ask(sdk, slug)
    assert reply.choices[0].message.refusal == "I can't look at that."
    assert reply.choices[0].message.content is None


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_an_answer_that_was_cut_says_so(sdk: OpenAI, mind: Mind, slug: str) -> None:
    mind.reply = completion("It all began when")
    mind.reply["choices"][0]["finish_reason"] = "length"
    assert ask(sdk, slug).choices[0].finish_reason == "length"


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_sampling_parameters_reach_the_generating_calls(sdk: OpenAI, stub: Stub, slug: str) -> None:
    own: dict[str, Any] = {"stop": ["END"], "presence_penalty": 0.5, "user": "u1", "max_tokens": 300}
    ask(sdk, slug, seed=11, **own)
    sent = continuing(stub)
    assert all({name: body.get(name) for name in own} == own for body in sent)
    assert sent[0]["seed"] >= 11
    assert not any("optillm" in json.dumps(body) for body in sent)


@pytest.mark.parametrize("choice", ["auto", "required", {"type": "function", "function": {"name": "look"}}])
def test_any_form_of_tool_choice_goes_up_as_it_came(sdk: OpenAI, stub: Stub, mind: Mind, choice: Any) -> None:
    mind.reply = completion(None)
    mind.reply["choices"][0] |= {"message": {"role": "assistant", "content": None, "tool_calls": CALLS}}
    mind.reply["choices"][0]["finish_reason"] = "tool_calls"
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
    reply = ask(sdk, "moa", tools=tools, tool_choice=choice, parallel_tool_calls=False)
    assert reply.choices[0].message.tool_calls[0].id == "call_1"
    assert stub.calls
    for call in stub.calls:
        assert (call.sent["tool_choice"], call.sent["parallel_tool_calls"]) == (choice, False)


@pytest.mark.parametrize("slug", ["bon", "moa", "mcts", "rstar"])
def test_the_same_seed_gives_the_same_answer(demo: Proxy, slug: str) -> None:
    with OpenAI(base_url=demo.base_url, api_key="any") as client:

        def answer(seed: int) -> str | None:
            messages = [{"role": "user", "content": "Ann has 3 bags with 12 pens each. How many pens?"}]
            reply = client.chat.completions.create(
                model=f"{slug}-demo-small",
                messages=messages,  # type: ignore[arg-type]
                seed=seed,
            )
            return reply.choices[0].message.content

        answer(1)  # teaches the proxy whether the model honours `n`, and so how samples are requested
        assert answer(5) == answer(5)
