"""What callers send that is not what one expects, through every technique, over real sockets."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import pytest

from optillm.techniques import registry
from tests.e2e.proxy import Proxy
from tests.stub import Call, Stub

TECHNIQUES = sorted(registry())
ODD = [
    "{",
    "}",
    "{} and {0} and {x} and {candidates} and {conversation!r} and {first:>{width}}",
    "%s %d %(name)s %% ${HOME} $name {{ user }} {% if x %} \\g<0> \\1 <%= x %>",
    '{"question": {"nested": [1, {}]}}',
    "f'{1/0}' {self.__class__.__mro__[1]} {0.__init__.__globals__}",
]
VERDICT = '{"ranking": ["B", "A"], "score": 7, "groups": [["A"]], "pick": "A", "applicable": false}'


class Echo:
    """An upstream whose answers hold what it was asked, and differ by their number."""

    def __init__(self, words: str) -> None:
        self.words = words
        self._numbers = count()

    def respond(self, call: Call) -> None:
        if call.method == "GET":
            return call.answer("")
        sent = call.sent
        judge = self.words not in sent["messages"][0]["content"][: len(self.words)]
        text = f"{VERDICT} {self.words}" if judge else f"{self.words}\nThe answer is {next(self._numbers)}."
        return call.answer(text)


@pytest.fixture
def echo(stub: Stub) -> Any:
    """Have the upstream repeat these words."""

    def said(words: str) -> None:
        stub.calls.clear()
        stub.respond = Echo(words).respond

    return said


def send(proxy: Proxy, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(urlsplit(proxy.url).netloc, timeout=60)
    content = json.dumps(body).encode() if body is not None else None
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, content, {"Content-Type": "application/json", **named})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


def chat(model: str, words: str = "What?", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": words}], **more}


def chunks(text: str) -> list[Any]:
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


@pytest.mark.parametrize("words", ODD)
@pytest.mark.parametrize("slug", TECHNIQUES)
def test_braces_and_format_fields_are_words_like_any_others(
    proxy: Proxy, stub: Stub, echo: Any, slug: str, words: str
) -> None:
    echo(words)
    status, text = send(proxy, "POST", "/v1/chat/completions", chat(f"{slug}-m", words))
    assert status == 200, text
    reply = json.loads(text)
    assert reply["choices"][0]["message"]["content"].startswith(f"{words}\nThe answer is ")
    assert not reply["optillm"]["losses"].keys() - {"abstained", "cancelled"}
    assert all(words in call.sent["messages"][0]["content"] for call in stub.calls)
    status, text = send(proxy, "POST", "/v1/chat/completions", chat(f"{slug}-m", words, stream=True))
    said = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks(text))
    assert said.startswith(f"{words}\nThe answer is ")


@pytest.mark.parametrize("slug", TECHNIQUES)
def test_the_first_chunk_has_the_role_and_without_progress_there_are_no_comments(
    proxy: Proxy, echo: Any, slug: str
) -> None:
    echo("What?")
    for progress in ("off", "comments"):
        body = chat(f"{slug}-m", stream=True, optillm={"progress": progress})
        status, text = send(proxy, "POST", "/v1/chat/completions", body)
        assert status == 200
        first, *others = chunks(text)
        assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
        assert not any("role" in chunk["choices"][0]["delta"] for chunk in others)
        if progress == "off":
            assert not [line for line in text.splitlines() if line.startswith(":")]
            assert "reasoning_content" not in text


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
@pytest.mark.parametrize(
    "path",
    [
        "/v1/v1/chat/completions",
        "/v1/chat/completions/chat/completions",
        "/v1/chat/completions/",
        "/v1//chat/completions",
        "//v1/chat/completions",
        "/chat/completions",
        "/v1/chat",
        "/v1",
        "/v1/",
        "/",
        "/v1/models/",
        "/v1/messages",
        "/v1/engines/m/completions",
        "/openai/deployments/m/chat/completions?api-version=2024-10-21",
        "/v1beta/models/m:generateContent",
        "/api/chat",
        "/api/generate",
        "/api/tags",
        "/v1/chat/completions%20",
        "/V1/Chat/Completions",
        "/v1/assistants",
        "/favicon.ico",
    ],
)
def test_a_misspelt_or_foreign_path_gets_an_answer_or_an_error_object(
    proxy: Proxy, echo: Any, path: str, method: str
) -> None:
    echo("What?")
    status, text = send(proxy, method, path, chat("bon-m") if method != "GET" else None)
    body = json.loads(text)
    if status == 200:
        assert "error" not in body
    else:
        assert 400 <= status < 500
        assert body["error"].keys() == {"message", "type", "param", "code"}
        assert body["error"]["message"]


@pytest.mark.parametrize(
    "path", ["/v1//chat/completions", "//v1/chat/completions", "//v1///chat//completions"]
)
def test_a_base_url_that_ends_with_a_slash_works(proxy: Proxy, echo: Any, path: str) -> None:
    echo("What?")
    status, text = send(proxy, "POST", path, chat("bon-m"))
    assert status == 200
    assert json.loads(text)["optillm"]["technique"] == "bon"


def raw(proxy: Proxy, head: str, *parts: bytes) -> Iterator[bytes]:
    """Send a head and then, after what the server says to each, the parts of a body; yield what it says."""
    address = urlsplit(proxy.url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=60) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n")
        for part in parts:
            if part == b"wait":
                yield connection.recv(65536)
            else:
                connection.sendall(part)
        received = b""
        while piece := connection.recv(65536):
            received += piece
        yield received


HEAD = (
    "POST /v1/chat/completions HTTP/1.1\nHost: localhost\nContent-Type: application/json\nConnection: close\n"
)


@pytest.mark.parametrize("model", ["m", *(f"{slug}-m" for slug in TECHNIQUES)])
def test_a_client_that_expects_100_continue_gets_it(proxy: Proxy, echo: Any, model: str) -> None:
    echo("What?")
    body = json.dumps(chat(model)).encode()
    head = f"{HEAD}Expect: 100-continue\nContent-Length: {len(body)}\n"
    interim, reply = raw(proxy, head, b"wait", body)
    assert interim.startswith(b"HTTP/1.1 100")
    assert reply.startswith(b"HTTP/1.1 200")
    assert b"The answer is" in reply


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("model", ["m", "bon-m", "moa-m"])
def test_a_body_of_unannounced_length_in_chunks_is_one_body(
    proxy: Proxy, echo: Any, model: str, size: int
) -> None:
    echo("What?")
    body = json.dumps(chat(model)).encode()
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    sent = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces]
    (reply,) = raw(proxy, f"{HEAD}Transfer-Encoding: chunked\n", *sent, b"0\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 200")
    assert b"The answer is" in reply
