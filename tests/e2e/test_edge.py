"""The edge of the real server: names it answers to, what it passes on, what it refuses before the application."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.e2e.proxy import Proxy, serving
from tests.stub import Stub


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    with Stub(lambda call: call.json({"object": "response"})) as stub:
        yield stub


@pytest.fixture(scope="module")
def proxy(stub: Stub) -> Iterator[Proxy]:
    with serving("--base-url", stub.base_url, "--allowed-hosts", "me.test") as proxy:
        yield proxy


def ask(proxy: Proxy, method: str, path: str, **headers: str) -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection(urlsplit(proxy.url).netloc, timeout=60)
    connection.request(method, path, headers=headers)
    response = connection.getresponse()
    body = json.loads(response.read())
    connection.close()
    return response.status, body


@pytest.mark.parametrize("path", ["/health", "/v1/models", "/v1/nowhere"])
def test_a_page_whose_name_resolves_to_this_machine_gets_nothing(proxy: Proxy, stub: Stub, path: str) -> None:
    stub.calls.clear()
    status, body = ask(proxy, "GET", path, Host="evil.test")
    assert status == 403
    assert "error" in body
    assert stub.calls == []


def test_local_and_allowed_names_are_answered(proxy: Proxy) -> None:
    for host in ("localhost", "[::1]:1", "me.test"):
        assert ask(proxy, "GET", "/health", Host=host) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/responses/resp_1?include=a&include=b%2Fc"),
        ("DELETE", "/responses/resp_1"),
        ("POST", "/responses/resp_1/cancel"),
        ("GET", "/responses/resp_1/input_items?limit=2"),
    ],
)
def test_methods_and_queries_reach_the_upstream(proxy: Proxy, stub: Stub, method: str, path: str) -> None:
    stub.calls.clear()
    assert ask(proxy, method, f"/v1{path}") == (200, {"object": "response"})
    assert [(call.method, call.path.removeprefix("/v1")) for call in stub.calls] == [(method, path)]
