"""Upstreams that refuse what we added, over real sockets: clients never learn of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import count, pairwise
from typing import Any

import pytest
from openai import OpenAI, UnprocessableEntityError

from tests.e2e.proxy import Proxy, serving
from tests.e2e.shop import VERDICT
from tests.stub import Call, Stub

QUESTION: list[Any] = [{"role": "user", "content": "What is 2 + 2?"}]
ACTION = {"id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
HISTORY: list[Any] = [
    *QUESTION,
    {"role": "assistant", "content": None, "tool_calls": [ACTION]},
    {"role": "tool", "content": "4", "tool_call_id": "1"},
]


class Strict:
    """An upstream with many objections, each in words and a shape of its own."""

    def __init__(self) -> None:
        self._numbers = count()

    def __call__(self, call: Call) -> None:
        if call.method == "GET":
            return call.json({"data": []})
        sent = call.sent
        for objects, respond in self.OBJECTIONS:
            if objects(sent):
                return respond(call)
        judges = "What is 2 + 2?" not in str(sent["messages"][0]["content"])[:40]
        text = VERDICT if judges else f"The answer is {next(self._numbers)}."
        return call.answer(text)

    OBJECTIONS: tuple[tuple[Callable[[Any], bool], Callable[[Call], None]], ...] = (
        (
            lambda sent: sent.get("verbosity") == "shouting",
            lambda call: call.json({"detail": [{"loc": ["body", "verbosity"], "msg": "Not so loud"}]}, 422),
        ),
        (
            lambda sent: "n" in sent,
            lambda call: call.json(
                [{"error": {"code": 400, "message": 'Unknown name "n": Cannot find field.'}}], 400
            ),
        ),
        (
            lambda sent: "stream_options" in sent,
            lambda call: call.json(
                {
                    "detail": [
                        {"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "forbidden"}
                    ]
                },
                422,
            ),
        ),
        (
            lambda sent: {"temperature", "top_p"} <= sent.keys(),
            lambda call: call.raw(b"nicht beides", 400, content_type="text/plain"),
        ),
        (
            lambda sent: ("tool", "user") in pairwise(message["role"] for message in sent["messages"]),
            lambda call: call.json({"error": "Jinja Exception: bad turn"}, 500),
        ),
        (
            lambda sent: (sent.get("max_tokens") or 0) > 900,
            lambda call: call.json({"object": "error", "message": "トークンが多すぎます", "code": 400}, 400),
        ),
    )


@pytest.fixture(scope="module")
def strict() -> Iterator[Proxy]:
    with Stub(Strict()) as stub, serving("--base-url", stub.base_url) as proxy:
        yield proxy


@pytest.mark.parametrize("slug", ["bon", "moa", "mcts", "self_consistency", "cot_reflection", "re2"])
@pytest.mark.parametrize("messages", [QUESTION, HISTORY], ids=["question", "tool"])
def test_the_technique_answers_whole_and_streamed(strict: Proxy, slug: str, messages: list[Any]) -> None:
    with OpenAI(base_url=strict.base_url, api_key="none") as client:
        request: dict[str, Any] = {
            "model": f"{slug}-m",
            "messages": messages,
            "top_p": 0.9,
            "max_tokens": 500,
        }
        whole = client.chat.completions.create(**request)
        assert (whole.choices[0].message.content or "").startswith("The answer is")
        streamed = client.chat.completions.create(**request, stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in streamed if chunk.choices)
        assert text.startswith("The answer is")
        again = client.chat.completions.with_raw_response.create(**request)
        block = json.loads(again.text)["optillm"]
        assert "failed" not in block["losses"]
        assert "abstained" not in block["losses"]


def test_a_refusal_of_a_clients_parameter_is_passed_on_in_the_upstreams_words(strict: Proxy) -> None:
    request: dict[str, Any] = {
        "model": "bon-m",
        "messages": QUESTION,
        "extra_body": {"verbosity": "shouting"},
    }
    client = OpenAI(base_url=strict.base_url, api_key="none", max_retries=0)
    with client, pytest.raises(UnprocessableEntityError):
        client.chat.completions.create(**request)


@pytest.mark.parametrize("slug", ["bon", "moa", "self_consistency", "re2"])
@pytest.mark.parametrize(
    "message",
    [
        "This model only support stream mode, please enable the stream parameter to access the model.",
        "parameter.enable_thinking must be set to false for non-streaming calls",
    ],
)
def test_a_model_that_only_streams_answers_whole_calls_too(slug: str, message: str) -> None:
    numbers = count()

    def respond(call: Call) -> None:
        if not call.sent.get("stream"):
            return call.json({"error": {"message": message}}, 400)
        judges = "What is 2 + 2?" not in str(call.sent["messages"][0]["content"])[:40]
        text = VERDICT if judges else f"The answer is {next(numbers)}."
        return call.answer(text)

    with (
        Stub(respond) as stub,
        serving("--base-url", stub.base_url) as proxy,
        OpenAI(base_url=proxy.base_url, api_key="none", max_retries=0) as client,
    ):
        for _ in range(2):
            whole = client.chat.completions.create(model=f"{slug}-m", messages=QUESTION)
            assert (whole.choices[0].message.content or "").startswith("The answer is")
        sent, before = stub.calls, len(stub.calls)
        client.chat.completions.create(model=f"{slug}-m", messages=QUESTION)
        assert all(call.sent["stream"] for call in sent[before:])
