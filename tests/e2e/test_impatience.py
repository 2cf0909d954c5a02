"""Clients that give up, ask again, or ask on their own behalf, over real sockets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from typing import Any

import httpx2
import pytest
from openai import OpenAI

from tests.e2e.proxy import Proxy, serving
from tests.server.api.test_client_hints import BACKGROUND
from tests.stub import Call, Stub, completion


class Slow:
    """An upstream whose candidates disagree, and whose judges answer only once `go` is set."""

    def __init__(self) -> None:
        self.go = Event()
        self.judging = Event()
        self._lock = Lock()
        self._drawn = 0

    def respond(self, call: Call) -> None:
        if "candidate" not in json.dumps(call.sent["messages"]):
            with self._lock:
                self._drawn += 1
                drawn = self._drawn
            return call.json(completion(f"The answer is {drawn}."))
        self.judging.set()
        self.go.wait(30)
        return call.json(completion('{"ranking": ["A", "B", "C"]}'))


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def upstream(slow: Slow) -> Iterator[Stub]:
    with Stub(slow.respond) as stub:
        yield stub
        slow.go.set()


@pytest.fixture
def proxy(upstream: Stub) -> Iterator[Proxy]:
    retries = ("--upstream-retries", "0")  # nor hedges: calls are counted
    with serving("--base-url", upstream.base_url, "--background-model", "tiny", *retries) as running:
        yield running


def ask(proxy: Proxy, text: str = "What is 2 + 2?", **headers: str) -> httpx2.Response:
    body = {"model": "bon-m", "messages": [{"role": "user", "content": text}]}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx2.post(f"{proxy.base_url}/chat/completions", json=body, headers=named, timeout=30)


def test_the_sdk_gets_the_best_answer_so_far_before_its_timeout(proxy: Proxy) -> None:
    with OpenAI(base_url=proxy.base_url, api_key="any", timeout=2.0, max_retries=0) as sdk:
        reply: Any = sdk.chat.completions.create(
            model="bon-m", messages=[{"role": "user", "content": "What is 2 + 2?"}]
        )
    assert reply.choices[0].message.content.startswith("The answer is")
    assert reply.optillm["stop_reason"] == "deadline"


def test_the_sdks_retry_after_a_lost_connection_pays_nothing_twice(
    proxy: Proxy, upstream: Stub, slow: Slow
) -> None:
    with ThreadPoolExecutor() as pool:
        first = pool.submit(ask, proxy, x_stainless_retry_count="0")
        assert slow.judging.wait(30)
        retry = pool.submit(ask, proxy, x_stainless_retry_count="1")
        assert proxy.wait_for("A retry joins")
        slow.go.set()
        assert first.result().json()["id"] == retry.result().json()["id"]
    assert first.result().headers["x-request-id"] != retry.result().headers["x-request-id"]
    assert len(upstream.calls) == first.result().json()["optillm"]["calls"]["generate"] + 3


def test_an_idempotency_key_gives_the_same_answer_again(proxy: Proxy, upstream: Stub, slow: Slow) -> None:
    slow.go.set()
    first = ask(proxy, Idempotency_Key="k1").json()
    paid = len(upstream.calls)
    assert ask(proxy, Idempotency_Key="k1").json() == first
    assert len(upstream.calls) == paid
    assert ask(proxy, Idempotency_Key="k2").json()["id"] != first["id"]
    assert ask(proxy, "Other?", Idempotency_Key="k1").json()["id"] != first["id"]


@pytest.mark.parametrize("prompt", BACKGROUND)
def test_a_frontends_own_request_is_one_call_of_the_background_model(
    proxy: Proxy, upstream: Stub, prompt: str
) -> None:
    reply = ask(proxy, prompt)
    assert reply.headers["x-optillm-bypassed"] == "background"
    assert reply.headers["x-optillm-technique"] == "none"
    assert [call.sent["model"] for call in upstream.calls] == ["tiny"]
    assert upstream.calls[0].sent["messages"] == [{"role": "user", "content": prompt}]


def test_a_users_request_is_not_bypassed(proxy: Proxy, slow: Slow) -> None:
    slow.go.set()
    reply = ask(proxy)
    assert reply.headers["x-optillm-technique"] == "bon"
    assert "x-optillm-bypassed" not in reply.headers


def test_the_bypass_can_be_switched_off(upstream: Stub, slow: Slow) -> None:
    slow.go.set()
    with serving("--base-url", upstream.base_url, "--no-background-bypass") as proxy:
        assert ask(proxy, BACKGROUND[0], x_optillm_background="1").headers["x-optillm-technique"] == "bon"
