"""The wire, over a real socket and with OpenAI's own client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam

from optillm.local.demo import DemoProcess, launch

QUESTION: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is 17 * 23 + 4?"}]


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoProcess]:
    with launch() as process:
        yield process


@pytest.fixture(scope="module")
def client(demo: DemoProcess) -> Iterator[OpenAI]:
    with OpenAI(base_url=demo.base_url, api_key="none", max_retries=0) as openai_client:
        yield openai_client


def post(client: OpenAI, body: object) -> tuple[int, dict[str, Any]]:
    """Status and JSON of a raw request."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = client._client.post(f"{client.base_url}chat/completions", content=content)
    return response.status_code, response.json()


def test_answers_a_question(client: OpenAI) -> None:
    reply = client.chat.completions.create(model="demo-large", messages=QUESTION, temperature=0)
    assert reply.choices[0].message.role == "assistant"
    assert "The answer is" in (reply.choices[0].message.content or "")
    assert reply.choices[0].finish_reason == "stop"
    assert reply.system_fingerprint == "optillm-demo"
    assert reply.usage is not None
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    assert reply.usage.prompt_tokens == 4 + 8


def test_streams_the_same_words_token_by_token(client: OpenAI) -> None:
    whole = client.chat.completions.create(model="demo-small", messages=QUESTION, temperature=0)
    chunks = list(
        client.chat.completions.create(
            model="demo-small",
            messages=QUESTION,
            temperature=0,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    first, *middle, last, accounts = chunks
    assert first.choices[0].delta.role == "assistant"
    pieces = [chunk.choices[0].delta.content or "" for chunk in middle]
    assert "".join(pieces) == whole.choices[0].message.content
    assert all(len(piece.split()) == 1 for piece in pieces)
    assert last.choices[0].finish_reason == "stop"
    assert (accounts.choices, accounts.usage) == ([], whole.usage)
    assert {chunk.system_fingerprint for chunk in chunks} == {"optillm-demo"}


def test_a_stream_without_the_option_carries_no_usage(client: OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="demo-small", messages=QUESTION, stream=True))
    assert all(chunk.usage is None for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_gives_as_many_choices_as_asked_for(client: OpenAI) -> None:
    reply = client.chat.completions.create(model="demo-small", messages=QUESTION, n=16, seed=3)
    assert [choice.index for choice in reply.choices] == list(range(16))
    assert len({choice.message.content for choice in reply.choices}) > 1
    again = client.chat.completions.create(model="demo-small", messages=QUESTION, n=16, seed=3)
    assert [one.message.content for one in again.choices] == [one.message.content for one in reply.choices]


def test_temperature_zero_repeats_itself(client: OpenAI) -> None:
    replies = [
        client.chat.completions.create(model="demo-small", messages=QUESTION, temperature=0, n=2)
        for _ in range(3)
    ]
    assert len({choice.message.content for reply in replies for choice in reply.choices}) == 1


def test_streams_several_choices_side_by_side(client: OpenAI) -> None:
    texts = ["", "", ""]
    for chunk in client.chat.completions.create(
        model="demo-small", messages=QUESTION, n=3, seed=8, stream=True
    ):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    whole = client.chat.completions.create(model="demo-small", messages=QUESTION, n=3, seed=8)
    assert texts == [choice.message.content for choice in whole.choices]


def test_stops_before_a_stop_text(client: OpenAI) -> None:
    reply = client.chat.completions.create(model="demo-small", messages=QUESTION, stop=["Step 2", "never"])
    assert (reply.choices[0].message.content or "").startswith("Step 1")
    assert "Step 2" not in (reply.choices[0].message.content or "")
    assert reply.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_cuts_a_reply_that_grows_too_long(client: OpenAI, name: str) -> None:
    status, reply = post(client, {"model": "demo-small", "messages": QUESTION, name: 5})
    assert status == 200
    assert reply["choices"][0]["finish_reason"] == "length"
    assert reply["usage"]["completion_tokens"] == 5


def test_tells_log_probabilities_of_each_token(client: OpenAI) -> None:
    reply = client.chat.completions.create(
        model="demo-small", messages=QUESTION, logprobs=True, top_logprobs=20
    )
    assert reply.choices[0].logprobs is not None
    listed = reply.choices[0].logprobs.content or []
    assert "".join(entry.token for entry in listed) == reply.choices[0].message.content
    assert all(len(entry.top_logprobs) >= 5 and entry.logprob < 0 for entry in listed)


def test_reads_content_parts_and_lets_tools_through(client: OpenAI) -> None:
    reply = client.chat.completions.create(
        model="demo-small",
        messages=[{"role": "user", "content": [{"type": "text", "text": "What is 2 + 2?"}]}],
        tools=[{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}],
    )
    assert "The answer is" in (reply.choices[0].message.content or "")


def test_lists_its_models(client: OpenAI) -> None:
    models = list(client.models.list())
    assert [model.id for model in models] == [
        "demo-small",
        "demo-large",
        "demo-kin",
        "demo-other",
        "demo-dull",
    ]
    assert {model.owned_by for model in models} == {"optillm-demo"}
    assert client.models.retrieve("demo-large").id == "demo-large"


def test_an_unknown_model_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="gpt-none", messages=QUESTION)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-none")


BAD = [
    (b"{", None),
    (b"[]", None),
    ({"model": "demo-small"}, "messages"),
    ({"messages": QUESTION}, "model"),
    ({"model": "demo-small", "messages": []}, "messages"),
    ({"model": "demo-small", "messages": "hello"}, "messages"),
    ({"model": "demo-small", "messages": [{"role": "wizard", "content": "hello"}]}, "messages.0.role"),
    ({"model": "demo-small", "messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
    ({"model": "demo-small", "messages": QUESTION, "temperature": "hot"}, "temperature"),
    ({"model": "demo-small", "messages": QUESTION, "temperature": 3}, "temperature"),
    ({"model": "demo-small", "messages": QUESTION, "n": 0}, "n"),
    ({"model": "demo-small", "messages": QUESTION, "max_tokens": "many"}, "max_tokens"),
]


@pytest.mark.parametrize(("body", "param"), BAD)
def test_refuses_what_it_cannot_serve_and_names_the_parameter(
    client: OpenAI, body: object, param: str | None
) -> None:
    status, reply = post(client, body)
    assert status == 400
    assert reply["error"]["type"] == "invalid_request_error"
    assert reply["error"]["param"] == param
    assert reply["error"]["message"]


def test_unknown_paths_and_wrong_methods_are_refused_in_the_same_shape(client: OpenAI) -> None:
    for method, path, status in (("GET", "nothing", 404), ("GET", "chat/completions", 405)):
        response = client._client.request(method, f"{client.base_url}{path}")
        assert response.status_code == status
        assert response.json()["error"]["type"] == "invalid_request_error"


def test_is_healthy(client: OpenAI) -> None:
    url = str(client.base_url).removesuffix("/v1/") + "/health"
    assert client._client.get(url).json() == {"status": "ok"}


def test_holds_many_requests_at_once(client: OpenAI) -> None:
    def ask(seed: int) -> str:
        reply = client.chat.completions.create(model="demo-small", messages=QUESTION, seed=seed)
        return reply.choices[0].message.content or ""

    with ThreadPoolExecutor(32) as pool:
        replies = list(pool.map(ask, range(256)))
    assert all(reply.startswith("Step 1") for reply in replies)
    assert len(set(replies)) > 1
