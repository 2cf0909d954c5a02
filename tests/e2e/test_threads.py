"""The proxy with `--server threads`: the core cases with the OpenAI SDK, over real sockets."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai import OpenAI

from optillm.local import demo
from tests.e2e.proxy import Proxy, serving

KEY = "a-key-of-a-client"
QUESTION: Any = [{"role": "user", "content": "What is 48 / 4 + 7 * 13?"}]
THREADS = ("--server", "threads")


@pytest.fixture(scope="module")
def proxy(simulated: dict[str, str]) -> Iterator[Proxy]:
    with serving(*THREADS, environment={**simulated, "OPTILLM_API_KEY": KEY}) as proxy:
        yield proxy


@pytest.fixture
def sdk(proxy: Proxy) -> Iterator[OpenAI]:
    with OpenAI(base_url=proxy.base_url, api_key=KEY, max_retries=0) as sdk:
        yield sdk


@pytest.mark.parametrize("slug", ["none", "bon", "moa", "mcts", "re2&self_consistency", "bon|moa"])
def test_techniques_answer(sdk: OpenAI, slug: str) -> None:
    completion = sdk.chat.completions.create(model=f"{slug}-demo-large", messages=QUESTION)
    assert "The answer is" in (completion.choices[0].message.content or "")
    assert completion.usage is not None


@pytest.mark.parametrize("slug", ["none", "bon", "moa"])
def test_streams_arrive_whole(sdk: OpenAI, slug: str) -> None:
    stream = sdk.chat.completions.create(model=f"{slug}-demo-large", messages=QUESTION, stream=True)
    chunks = list(stream)
    assert "The answer is" in "".join(
        chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices
    )
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_a_wrong_key_is_refused(proxy: Proxy) -> None:
    sdk = OpenAI(base_url=proxy.base_url, api_key="wrong", max_retries=0)
    with sdk, pytest.raises(openai.AuthenticationError):
        sdk.models.list()


def test_errors_keep_their_shape(sdk: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as invalid:
        sdk.chat.completions.create(model="bon(n=0)-demo-small", messages=QUESTION)
    assert invalid.value.type == "invalid_request_error"
    with pytest.raises(openai.NotFoundError):
        sdk.chat.completions.create(model="no-such-model", messages=QUESTION)


def test_other_endpoints_answer(proxy: Proxy, sdk: OpenAI) -> None:
    assert "bon-demo-small" in {model.id for model in sdk.models.list()}
    with httpx2.Client(base_url=proxy.base_url, headers={"Authorization": f"Bearer {KEY}"}) as client:
        plan = client.post("/plan", json={"model": "bon-demo-small", "messages": QUESTION})
        assert plan.json()["object"] == "plan"
        assert client.get("/techniques").status_code == 200
        assert client.get("/nowhere").status_code == 404
    assert httpx2.get(f"{proxy.url}/health?ready=1").status_code == 200
    metrics = httpx2.get(f"{proxy.url}/metrics", headers={"Authorization": f"Bearer {KEY}"})
    assert 'optillm_http_responses_total{status="200"}' in metrics.text


def test_many_requests_at_once_are_answered(proxy: Proxy, sdk: OpenAI) -> None:
    def ask(_: int) -> str:
        completion = sdk.chat.completions.create(model="bon-demo-large", messages=QUESTION)
        return completion.choices[0].message.content or ""

    with ThreadPoolExecutor(32) as clients:
        assert all("The answer is" in answer for answer in clients.map(ask, range(64)))


def test_a_limit_of_a_key_holds(simulated: dict[str, str], tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    digest = sha256(KEY.encode()).hexdigest()
    keys.write_text(f'[keys.alice]\nkey = "sha256:{digest}"\nrequests_per_minute = 1\n', encoding="utf-8")
    keys.chmod(0o600)
    flags = ("--keys", str(keys), "--store", str(tmp_path / "counters.sqlite3"))
    with (
        serving(*THREADS, *flags, environment=simulated) as proxy,
        OpenAI(base_url=proxy.base_url, api_key=KEY, max_retries=0) as sdk,
    ):
        sdk.chat.completions.create(model="demo-small", messages=QUESTION)
        with pytest.raises(openai.RateLimitError):
            sdk.chat.completions.create(model="demo-small", messages=QUESTION)


def test_the_log_has_a_line_for_a_stream_that_its_end_cuts_off() -> None:
    with (
        demo.launch(token_latency=0.2) as model,
        serving(*THREADS, "--grace", "0", "--base-url", model.base_url) as proxy,
        OpenAI(base_url=proxy.base_url, api_key=KEY, max_retries=0) as sdk,
    ):
        stream = sdk.chat.completions.create(model="demo-small", messages=QUESTION, stream=True)
        next(iter(stream))
        proxy.process.send_signal(signal.SIGTERM)
        with pytest.raises(openai.APIError):
            list(stream)
        assert proxy.process.wait(30) == 0
        assert proxy.wait_for("status 499")


def test_ends_when_it_is_told_to(simulated: dict[str, str]) -> None:
    with serving(*THREADS, environment=simulated) as proxy:
        assert httpx2.get(f"{proxy.url}/health").status_code == 200
        proxy.process.send_signal(signal.SIGTERM)
        assert proxy.process.wait(30) == 0
    assert not any("Traceback" in line for line in proxy.log)
