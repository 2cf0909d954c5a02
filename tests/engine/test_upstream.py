"""The real client over real sockets, against an upstream that does what it likes."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from threading import Event
from typing import Any

import pytest

from optillm.chat import Relay
from optillm.config import Settings
from optillm.engine.upstream import OpenAIUpstream, connect, redacted
from optillm.errors import UpstreamError
from tests.stub import Call, Stub, completion, delta
from tests.test_config import bare_machine

__all__ = ["bare_machine"]
pytestmark = pytest.mark.usefixtures("bare_machine")

BODY = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def using(stub: Stub | str, work: Callable[[OpenAIUpstream], Awaitable[Any]], **settings: Any) -> Any:
    """What `work` makes of an upstream at the stub."""
    base_url = stub if isinstance(stub, str) else stub.base_url

    async def main() -> Any:
        upstream = connect(Settings(base_url=base_url, **settings))
        try:
            return await work(upstream)
        finally:
            await upstream.close()

    return asyncio.run(main())


def chat(stub: Stub | str, authorization: str | None = None, **settings: Any) -> Any:
    return using(stub, lambda upstream: upstream.chat(BODY, authorization), **settings)


def streamed(stub: Stub) -> list[Any]:
    async def collect(upstream: OpenAIUpstream) -> list[Any]:
        return [chunk async for chunk in upstream.stream(BODY, None)]

    chunks: list[Any] = using(stub, collect)
    return chunks


def relayed(stub: Stub | str, content: bytes = b"{}", **more: Any) -> Relay:
    async def relay(upstream: OpenAIUpstream) -> Relay:
        return await upstream.relay("POST", "/chat/completions", content, authorization=None, **more)

    reply: Relay = using(stub, relay)
    return reply


def test_a_completion_comes_back_as_the_upstream_sent_it() -> None:
    sent = completion("Hello", odd={"x": None})
    with Stub(lambda call: call.json(sent)) as stub:
        assert chat(stub) == sent
        assert stub.calls[0].sent == BODY
        assert stub.calls[0].path == "/v1/chat/completions"


@pytest.mark.parametrize(
    ("key", "authorization", "seen"),
    [
        ("sk-operator", None, "Bearer sk-operator"),
        (None, "Bearer sk-client", "Bearer sk-client"),
        (None, None, None),
    ],
)
def test_the_key_sent_is_the_operators_or_the_clients_or_none(
    key: str | None, authorization: str | None, seen: str | None
) -> None:
    with Stub(lambda call: call.json(completion("Hello"))) as stub:
        chat(stub, authorization, openai_api_key=key)
        assert stub.calls[0].headers.get("authorization") == seen


def test_extra_headers_of_the_operator_are_sent() -> None:
    with Stub(lambda call: call.json(completion("Hello"))) as stub:
        chat(stub, upstream_headers={"x-team": "search"})
        assert stub.calls[0].headers["x-team"] == "search"


def test_azure_is_spoken_to_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    with Stub(lambda call: call.json(completion("Hello"))) as stub:
        settings = Settings(
            azure_openai_api_key="azure-key",  # type: ignore[arg-type]
            azure_api_base=stub.base_url.removesuffix("/v1"),
            azure_api_version="2026-01-01",
        )

        async def main() -> None:
            upstream = connect(settings)
            await upstream.chat(BODY, None)
            await upstream.close()

        asyncio.run(main())
        assert stub.calls[0].path == "/openai/deployments/m/chat/completions?api-version=2026-01-01"
        assert stub.calls[0].headers["api-key"] == "azure-key"


def refused(respond: Callable[[Call], None]) -> UpstreamError:
    with Stub(respond) as stub, pytest.raises(UpstreamError) as error:
        chat(stub)
    return error.value


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_an_error_keeps_its_status_and_words(status: int) -> None:
    words = {"message": "words", "type": "t", "param": "p", "code": "c"}
    error = refused(lambda call: call.json({"error": words}, status))
    assert error.status == status
    assert error.body() == {"error": words}
    assert error.retryable is (status in (429, 500, 503))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "7"}, 7.0),
        ({"Retry_After_Ms": "250"}, 0.25),
        ({"Retry_After": "soon"}, None),
        ({}, None),
    ],
)
def test_reads_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert refused(lambda call: call.json({"error": "busy"}, 429, **headers)).retry_after == seconds


@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b"", b"[1]", b'"no"', b"\xff\xfe"])
def test_an_error_without_words_gets_ours(body: bytes) -> None:
    error = refused(lambda call: call.raw(body, 502))
    assert error.body()["error"]["message"] == "the upstream answered with status 502"
    assert set(error.body()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("body", [b"not json", b"", b"[]", b"null"])
def test_an_unreadable_success_is_a_502_worth_another_try(body: bytes) -> None:
    error = refused(lambda call: call.raw(body, 200))
    assert (error.status, error.retryable) == (502, True)


def test_a_body_cut_short_is_a_502_worth_another_try() -> None:
    def respond(call: Call) -> None:
        call.begin(content_length="1000")
        call.write(b'{"choices"')
        call.hang_up()

    error = refused(respond)
    assert (error.status, error.retryable) == (502, True)


def test_a_refused_connection_is_a_502_worth_another_try() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(UpstreamError, match="cannot be reached") as error:
        chat(f"http://127.0.0.1:{port}/v1")
    assert (error.value.status, error.value.retryable) == (502, True)


def test_a_redirect_is_not_followed_with_the_key() -> None:
    def respond(call: Call) -> None:
        call.raw(b"", 302, location="http://127.0.0.1:1/elsewhere")

    assert refused(respond).status == 502


def test_a_key_that_a_vendor_quotes_is_redacted() -> None:
    message = "Incorrect API key provided: sk-proj-abcDEF123456. Find yours at https://example.com"
    error = refused(lambda call: call.json({"error": {"message": message}}, 401))
    assert "abcDEF" not in json.dumps(error.body())
    assert "Find yours" in error.message
    assert b"abcDEF" not in redacted(message.encode())


def test_a_stream_is_read_chunk_by_chunk() -> None:
    separators = "a\u2028b\x85c"
    with Stub(lambda call: call.events(delta("He"), delta(separators), delta(None, "stop"))) as stub:
        texts = [chunk["choices"][0]["delta"].get("content") for chunk in streamed(stub)]
        assert texts == ["He", separators, None]
        assert stub.calls[0].sent == {**BODY, "stream": True}


def test_comments_and_other_lines_of_a_stream_are_passed_over() -> None:
    def respond(call: Call) -> None:
        call.begin(content_type="text/event-stream")
        call.write(
            b": ping\n\nevent: x\ndata:" + json.dumps(delta("Hi")).encode() + b"\r\n\r\ndata: [DONE]\n\n"
        )

    with Stub(respond) as stub:
        assert streamed(stub) == [delta("Hi")]


@pytest.mark.parametrize(
    "respond",
    [
        lambda call: call.events(delta("He"), {"error": {"message": "overloaded"}}),
        lambda call: (call.begin(content_type="text/event-stream"), call.write(b"data: {oops\n\n")),
        lambda call: (call.begin(content_length="99"), call.write(b"data: "), call.hang_up()),
        lambda call: call.json({"error": {"message": "no"}}, 503),
    ],
)
def test_a_stream_that_goes_wrong_is_an_error(respond: Callable[[Call], None]) -> None:
    with Stub(respond) as stub, pytest.raises(UpstreamError) as error:
        streamed(stub)
    assert error.value.retryable


def test_a_stream_left_early_closes_its_connection() -> None:
    left = Event()

    def respond(call: Call) -> None:
        call.begin(content_type="text/event-stream")
        call.write(b"data: " + json.dumps(delta("He")).encode() + b"\n\n")
        call.until_left()
        left.set()

    async def peek(upstream: OpenAIUpstream) -> None:
        chunks = upstream.stream(BODY, None)
        await anext(chunks)
        await chunks.aclose()  # type: ignore[attr-defined]
        assert await asyncio.to_thread(left.wait, 10)

    with Stub(respond) as stub:
        using(stub, peek)


def test_a_relay_passes_bytes_both_ways_untouched() -> None:
    body = b'{ "odd":  [1,2] }\n'

    def respond(call: Call) -> None:
        call.raw(b" raw \xff", 200, content_type="audio/mpeg", x_ratelimit_limit="9", x_secret="no")

    with Stub(respond) as stub:
        reply = relayed(stub, body, content_type="application/json; x=y")
        assert reply == Relay(200, {"content-type": "audio/mpeg", "x-ratelimit-limit": "9"}, b" raw \xff")
        assert stub.calls[0].body == body
        assert stub.calls[0].headers["content-type"] == "application/json; x=y"


def test_a_relayed_error_is_a_reply_like_any_other_without_keys() -> None:
    respond = {"error": {"message": "Incorrect API key provided: sk-abcdefghijkl"}}
    with Stub(lambda call: call.json(respond, 401, Retry_After="3")) as stub:
        reply = relayed(stub)
    assert (reply.status, reply.headers["retry-after"]) == (401, "3")
    assert b"abcdefgh" not in (reply.body or b"")


def test_a_relayed_stream_arrives_while_the_upstream_is_still_sending() -> None:
    read = Event()

    def respond(call: Call) -> None:
        call.begin(content_type="text/event-stream")
        call.write(b"data: 1\n\n")
        assert read.wait(10)
        call.write(b"data: 2\n\n")

    async def follow(upstream: OpenAIUpstream) -> list[bytes]:
        reply = await upstream.relay("POST", "/chat/completions", b"{}", authorization=None, stream=True)
        assert reply.chunks is not None
        pieces = []
        async for piece in reply.chunks:
            pieces.append(piece)
            read.set()
        return pieces

    with Stub(respond) as stub:
        assert using(stub, follow) == [b"data: 1\n\n", b"data: 2\n\n"]


def test_a_relay_to_nowhere_is_an_error() -> None:
    with pytest.raises(UpstreamError):
        relayed("http://127.0.0.1:1/v1")
