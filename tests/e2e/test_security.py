"""Attacks on the real server, each as its author would make it: docs/security.md says what holds against them."""

from __future__ import annotations

import json
import os
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from optillm.techniques import registry
from tests.e2e.proxy import Proxy, serving
from tests.sandbox.arena import children
from tests.stub import Call, Stub, completion, delta

CLIENT = "client-key-canary-71"
UPSTREAM = "sk-upstream-canary-4711"
HEADER = "header-canary-0815"
PROMPT = "Quixotl"
SECRETS = (CLIENT, UPSTREAM, HEADER)
CHAT = "/v1/chat/completions"
BODY: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
ENVIRONMENT = {"OPENAI_API_KEY": UPSTREAM, "OPTILLM_UPSTREAM_HEADERS": json.dumps({"x-team": HEADER})}


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    with Stub(lambda call: None) as stub:
        yield stub


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Stub]:
    """A server that nobody should ever talk to."""
    with Stub(lambda call: call.json(completion("stolen"))) as stub:
        yield stub


@pytest.fixture(scope="module")
def proxy(stub: Stub) -> Iterator[Proxy]:
    flags = ("--base-url", stub.base_url, "--optillm-api-key", CLIENT, "--log", "debug", "--max-body-mb", "1")
    with serving(*flags, "--upstream-retries", "0", environment=ENVIRONMENT) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def thinking() -> Iterator[Proxy]:
    """A proxy with every secret it could have, in front of the demo model."""
    environment = ENVIRONMENT | {"AZURE_OPENAI_API_KEY": UPSTREAM, "CEREBRAS_API_KEY": UPSTREAM}
    with serving("--demo", "--log", "debug", f"--optillm_api_key={CLIENT}", environment=environment) as proxy:
        yield proxy


def responds(stub: Stub, respond: Callable[[Call], None]) -> None:
    stub.calls.clear()
    stub.respond = respond


def ask(
    proxy: Proxy, body: Any = None, path: str = CHAT, method: str = "POST", **headers: str
) -> tuple[HTTPResponse, str]:
    """The reply to a request with the client's key, and its text."""
    connection = HTTPConnection(urlsplit(proxy.url).netloc, timeout=60)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    sent = {"Content-Type": "application/json", "Authorization": f"Bearer {CLIENT}"} | named
    connection.request(method, path, None if body is None else content, sent)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response, text


def raw(proxy: Proxy, sent: bytes) -> bytes:
    """All that comes back on a connection on which these bytes are sent."""
    host, port = urlsplit(proxy.url).hostname, urlsplit(proxy.url).port
    with socket.create_connection((host, port), timeout=60) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def status(reply: bytes) -> int:
    return int(reply.split(b" ", 2)[1])


def family(pid: int) -> list[int]:
    return [pid, *(each for child in children(pid) for each in family(child))]


def judged(call: Call) -> None:
    """An upstream that answers judges and everybody else."""
    if call.method == "POST" and "messages" in call.sent and call.sent["messages"][0]["content"] != "Hi":
        return call.json(completion('{"ranking": ["A", "B"], "score": 7}'))
    return call.answer("Hello.")


# Keys


def test_no_key_is_in_the_list_of_processes(proxy: Proxy, thinking: Proxy) -> None:
    for running in (proxy, thinking):
        for pid in family(running.process.pid):
            shown = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
            assert shown
            assert not any(secret in shown for secret in SECRETS)
    assert ask(proxy, path="/v1/nowhere", method="GET")[0].status == 404  # the key still opens


def test_no_key_is_in_the_environment_of_the_sandbox(thinking: Proxy) -> None:
    ask(thinking, {"model": "z3-demo-small", "messages": [{"role": "user", "content": "What is 17 + 25?"}]})
    solvers = [
        pid for pid in family(thinking.process.pid) if b"boot.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    assert solvers
    if os.geteuid() != 0:
        return  # who is not root may not look, which is as good
    for pid in solvers:
        told = Path(f"/proc/{pid}/environ").read_bytes().decode()
        assert not any(secret in told for secret in SECRETS)
        assert "KEY" not in told


@pytest.mark.parametrize(
    "value",
    [
        b"Bearer \xff\xfe",
        "Bearer clé".encode(),
        b"Bearer " + CLIENT.encode() + b"\xc2\xa0",
        b"Bearer " + CLIENT[:-1].encode(),
        b"Bearer " + CLIENT.upper().encode(),
        b"Bearer " + b"x" * 7000,
        b"Bearer " + CLIENT.encode() + b", Bearer x",
        b"Basic " + CLIENT.encode(),
        b"Bearer " + CLIENT.encode() + b"\x00",
        b"Bearer\t" + CLIENT.encode(),
    ],
)
def test_a_wrong_key_is_refused_whatever_its_bytes(proxy: Proxy, value: bytes) -> None:
    reply = raw(proxy, b"GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: " + value + b"\r\n\r\n")
    assert status(reply) in (400, 401, 429)
    assert b'"error"' in reply


@pytest.mark.parametrize(
    "target",
    [
        "/v1/models",
        "/health/",
        "/HEALTH",
        "/health/../v1/models",
        "/health%2f..%2fv1/models",
        "/v1/models?path=/health",
        "/v1/models/health",
        "/health;x=/v1/models",
        "http://localhost/v1/models",
        "/metrics",
        "*",
    ],
)
def test_no_way_of_writing_a_path_goes_around_the_key(proxy: Proxy, target: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nX-Original-URL: /health\r\nX-Rewrite-URL: /health\r\n"
        reply = raw(proxy, head.encode() + b"Content-Length: 0\r\n\r\n")
        assert status(reply) in (400, 401, 429), reply


@pytest.mark.parametrize(
    "forged",
    [
        "SCRIPT_NAME: /v1",
        "PATH_INFO: /health",
        "X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off",
        "Script-Name: /v1",
    ],
)
def test_no_header_says_which_path_is_meant(proxy: Proxy, forged: str) -> None:
    reply = raw(proxy, f"GET /v1/health HTTP/1.1\r\nHost: localhost\r\n{forged}\r\n\r\n".encode())
    assert status(reply) == 401
    reply = raw(proxy, f"GET /health HTTP/1.1\r\nHost: localhost\r\n{forged}\r\n\r\n".encode())
    assert reply.endswith(b'{"status":"ok"}')


def test_the_clients_key_and_headers_never_go_upstream(proxy: Proxy, stub: Stub) -> None:
    responds(stub, judged)
    forged = {
        "Cookie": "a=1",
        "X_Forwarded_For": "1.2.3.4",
        "X_Team": "evil",
        "OpenAI_Organization": "evil",
        "Forwarded": "for=1.2.3.4",
        "Proxy_Authorization": "Basic eA==",
        "api_key": CLIENT,
    }
    for path, body in (
        (CHAT, BODY),
        (CHAT, BODY | {"model": "bon-m"}),
        ("/v1/embeddings", {"model": "m", "input": "a"}),
    ):
        assert ask(proxy, body, path, **forged)[0].status == 200
    assert ask(proxy, path="/v1/models", method="GET", **forged)[0].status == 200
    assert len(stub.calls) > 4
    for call in stub.calls:
        assert call.headers["authorization"] == f"Bearer {UPSTREAM}"
        assert call.headers["x-team"] == HEADER
        assert CLIENT not in str(call.headers)
        assert "evil" not in str(call.headers)
        assert not {"cookie", "x-forwarded-for", "forwarded", "proxy-authorization", "api-key"} & set(
            call.headers
        )


@pytest.mark.parametrize("shown", [UPSTREAM, f"{UPSTREAM[:8]}***{UPSTREAM[-4:]}", HEADER])
def test_an_upstreams_rejection_never_quotes_our_key(proxy: Proxy, stub: Stub, shown: str) -> None:
    words = f"Incorrect API key provided: {shown}. Find yours elsewhere."
    responds(stub, lambda call: call.json({"error": {"message": words, "type": "auth", "code": shown}}, 401))
    asked: list[tuple[Any, str, str]] = [
        (BODY, CHAT, "POST"),
        (BODY | {"stream": True}, CHAT, "POST"),
        (BODY | {"model": "bon-m"}, CHAT, "POST"),
        (BODY | {"model": "moa-m", "stream": True}, CHAT, "POST"),
        ({"model": "m", "input": "a"}, "/v1/embeddings", "POST"),
        (None, "/v1/responses/resp_1", "GET"),
    ]
    for body, path, method in asked:
        response, text = ask(proxy, body, path, method)
        assert "Incorrect API key" in text
        assert "[redacted]" in text
        assert shown not in text + str(response.getheaders())
        assert response.status == (200 if body and body["model"] == "moa-m" else 401)
    assert not any(secret in line for line in proxy.log for secret in (*SECRETS, shown))


def test_an_error_in_the_middle_of_a_stream_never_quotes_our_key(proxy: Proxy, stub: Stub) -> None:
    words = {"error": {"message": f"Incorrect API key provided: {UPSTREAM}", "code": UPSTREAM}}

    def respond(call: Call) -> None:
        call.events(delta("He"), words) if call.sent.get("stream") else call.json(words)

    responds(stub, respond)
    for model in ("re2-m", "moa-m", "bon-m"):
        _, text = ask(proxy, BODY | {"model": model, "stream": True})
        assert '"error"' in text
        assert UPSTREAM not in text
        _, text = ask(proxy, BODY | {"model": model})
        assert UPSTREAM not in text
    assert not any(UPSTREAM in line for line in proxy.log)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_never_takes_the_key_along(proxy: Proxy, stub: Stub, elsewhere: Stub, code: int) -> None:
    elsewhere.calls.clear()
    responds(stub, lambda call: call.raw(b"", code, location=f"{elsewhere.base_url}/chat/completions"))
    for body, path, method in (
        (BODY, CHAT, "POST"),
        (BODY | {"stream": True}, CHAT, "POST"),
        (BODY | {"model": "bon-m"}, CHAT, "POST"),
        ({"model": "m", "input": "a"}, "/v1/embeddings", "POST"),
        (None, "/v1/responses/resp_1", "GET"),
    ):
        response, text = ask(proxy, body, path, method)
        assert response.status == 502
        assert response.getheader("Location") is None
        assert elsewhere.base_url not in text
    ask(proxy, path="/v1/models", method="GET")
    assert elsewhere.calls == []


# What is asked


@pytest.mark.parametrize("model", ["m", "bon-m"])
def test_fields_that_mean_something_to_a_library_mean_nothing_here(
    proxy: Proxy, stub: Stub, elsewhere: Stub, model: str
) -> None:
    elsewhere.calls.clear()
    responds(stub, judged)
    fields = {
        "extra_headers": {"Authorization": "Bearer evil", "X-Evil": "1"},
        "extra_query": {"evil": "1"},
        "extra_body": {"evil": 1},
        "base_url": elsewhere.base_url,
        "api_base": elsewhere.base_url,
        "api_key": "evil",
        "timeout": 1e-9,
        "max_retries": 0,
        "organization": "evil",
        "http_client": {"proxy": elsewhere.base_url},
        "__class__": {"__init__": {"__globals__": 1}},
    }
    response, text = ask(proxy, BODY | {"model": model} | fields)
    assert response.status == 200, text
    assert elsewhere.calls == []
    assert stub.calls[0].sent == {**stub.calls[0].sent, **fields, "model": "m"}
    for call in stub.calls:
        assert call.path == CHAT
        assert call.headers["authorization"] == f"Bearer {UPSTREAM}"
        assert "evil" not in str(call.headers)


def with_text(name: str, text: str) -> dict[str, Any]:
    return BODY | (
        {"optillm": {"options": {"bon": {"judge_model": text}}}} if name == "option" else {name: text}
    )


@pytest.mark.parametrize("text", ["m\r\nX-Evil: 1", "m\nx", "m\x00", "m\x1b[2J", "m\x85", "m\u2028x"])
@pytest.mark.parametrize("field", ["model", "optillm_approach", "option"])
def test_names_hold_no_line_breaks_or_control_characters(
    proxy: Proxy, stub: Stub, field: str, text: str
) -> None:
    responds(stub, judged)
    response, told = ask(proxy, with_text(field, text))
    assert response.status == 400
    assert json.loads(told)["error"]["param"]
    assert response.getheader("X-Evil") is None
    assert stub.calls == []


@pytest.mark.parametrize(
    "name", [b"x-request-id", b"Idempotency-Key", b"Content-Type", b"x-optillm-background", b"Origin"]
)
@pytest.mark.parametrize("value", [b"a\rX-Evil: 1", b"a\x00b", b"a\x0bb\r\n X-Evil: 1"])
def test_header_values_hold_no_line_breaks_or_nul(
    proxy: Proxy, stub: Stub, name: bytes, value: bytes
) -> None:
    responds(stub, judged)
    content = json.dumps(BODY).encode()
    head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n%s: %s\r\n\r\n"
    reply = raw(proxy, head % (CHAT.encode(), CLIENT.encode(), len(content), name, value) + content)
    assert status(reply) == 400
    assert b"X-Evil" not in reply
    assert stub.calls == []


def nested(depth: int) -> bytes:
    return (
        b'{"model":"m","messages":[{"role":"user","content":"Hi"}],"x":' + b"[" * depth + b"]" * depth + b"}"
    )


MALFORMED = {
    "one key twice": b'{"model":"m","model":"n","messages":[{"role":"user","content":"Hi"}]}',
    "one key twice, deeper": b'{"model":"m","messages":[{"role":"user","role":"system","content":"Hi"}]}',
    "one key twice, escaped": b'{"model":"m","mod\\u0065l":"n","messages":[{"role":"user","content":"Hi"}]}',
    "a giant integer": b'{"model":"m","seed":'
    + b"9" * 5000
    + b',"messages":[{"role":"user","content":"Hi"}]}',
    "an integer of 65 bits": b'{"model":"m","seed":36893488147419103232,"messages":[{"role":"user","content":"Hi"}]}',
    "a giant exponent": b'{"model":"m","temperature":1e999,"messages":[{"role":"user","content":"Hi"}]}',
    "NaN": b'{"model":"m","temperature":NaN,"messages":[{"role":"user","content":"Hi"}]}',
    "Infinity": b'{"model":"m","temperature":-Infinity,"messages":[{"role":"user","content":"Hi"}]}',
    "a lone surrogate": b'{"model":"m","messages":[{"role":"user","content":"\\ud800"}]}',
    "half a pair": b'{"model":"m","messages":[{"role":"user","content":"\\udc00\\ud800"}]}',
    "bytes that are no UTF-8": b'{"model":"m","messages":[{"role":"user","content":"\xff"}]}',
    "an encoded surrogate": b'{"model":"m","messages":[{"role":"user","content":"\xed\xa0\x80"}]}',
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps(BODY).encode(),
    "UTF-16": json.dumps(BODY).encode("utf-16"),
    "deep nesting": nested(65),
    "a hundred thousand brackets": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "a list": b"[]",
    "a string": b'"x"',
    "nothing": b"",
    "two values": json.dumps(BODY).encode() * 2,
    "a comment": b"/* */" + json.dumps(BODY).encode(),
    "too many values": b'{"model":"m","messages":[{"role":"user","content":"Hi"}],"x":['
    + b"0," * 200_001
    + b"0]}",
    "too many messages": json.dumps(BODY | {"messages": BODY["messages"] * 4097}).encode(),
    "too many choices": json.dumps(BODY | {"n": 129}).encode(),
    "no choice": json.dumps(BODY | {"n": 0}).encode(),
    "an option out of bounds": json.dumps(BODY | {"model": "bon(n=33)-m"}).encode(),
    "an endless pipeline": json.dumps(BODY | {"optillm_approach": "&".join(["re2"] * 60)}).encode(),
    "parentheses": json.dumps(BODY | {"optillm_approach": "(" * 200 + "re2" + ")" * 200}).encode(),
    "an option that is no number": json.dumps(
        BODY | {"model": "bon-m", "optillm": {"options": {"bon": {"n": True}}}}
    ).encode(),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_malformed_requests_are_refused_before_anything_goes_upstream(
    proxy: Proxy, stub: Stub, what: str
) -> None:
    responds(stub, judged)
    response, text = ask(proxy, MALFORMED[what])
    assert response.status == 400, text
    assert set(json.loads(text)["error"]) == {"message", "type", "param", "code"}
    assert stub.calls == []


def test_nesting_is_bounded_at_64_levels_below_the_body(proxy: Proxy, stub: Stub) -> None:
    responds(stub, judged)
    assert ask(proxy, nested(64))[0].status == 200
    assert ask(proxy, nested(65))[0].status == 400


def test_a_body_beyond_the_limit_is_refused_by_its_announcement(proxy: Proxy) -> None:
    head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {CLIENT}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {2**20 + 1}\r\n\r\n"
    assert status(raw(proxy, head.encode())) == 413


def test_two_lengths_are_no_second_request(proxy: Proxy, stub: Stub) -> None:
    responds(stub, judged)
    hidden = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {CLIENT}\r\n\r\n".encode()
    for lengths in (
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        b"Content-Length: 5\r\nContent-Length: 0\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n",
        b"Content-Length: +5\r\n",
        b"Content-Length: 0_5\r\n",
    ):
        head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {CLIENT}\r\n".encode()
        reply = raw(proxy, head + b"Content-Type: application/json\r\n" + lengths + b"\r\n0\r\n\r\n" + hidden)
        assert status(reply) in (400, 501)
        assert reply.count(b"HTTP/1.") == 1, reply
    assert stub.calls == []


def test_a_tag_in_user_text_is_text(proxy: Proxy, stub: Stub) -> None:
    responds(stub, judged)
    text = "Hi <optillm_approach>mcts</optillm_approach>"
    said = BODY | {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": text}]}
    response, _ = ask(proxy, said | {"messages": [*said["messages"], *BODY["messages"]]})
    assert response.getheader("x-optillm-technique") == "none"
    assert [message["content"] for call in stub.calls for message in call.sent["messages"]] == [
        text,
        text,
        "Hi",
    ]


# What is told


@pytest.mark.parametrize("slug", sorted(registry()))
def test_no_prompt_gets_into_traces_reports_headers_or_plans(thinking: Proxy, slug: str) -> None:
    question = f"{PROMPT} has 5 bags with 12 marbles each. {PROMPT} gives away 17. How many marbles does {PROMPT} have?"
    body = {
        "model": f"{slug}-demo-small",
        "messages": [
            {"role": "system", "content": f"You help {PROMPT}."},
            {"role": "user", "content": question},
        ],
        "optillm": {"trace": True},
        "seed": 3,
    }
    response, text = ask(thinking, body)
    assert response.status == 200
    report = json.loads(text)["optillm"]
    assert report["technique"] == slug
    assert report["trace"]["calls"]
    assert PROMPT not in json.dumps(report) + str(response.getheaders())
    streamed, events = ask(thinking, body | {"stream": True})
    reports = [line for line in events.splitlines() if '"optillm":' in line]
    assert len(reports) == 1
    assert PROMPT not in reports[0] + str(streamed.getheaders())
    told, plan = ask(thinking, body, "/v1/plan")
    assert told.status == 200
    assert PROMPT not in plan


def test_no_prompt_gets_into_errors_metrics_or_logs(proxy: Proxy, thinking: Proxy, stub: Stub) -> None:
    message = {"role": "user", "content": PROMPT}
    for wrong in (
        {"messages": [message, {"role": "odd", "content": PROMPT}]},
        {"messages": [message | {"content": [PROMPT]}]},
        {"messages": [message], "n": "1"},
        {"messages": [message], "model": "bon-m", "optillm": {"options": {"bon": {"n": 0}}}},
        {"messages": [message], "optillm_approach": "bom"},
    ):
        response, text = ask(proxy, {"model": "m"} | wrong)
        assert response.status == 400
        assert PROMPT not in text
    responds(stub, lambda call: call.hang_up())
    for model in ("m", "bon-m", "moa-m", "rto-m"):
        response, text = ask(proxy, {"model": model, "messages": [message]})
        assert response.status == 502
        assert PROMPT not in text
    assert PROMPT not in ask(proxy, path="/metrics", method="GET")[1]
    assert PROMPT not in ask(thinking, path="/metrics", method="GET")[1]
    assert proxy.log
    assert not any(secret in line for line in [*proxy.log, *thinking.log] for secret in (PROMPT, *SECRETS))


# Slow clients


@pytest.fixture(scope="module")
def hasty(stub: Stub) -> Iterator[Proxy]:
    """A proxy that waits for nobody."""
    limits = ("--header-timeout", "0.5", "--body-timeout", "0.5", "--idle-timeout", "1")
    with serving("--base-url", stub.base_url, *limits) as proxy:
        yield proxy


POST = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()
DRIPS = {
    "nothing but a connection": (b"", b""),
    "a request line": (b"GET /", b"a"),
    "headers": (POST, b"X-A: b\r\n"),
    "one long header": (POST + b"X-A: ", b"b"),
    "a body": (POST + b"Content-Length: 60000\r\n\r\n", b" "),
    "a large body": (POST + b"Content-Length: 600000\r\n\r\n", b" "),
    "chunks": (POST + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "empty lines": (b"", b"\r\n"),
}


@pytest.mark.parametrize("what", DRIPS)
def test_a_client_that_drips_is_let_go_of_however_long_it_goes_on(hasty: Proxy, what: str) -> None:
    first, drop = DRIPS[what]
    with socket.create_connection(
        (urlsplit(hasty.url).hostname, urlsplit(hasty.url).port), timeout=60
    ) as client:
        client.sendall(first)
        drops = 0
        told = b""
        with suppress(ConnectionError):  # it was closed between a look and a drop
            while not select.select([client], [], [], 0.02)[0]:
                client.sendall(drop)
                drops += 1
                assert drops < 2000
            told = client.recv(65536)
        assert told == b"" or status(told) in (400, 408)


def test_a_connection_that_is_not_used_again_is_closed(hasty: Proxy) -> None:
    with socket.create_connection(
        (urlsplit(hasty.url).hostname, urlsplit(hasty.url).port), timeout=60
    ) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"".join(iter(lambda: client.recv(65536), b"")).endswith(b'{"status":"ok"}')


# Browsers


def test_a_listed_page_passes_the_real_server_and_others_do_not(stub: Stub) -> None:
    page = "https://chat.example.org"
    with serving(
        "--base-url", stub.base_url, "--cors-origins", page, environment={"OPTILLM_API_KEY": CLIENT}
    ) as proxy:
        responds(stub, judged)
        wanted = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "authorization"}
        for origin, invited in ((page, True), ("https://evil.test", False)):
            preflight, text = ask(proxy, None, CHAT, "OPTIONS", Origin=origin, Authorization="", **wanted)
            assert (preflight.status, text == "") == ((204, True) if invited else (401, False))
            reply, _ = ask(proxy, BODY | {"model": "moa-m", "stream": True}, Origin=origin)
            assert reply.status == 200
            refused, _ = ask(proxy, BODY, Origin=origin, Authorization="Bearer wrong")
            assert refused.status == 401
            for each in (preflight, reply, refused):
                assert each.getheader("Access-Control-Allow-Origin") == (page if invited else None)
                assert each.getheader("X-Content-Type-Options") == "nosniff"
