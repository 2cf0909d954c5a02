"""The proxy between a plain HTTP client and an upstream whose every byte is known."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import pytest

from optillm.techniques import registry
from tests.e2e.proxy import Proxy, serving
from tests.stub import Call, Stub, completion, delta

TECHNIQUES = sorted(registry())
BODY = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


class Upstream:
    """One stub and one proxy for the whole module; each test says how the stub responds."""

    def __init__(self, stub: Stub, proxy: Proxy) -> None:
        self.stub = stub
        self.proxy = proxy
        self.connections: list[http.client.HTTPConnection] = []

    def responds(self, respond: Callable[[Call], None]) -> None:
        self.stub.respond = respond
        self.stub.calls.clear()

    def connect(self) -> http.client.HTTPConnection:
        """A connection to the proxy, closed after the test."""
        self.connections.append(http.client.HTTPConnection(urlsplit(self.proxy.url).netloc, timeout=60))
        return self.connections[-1]

    def post(self, body: Any, headers: dict[str, str] | None = None) -> http.client.HTTPResponse:
        """Send a body, raw if it is bytes; the response is open and unread."""
        connection = self.connect()
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(
            "POST", "/v1/chat/completions", content, {"Content-Type": "application/json", **(headers or {})}
        )
        return connection.getresponse()


@pytest.fixture(scope="module")
def running() -> Iterator[Upstream]:
    with (
        Stub(lambda call: None) as stub,
        serving("--base-url", stub.base_url, "--upstream-retries", "2", "--timeout", "20") as proxy,
    ):
        yield Upstream(stub, proxy)


@pytest.fixture
def upstream(running: Upstream) -> Iterator[Upstream]:
    yield running
    while running.connections:
        running.connections.pop().close()


def test_request_and_reply_pass_field_for_field(upstream: Upstream) -> None:
    sent = (
        b'{"model": "m", "messages": [{"role": "user", "content": "Hi", "odd": 1}],  "vendor": {"a": null}}'
    )
    reply = json.dumps(completion("Hello", vendor={"x": [1, None]}, service_tier="odd", usage=None)).encode()
    upstream.responds(lambda call: call.raw(reply, content_type="application/json", x_ratelimit_limit="5"))
    response = upstream.post(sent, {"Authorization": "Bearer of-the-client"})
    assert response.read() == reply
    assert response.status == 200
    assert response.headers["x-ratelimit-limit"] == "5"
    assert response.headers["x-optillm-technique"] == "none"
    assert response.headers["x-request-id"]
    assert upstream.stub.calls[0].body == sent
    assert upstream.stub.calls[0].headers["authorization"] == "Bearer of-the-client"


def test_a_stream_reaches_the_client_while_the_upstream_is_still_sending(upstream: Upstream) -> None:
    first_read = Event()
    first, second = (b"data: " + json.dumps(delta(text)).encode() + b"\n\n" for text in ("He", "llo"))

    def respond(call: Call) -> None:
        call.begin(content_type="text/event-stream")
        call.write(first)
        assert first_read.wait(20)
        call.write(second + b"data: [DONE]\n\n")

    upstream.responds(respond)
    response = upstream.post({**BODY, "stream": True})
    assert response.read(len(first)) == first
    first_read.set()
    assert response.read() == second + b"data: [DONE]\n\n"
    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_an_error_comes_as_the_upstream_said_it_and_is_not_retried(upstream: Upstream, status: int) -> None:
    body = json.dumps({"error": {"message": "so it is", "type": "odd", "param": None, "code": "c"}}).encode()
    upstream.responds(lambda call: call.raw(body, status, content_type="application/json", retry_after="9"))
    response = upstream.post(BODY)
    assert (response.status, response.read(), response.headers["Retry-After"]) == (status, body, "9")
    assert len(upstream.stub.calls) == 1


def test_an_upstream_that_hangs_up_is_a_502(upstream: Upstream) -> None:
    upstream.responds(lambda call: call.hang_up())
    response = upstream.post(BODY)
    assert response.status == 502
    assert json.loads(response.read())["error"]["type"] == "upstream_error"


def candidates_of(answer: Callable[[Call, int], None]) -> Callable[[Call], None]:
    """Judges rank; every other call is numbered and answered by `answer`."""
    numbers = iter(range(1000))

    def respond(call: Call) -> None:
        if not call.sent["messages"][0]["content"].startswith("Hi"):
            call.json(
                completion('{"ranking": ["A", "B"], "score": 7, "groups": [["A"], ["B"]], "pick": "A"}')
            )
        else:
            answer(call, next(numbers))

    return respond


def good(call: Call, number: int) -> None:
    call.json(completion(f"The answer is {number}."))


def ignoring_n(call: Call, number: int) -> None:
    good(call, number)


def refusing_n(call: Call, number: int) -> None:
    if "n" in call.sent:
        error = {"message": "'n' is not supported", "param": "n", "code": "unsupported_parameter"}
        return call.json({"error": error}, 400)
    return good(call, number)


def with_null_contents(call: Call, number: int) -> None:
    call.json(completion(None)) if number % 3 == 0 else good(call, number)


def failing_now_and_then(call: Call, number: int) -> None:
    call.json({"error": {"message": "overloaded"}}, 503) if number % 3 == 0 else good(call, number)


def hanging_now_and_then(call: Call, number: int) -> None:
    call.until_left() if number % 8 == 1 else good(call, number)


def refusing_temperature(call: Call, number: int) -> None:
    if "temperature" in call.sent:
        error = {"message": "Unsupported parameter: 'temperature'", "param": "temperature"}
        return call.json({"error": error}, 400)
    return good(call, number)


@pytest.mark.parametrize(
    "answer",
    [
        ignoring_n,
        refusing_n,
        with_null_contents,
        failing_now_and_then,
        hanging_now_and_then,
        refusing_temperature,
    ],
)
@pytest.mark.parametrize("slug", TECHNIQUES)
def test_a_difficult_upstream_still_yields_a_good_answer(
    upstream: Upstream, slug: str, answer: Callable[[Call, int], None]
) -> None:
    upstream.responds(candidates_of(answer))
    response = upstream.post({**BODY, "model": f"{slug}-{answer.__name__}"})
    body = json.loads(response.read())
    assert response.status == 200, body
    assert body["choices"][0]["message"]["content"].startswith("The answer is ")
    assert body["usage"]["total_tokens"] > 0


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_an_upstream_that_only_fails_is_an_error_with_its_status_never_an_answer(
    upstream: Upstream, slug: str
) -> None:
    error = {"message": "slow down", "type": "requests", "param": None, "code": "rate_limit"}
    upstream.responds(lambda call: call.json({"error": error}, 429, retry_after_ms="10"))
    response = upstream.post({**BODY, "model": f"{slug}-m"})
    assert response.status == 429
    assert json.loads(response.read()) == {"error": error}


def test_an_upstream_that_only_hangs_is_a_504_at_the_deadline(upstream: Upstream) -> None:
    upstream.responds(lambda call: call.until_left())
    response = upstream.post({**BODY, "model": "bon-m", "optillm": {"budget": {"seconds": 1}}})
    assert response.status == 504
    assert json.loads(response.read())["error"]["type"] == "timeout_error"


def test_the_first_chunk_of_a_technique_leaves_before_the_upstream_has_answered(upstream: Upstream) -> None:
    seen = Event()

    def answer(call: Call, number: int) -> None:
        assert seen.wait(20)
        good(call, number)

    upstream.responds(candidates_of(answer))
    response = upstream.post({**BODY, "model": "bon-m", "stream": True})
    first = response.readline()
    assert json.loads(first.removeprefix(b"data: "))["choices"][0]["delta"] == {
        "role": "assistant",
        "content": "",
    }
    seen.set()
    assert response.read().endswith(b"data: [DONE]\n\n")


def test_a_client_that_leaves_ends_every_call(upstream: Upstream) -> None:
    left = Event()

    def respond(call: Call) -> None:
        call.until_left()
        left.set()

    upstream.responds(respond)
    connection = upstream.connect()
    content = json.dumps({**BODY, "model": "bon-m"}).encode()
    connection.request("POST", "/v1/chat/completions", content, {"Content-Type": "application/json"})
    while not upstream.stub.calls:
        assert connection.sock is not None
    connection.close()
    assert left.wait(20)


def test_the_request_is_logged_without_its_content(upstream: Upstream) -> None:
    upstream.responds(candidates_of(good))
    upstream.post({**BODY, "model": "bon-m", "messages": [{"role": "user", "content": "top secret"}]}).read()
    log = "".join(upstream.proxy.log)
    assert "Starting server with approach: auto" in log
    assert "Server configuration: {" in log
    assert "top secret" not in log


def test_a_request_can_be_cancelled_by_its_id(upstream: Upstream) -> None:
    left = Event()

    def respond(call: Call) -> None:
        call.until_left()
        left.set()

    upstream.responds(respond)
    waiting = upstream.connect()
    content = json.dumps({**BODY, "model": "bon-m"}).encode()
    headers = {"Content-Type": "application/json", "x-request-id": "mine-1"}
    waiting.request("POST", "/v1/chat/completions", content, headers)
    while not upstream.stub.calls:
        assert waiting.sock is not None
    canceller = upstream.connect()
    canceller.request("POST", "/v1/chat/cancel/mine-1")
    assert json.loads(canceller.getresponse().read())["cancelled"] is True
    response = waiting.getresponse()
    assert (response.status, json.loads(response.read())["error"]["code"]) == (499, "request_cancelled")
    assert left.wait(20)
    again = upstream.connect()
    again.request("POST", "/v1/chat/cancel/mine-1")
    assert again.getresponse().status == 404


def test_the_techniques_describe_themselves(upstream: Upstream) -> None:
    connection = upstream.connect()
    connection.request("GET", "/v1/techniques")
    listed = {
        technique["slug"]: technique for technique in json.loads(connection.getresponse().read())["data"]
    }
    assert listed["bon"]["options"]["n"]["maximum"] == 32
    assert listed["bon"]["options"]["n"]["default"] == 3
    assert listed["moa"]["url"] == "https://arxiv.org/abs/2406.04692"
