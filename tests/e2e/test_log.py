"""The log of the real server: one line for each request that failed, with its id, and why it was refused."""

from __future__ import annotations

import http.client
import json
import re
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.e2e.proxy import Proxy
from tests.stub import Call, Stub, completion

FLAGS = ("--upstream-retries", "0", "--log", "debug")
SECRET = "an unlikely prompt"
CHAT = {"model": "m", "messages": [{"role": "user", "content": SECRET}]}
HEADERS = {"Content-Type": "application/json", "Authorization": "Bearer sk-of-a-client"}


def ask(proxy: Proxy, body: Any, name: str, path: str = "/v1/chat/completions", method: str = "POST") -> int:
    """The status of a request with this id, whose reply is read to its end."""
    connection = http.client.HTTPConnection(urlsplit(proxy.url).netloc, timeout=60)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request(method, path, content, HEADERS | {"x-request-id": name})
    reply = connection.getresponse()
    reply.read()
    connection.close()
    return reply.status


def logged(proxy: Proxy, name: str) -> list[str]:
    """The lines about this request above debug, when the log has come so far; not that which says it has begun."""
    ask(proxy, b"", f"after-{name}", "/nothing", "GET")
    assert proxy.wait_for(f"after-{name}")
    about = [line for line in proxy.log if re.search(rf" {name}(\W|$)", line) and " DEBUG " not in line]
    return [line for line in about if "Using approach" not in line or " status " in line]


REFUSED = {
    "an option out of range": ({**CHAT, "model": "bon(n=99)-m"}, "option 'n' of 'bon'"),
    "a body that is no JSON": (b"{", "JSON"),
    "no messages": ({"model": "m"}, "messages"),
    "an unknown field of ours": ({**CHAT, "optillm": {"nn": 1}}, "nn"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_refusal_is_one_line_that_says_why(kind: str, proxy: Proxy) -> None:
    body, reason = REFUSED[kind]
    name = f"refused-{list(REFUSED).index(kind)}"
    assert ask(proxy, body, name) == 400
    (line,) = logged(proxy, name)
    assert f"POST /v1/chat/completions: status 400, request {name}: " in line
    assert reason in line


@pytest.mark.parametrize(
    ("path", "method", "status"), [("/v1/nothing", "POST", 404), ("/v1/models", "DELETE", 405)]
)
def test_an_unknown_path_is_one_line(path: str, method: str, status: int, proxy: Proxy) -> None:
    name = f"absent-{status}"
    assert ask(proxy, b"", name, path, method) == status
    (line,) = logged(proxy, name)
    assert f"{method} {path}: status {status}, request {name}: " in line


@pytest.mark.parametrize("model", ["m", "bon-m", "re2&bon-m"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [400, 404, 500])
def test_an_upstream_refusal_is_one_line(
    model: str, stream: bool, status: int, stub: Stub, proxy: Proxy
) -> None:
    stub.respond = lambda call: call.json({"error": {"message": SECRET, "type": "t", "code": None}}, status)
    name = f"failed-{model.partition('&')[0]}-{stream}-{status}-{'&' in model}"
    ask(proxy, {**CHAT, "model": model, "stream": stream}, name)
    (line,) = logged(proxy, name)
    assert f"status {status} in " in line


@pytest.mark.parametrize("model", ["m", "bon-m"])
def test_an_upstream_that_hangs_up_is_one_line(model: str, stub: Stub, proxy: Proxy) -> None:
    stub.respond = Call.hang_up
    name = f"broken-{model}"
    assert ask(proxy, {**CHAT, "model": model}, name) == 502
    (line,) = logged(proxy, name)
    assert "status 502 in " in line


def test_the_log_has_no_traceback_no_prompt_and_no_key(stub: Stub, proxy: Proxy) -> None:
    stub.respond = lambda call: call.json(completion("The answer is 4."))
    assert ask(proxy, {**CHAT, "model": "bon-m"}, "good") == 200
    (line,) = logged(proxy, "good")
    assert "bon-m: settled in " in line
    log = "".join(proxy.log)
    assert "Request good: call 0, generate: ok in " in log
    assert "Traceback" not in log
    assert SECRET not in log
    assert "sk-of-a-client" not in log
