"""What a program with the openai SDK sees of a running proxy on the demo model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from optillm.techniques import registry
from tests.e2e.proxy import Proxy

QUESTION = "Tom has 5 bags with 12 marbles each. He gives away 17 marbles. How many marbles does he have?"
TECHNIQUES = sorted(registry())


def client(proxy: Proxy) -> OpenAI:
    return OpenAI(base_url=proxy.base_url, api_key="any", max_retries=0)


def asked(model: str, question: str = QUESTION, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": question}], **more}


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_a_technique_is_only_another_model_name(demo: Proxy, slug: str) -> None:
    with client(demo) as sdk:
        reply = sdk.chat.completions.with_raw_response.create(**asked(f"{slug}-demo-large", seed=7))
    completion = reply.parse()
    assert "43" in (completion.choices[0].message.content or "")
    assert completion.choices[0].finish_reason == "stop"
    assert completion.model == "demo-large"
    assert completion.system_fingerprint == "optillm-demo"
    assert completion.id.startswith("chatcmpl-")
    assert completion.usage is not None
    assert (
        completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens
    )
    block = completion.model_extra["optillm"]
    assert block["technique"] == slug
    assert sum(block["calls"].values()) == int(reply.headers["x-optillm-calls"]) > 0
    assert block["rounds"] == int(reply.headers["x-optillm-rounds"])
    assert block["stop_reason"] == reply.headers["x-optillm-stop-reason"]
    assert reply.headers["x-request-id"]


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_a_stream_of_a_technique_reads_like_any_stream(demo: Proxy, slug: str) -> None:
    with client(demo) as sdk:
        stream = sdk.chat.completions.create(
            **asked(f"{slug}-demo-large", seed=7), stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[0].choices[0].delta.content == ""
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert "43" in text
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens > 0
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_without_a_technique_the_demo_model_itself_answers(demo: Proxy) -> None:
    with client(demo) as sdk:
        reply = sdk.chat.completions.with_raw_response.create(**asked("demo-large", temperature=0))
        assert reply.headers["x-optillm-technique"] == "none"
        completion = reply.parse()
        assert completion.system_fingerprint == "optillm-demo"
        assert "optillm" not in (completion.model_extra or {})
        stream = sdk.chat.completions.create(**asked("demo-large", temperature=0), stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    assert text == completion.choices[0].message.content


def test_the_async_client_works_too(demo: Proxy) -> None:
    async def both() -> tuple[str, str]:
        async with AsyncOpenAI(base_url=demo.base_url, api_key="any") as sdk:
            completion = await sdk.chat.completions.create(**asked("moa-demo-large", seed=3))
            stream = await sdk.chat.completions.create(**asked("moa-demo-large", seed=3), stream=True)
            parts = [chunk.choices[0].delta.content or "" async for chunk in stream]
        return completion.choices[0].message.content or "", "".join(parts)

    whole, streamed = asyncio.run(both())
    assert "43" in whole
    assert "43" in streamed


def test_the_request_field_chooses_a_technique_and_its_options(demo: Proxy) -> None:
    with client(demo) as sdk:
        completion = sdk.chat.completions.create(
            **asked("demo-large"),
            extra_body={
                "optillm": {"approach": "bon", "options": {"bon": {"n": 2}}, "budget": {"max_calls": 4}}
            },
        )
        original = sdk.chat.completions.create(**asked("demo-large"), extra_body={"optillm_approach": "moa"})
    assert completion.model_extra is not None
    assert completion.model_extra["optillm"]["options"]["n"] == 2
    assert sum(completion.model_extra["optillm"]["calls"].values()) <= 4
    assert original.model_extra is not None
    assert original.model_extra["optillm"]["technique"] == "moa"


def test_choices_are_as_many_as_asked_for(demo: Proxy) -> None:
    with client(demo) as sdk:
        completion = sdk.chat.completions.create(**asked("moa-demo-small"), n=2)
    assert [choice.index for choice in completion.choices] == [0, 1]


def test_errors_raise_the_sdks_own_classes(demo: Proxy) -> None:
    with client(demo) as sdk:
        with pytest.raises(openai.BadRequestError) as bad_option:
            sdk.chat.completions.create(**asked("bon(n=99)-demo-small"))
        with pytest.raises(openai.NotFoundError) as unknown:
            sdk.chat.completions.create(**asked("mao-demo-small"))
        with pytest.raises(openai.NotFoundError) as unknown_upstream:
            sdk.chat.completions.create(**asked("bon-demo-huge"))
        with pytest.raises(openai.BadRequestError, match="messages"):
            sdk.chat.completions.create(model="bon-demo-small", messages=[])
    assert bad_option.value.param == "optillm.options.bon.n"
    assert "moa-demo-small" in unknown.value.message
    assert unknown_upstream.value.code == "model_not_found"


def test_a_technique_where_there_is_none_is_refused_and_not_a_silent_plain_call(demo: Proxy) -> None:
    sdk = client(demo)
    asks: list[Callable[[], object]] = [
        lambda: sdk.responses.create(model="bon-demo-small", input=QUESTION),
        lambda: sdk.responses.create(
            model="demo-small", input=QUESTION, extra_body={"optillm_approach": "moa"}
        ),
        lambda: sdk.completions.create(model="moa(proposers=2)-demo-small", prompt=QUESTION),
        lambda: sdk.embeddings.create(model="bon|moa-demo-small", input=QUESTION),
        lambda: sdk.post("/messages", cast_to=object, body=asked("bon-demo-small")),
    ]
    for ask in asks:
        with pytest.raises(
            openai.BadRequestError, match="does not support: use /v1/chat/completions"
        ) as refused:
            ask()
        assert refused.value.code == "technique_not_served"


def test_a_base_url_without_its_version_works_too(demo: Proxy) -> None:
    with OpenAI(base_url=demo.url, api_key="k", max_retries=0) as sdk:
        assert sdk.chat.completions.create(**asked("bon-demo-small")).choices
        assert list(sdk.models.list())


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("bon", "write 'bon-<model>'"),
        ("moa-", "write 'moa-<model>'"),
        ("bonn-demo-small", "did you mean 'bon-demo-small'"),
        ("bon(size=3)-demo-small", "no such option; known: n, "),
        ("bon(3)-demo-small", "write option=value"),
    ],
)
def test_a_mistyped_technique_is_explained(demo: Proxy, model: str, words: str) -> None:
    with pytest.raises(openai.APIStatusError) as refused:
        client(demo).chat.completions.create(**asked(model))
    assert refused.value.status_code in (400, 404)
    assert words in refused.value.message


def test_models_list_the_upstreams_and_the_techniques(demo: Proxy) -> None:
    with client(demo) as sdk:
        models = {model.id: model.owned_by for model in sdk.models.list()}
        assert sdk.models.retrieve("bon-demo-small").id == "bon-demo-small"
    assert models["demo-small"] == models["demo-large"] == "optillm-demo"
    assert {f"{slug}-demo-small" for slug in TECHNIQUES} <= models.keys()


def test_fifty_requests_at_once_get_what_they_get_alone(demo: Proxy) -> None:
    """Options, usage and answers of one request never reach another."""
    kinds = [
        "demo-small",
        "bon(n=2)-demo-small",
        "bon(n=4,judge=pairwise)-demo-large",
        "moa(proposers=3)-demo-small",
    ]
    kinds.append("self_consistency(samples=5,mode=fixed,tie=shortest)-demo-small")
    requests = [
        asked(kinds[i % 5], QUESTION.replace("17", str(10 + i)), seed=i, n=1 + i % 2 if i % 5 else 1)
        for i in range(50)
    ]

    def seen(completion: Any) -> tuple[Any, ...]:
        report = (completion.model_extra or {}).get("optillm", {"losses": {}})
        cut = bool(
            report["losses"]
        )  # a ballot cut because the vote was decided: which one is a matter of timing
        texts = [choice.message.content for choice in completion.choices]
        return texts, report.get("technique"), report.get("options"), cut or completion.usage.model_dump()

    with client(demo) as sdk:
        for request in requests[:10]:  # what there is to learn about the models is learned before either run
            sdk.chat.completions.create(**request)
        alone = [seen(sdk.chat.completions.create(**request)) for request in requests]
        with ThreadPoolExecutor(50) as pool:
            together = list(pool.map(lambda request: seen(sdk.chat.completions.create(**request)), requests))
    for one, same in zip(alone, together, strict=True):
        assert one[:3] == same[:3]
        assert True in (one[3], same[3]) or one[3] == same[3]
    assert sum(one[3] is not True for one in alone) > 40


@pytest.mark.parametrize("slug", ["bon", "moa", "cot_reflection"])
@pytest.mark.parametrize("stream", [True, False])
def test_log_probabilities_are_those_of_the_answer(demo: Proxy, slug: str, stream: bool) -> None:
    with client(demo) as sdk:
        sent = asked(f"{slug}-demo-small", logprobs=True, seed=3)
        if stream:
            with sdk.chat.completions.stream(**sent) as events:
                choice: Any = events.get_final_completion().choices[0]
        else:
            choice = sdk.chat.completions.create(**sent).choices[0]
    said = "".join(token.token for token in choice.logprobs.content)
    assert said.strip() == choice.message.content.strip()
