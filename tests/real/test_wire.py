"""Techniques, forms, choices, leaving clients, deadlines and restarts, on a real server with eight slots.

These are tests of the wire: the model is too small for its answers to be judged.
"""

from __future__ import annotations

import asyncio
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from optillm.commands.doctor.checks import examine
from optillm.config.settings import Settings
from optillm.local.llama import LlamaServer
from optillm.techniques import registry
from tests.e2e.proxy import Proxy, serving
from tests.real.server import (
    AUTO,
    CONTEXT,
    NAME,
    PATIENCE,
    becomes_idle,
    counts,
    eventually,
    idle,
    model,
    running,
)

TECHNIQUES = [*registry(), "none"]
AT_ONCE = 3
QUESTION = "What is 17 + 25? Answer with a number."
SHORT = 24
"""Tokens of an answer."""
LONG = 500
"""Tokens of an answer that is not finished before its client leaves."""
FEW = 400
"""The most tokens that may be computed for a client who leaves at once: fewer than those of one `LONG` answer."""
ANSWERED = 120.0
"""Seconds a request has for its answer, on a machine that is busy with something else."""
OUTAGE = 5.0
"""Seconds until a server that was killed is started again."""
SCHEMA = {
    "type": "object",
    "properties": {"sum": {"type": "integer"}},
    "required": ["sum"],
    "additionalProperties": False,
}


def body(technique: str = "none", **fields: Any) -> dict[str, Any]:
    """A short request to a technique."""
    messages = [{"role": "user", "content": QUESTION}]
    return {"model": f"{technique}-{NAME}", "messages": messages, "max_tokens": SHORT, "seed": 1, **fields}


def post(proxy: Proxy, sent: dict[str, Any], seconds: float = ANSWERED) -> httpx2.Response:
    """Send a request that has some seconds for its answer."""
    headers = {"x-optillm-timeout": f"{seconds:g}"}
    return httpx2.post(
        f"{proxy.base_url}/chat/completions", json=sent, headers=headers, timeout=seconds + PATIENCE
    )


def begun(proxy: Proxy, sent: dict[str, Any]) -> socket.socket:
    """A connection that has sent a request."""
    url = urlsplit(proxy.url)
    content = json.dumps(sent).encode()
    head = f"Host: {url.netloc}\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    connection = socket.create_connection((url.hostname or "", url.port or 0), timeout=PATIENCE)
    connection.sendall(f"POST /v1/chat/completions HTTP/1.1\r\n{head}\r\n".encode() + content)
    return connection


def reply(response: httpx2.Response) -> Any:
    """The body of a request that was answered."""
    assert response.status_code == 200, response.text
    return response.json()


def chunks(response: httpx2.Response) -> list[Any]:
    """The events of a stream that has come to its end."""
    assert response.status_code == 200, response.text
    data = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    assert data.pop() == "[DONE]"
    events = [json.loads(event) for event in data]
    assert not [event["error"] for event in events if "error" in event]
    return events


@pytest.fixture(scope="module")
def responses(proxy: Proxy) -> dict[tuple[str, bool], httpx2.Response]:
    """What comes of every technique, whole and streamed; some at a time, as that is where the server is fast."""
    kinds = [(technique, stream) for technique in TECHNIQUES for stream in (False, True)]

    def respond(kind: tuple[str, bool]) -> httpx2.Response:
        technique, stream = kind
        options = {"stream_options": {"include_usage": True}} if stream else {}
        return post(proxy, body(technique, stream=stream, **options))

    with ThreadPoolExecutor(AT_ONCE) as clients:
        return dict(zip(kinds, clients.map(respond, kinds), strict=True))


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_a_technique_answers_whole(
    technique: str, responses: dict[tuple[str, bool], httpx2.Response]
) -> None:
    answered = reply(responses[technique, False])
    assert answered["choices"][0]["message"]["content"]
    assert answered["usage"]["completion_tokens"] > 0
    assert technique == "none" or answered["optillm"]["technique"] == technique


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_a_technique_answers_as_a_stream(
    technique: str, responses: dict[tuple[str, bool], httpx2.Response]
) -> None:
    events = chunks(responses[technique, True])
    texts = [choice["delta"].get("content") for event in events for choice in event["choices"]]
    assert any(texts)
    (usage,) = [event["usage"] for event in events if event.get("usage")]
    assert usage["completion_tokens"] > 0


def test_a_json_schema_is_kept(proxy: Proxy) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "sum", "strict": True, "schema": SCHEMA}}
    answered = reply(post(proxy, body("bon", response_format=form)))
    assert json.loads(answered["choices"][0]["message"]["content"]).keys() == {"sum"}


def test_a_json_object_is_json_unless_it_was_cut(proxy: Proxy) -> None:
    answered = reply(post(proxy, body("bon", response_format={"type": "json_object"})))
    (choice,) = answered["choices"]
    if choice["finish_reason"] == "stop":
        assert isinstance(json.loads(choice["message"]["content"]), dict)


def test_several_choices_come_with_and_without_a_technique(proxy: Proxy) -> None:
    for technique in ("none", "bon"):
        assert len(reply(post(proxy, body(technique, n=2)))["choices"]) == 2


def test_more_choices_than_slots_are_refused_in_the_servers_words_without_a_technique(proxy: Proxy) -> None:
    refused = post(proxy, body(n=9))
    assert refused.status_code == 400
    assert "'n'" in refused.json()["error"]["message"]


def test_more_samples_than_slots_are_sampled_all_the_same(proxy: Proxy) -> None:
    answered = reply(post(proxy, body("self_consistency(samples=10,mode=fixed)", max_tokens=20)))
    assert answered["optillm"]["stop_reason"] == "complete"
    assert answered["usage"]["completion_tokens"] >= 10


def test_sixteen_requests_at_once_are_answered(server: LlamaServer, proxy: Proxy) -> None:
    with ThreadPoolExecutor(16) as clients:
        responses = list(clients.map(lambda seed: post(proxy, body("bon", seed=seed)), range(16)))
    assert {response.status_code for response in responses} == {200}
    assert becomes_idle(server)


def test_a_request_outlives_a_restart_of_the_server() -> None:
    with (
        running() as first,
        serving("--base-url", first.base_url, "--model", NAME, environment=AUTO) as proxy,
    ):
        port = int(first.url.rpartition(":")[2])
        with ThreadPoolExecutor(1) as client:
            pending = client.submit(post, proxy, body("bon", max_tokens=100))
            assert eventually(lambda: not idle(first))
            first.kill()
            Event().wait(OUTAGE)
            with running(port):
                answered = reply(pending.result())
        assert answered["choices"][0]["message"]["content"]


def test_the_doctor_tells_slots_context_and_the_bound_of_n(server: LlamaServer) -> None:
    diagnosis = asyncio.run(examine(Settings(base_url=server.base_url, model=NAME)))
    results = {finding.about: finding.result for finding in diagnosis.findings}
    assert diagnosis.usable
    assert {name: results[name] for name in ("slots", "context per slot", "largest n")} == {
        "slots": "8",
        "context per slot": str(CONTEXT),
        "largest n": "8",
    }


def test_a_file_is_served_in_one_command() -> None:
    flags = ("--local", str(model().file), "--local-slots", "2", "--local-context", "512", "--model", NAME)
    with serving(*flags, environment=AUTO) as proxy:
        assert reply(post(proxy, body("bon")))["choices"][0]["message"]["content"]
        assert any("2 slots of 512 tokens" in line for line in proxy.log)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("technique", ["bon", "moa"])
def test_slots_are_free_once_the_client_has_left(
    technique: str, stream: bool, server: LlamaServer, proxy: Proxy
) -> None:
    assert becomes_idle(server)
    before = counts(server)
    with closing(begun(proxy, body(technique, stream=stream, max_tokens=LONG, ignore_eos=True))):
        assert eventually(lambda: not idle(server))
    assert becomes_idle(server)
    assert (counts(server) - before).generated < FEW


def test_a_deadline_frees_the_slots_too(server: LlamaServer, proxy: Proxy) -> None:
    assert becomes_idle(server)
    before = counts(server)
    late = post(proxy, body("bon", max_tokens=LONG, ignore_eos=True), seconds=2)
    assert late.status_code in (200, 504)
    assert becomes_idle(server)
    assert (counts(server) - before).generated < FEW
