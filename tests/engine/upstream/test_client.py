"""The real client over real sockets, against an upstream that does what it likes."""

from __future__ import annotations

import asyncio
import gzip
import json
import math
import shutil
import socket
import ssl
import subprocess
import threading
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event
from traceback import walk_tb
from typing import Any

import pytest

from optillm.chat import RawRequest, Relay, Reply
from optillm.config.settings import Settings
from optillm.engine.memory import Holding
from optillm.engine.upstream import http
from optillm.engine.upstream.client import OpenAIUpstream, connect
from optillm.engine.upstream.errors import LONGEST, redacted
from optillm.engine.upstream.replies import DONE, Assembly
from optillm.errors import UpstreamError
from tests.config.test_settings import bare_machine
from tests.stub import Call, Stub, completion, delta

__all__ = ["bare_machine"]
pytestmark = pytest.mark.usefixtures("bare_machine")

BODY = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def using(stub: Stub | str | None, work: Callable[[OpenAIUpstream], Awaitable[Any]], **settings: Any) -> Any:
    """What `work` makes of an upstream at the stub."""
    base_url = stub.base_url if isinstance(stub, Stub) else stub

    async def main() -> Any:
        upstream = connect(Settings(base_url=base_url, **settings))
        try:
            return await work(upstream)
        finally:
            await upstream.close()

    return asyncio.run(main())


def chat(stub: Stub | str | None, authorization: str | None = None, **settings: Any) -> Any:
    return using(stub, lambda upstream: upstream.chat(BODY, authorization), **settings)


def streamed(stub: Stub) -> list[Any]:
    """The chunks of a stream but for its end."""

    async def collect(upstream: OpenAIUpstream) -> list[Any]:
        return [chunk async for chunk in upstream.stream(BODY, None) if chunk is not DONE]

    chunks: list[Any] = using(stub, collect)
    return chunks


def put_together(stub: Stub) -> tuple[Reply, str]:
    """The reply that a stream makes, and what of it is shown."""

    async def assemble(upstream: OpenAIUpstream) -> tuple[Reply, str]:
        assembly = Assembly()
        shown = [assembly.add(chunk) async for chunk in upstream.stream(BODY, None)]
        return assembly.reply(), "".join(shown)

    reply: tuple[Reply, str] = using(stub, assemble)
    return reply


def relayed(stub: Stub | str, content: bytes = b"{}", **more: Any) -> Relay:
    async def relay(upstream: OpenAIUpstream) -> Relay:
        return await upstream.relay(RawRequest("POST", "/chat/completions", content, **more))

    reply: Relay = using(stub, relay)
    return reply


def test_a_completion_comes_back_as_the_upstream_sent_it() -> None:
    sent = completion("Hello", odd={"x": None})
    with Stub(lambda call: call.json(sent)) as stub:
        assert chat(stub) == sent
        assert stub.calls[0].sent == {**BODY, "stream": False}
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
            for path in ("/chat/completions", "/embeddings?x=1"):
                await upstream.relay(RawRequest("POST", path, b'{"model": "e", "input": "x"}'))
            await upstream.close()

        asyncio.run(main())
        assert [call.path for call in stub.calls[1:]] == [
            "/openai/deployments/e/chat/completions?api-version=2026-01-01",
            "/openai/deployments/e/embeddings?api-version=2026-01-01&x=1",
        ]
        assert stub.calls[0].path == "/openai/deployments/m/chat/completions?api-version=2026-01-01"
        assert stub.calls[0].headers["api-key"] == "azure-key"


@pytest.mark.parametrize("kind", ["openai", "azure"])
def test_what_the_environment_holds_for_openai_reaches_no_upstream_of_a_table(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-openai")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-of-openai")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer of-openai\nx-odd: of-openai")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-openai")
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", "token-of-openai")
    with Stub(lambda call: call.json(completion("Hello"))) as stub:
        table = {"name": "default", "base_url": stub.base_url, "kind": kind, "api_version": "1", "key": "own"}
        chat(None, upstream=[table | {"headers": {"x-team": "a"}}], upstream_headers={"x-all": "b"})
        (call,) = stub.calls
    assert "of-openai" not in str(call.headers)
    assert (call.headers["x-team"], call.headers["x-all"]) == ("a", "b")
    assert call.headers["api-key" if kind == "azure" else "authorization"].removeprefix("Bearer ") == "own"


@pytest.mark.parametrize("begins", [False, True])
def test_a_reply_that_pauses_longer_than_it_may_is_a_failure(begins: bool) -> None:
    def respond(call: Call) -> None:
        if begins:
            call.begin(content_type="text/event-stream")
            call.write(b'data: {"choices": []}\n\n')
        call.until_left()

    async def collect(upstream: OpenAIUpstream) -> list[Any]:
        return [chunk async for chunk in upstream.stream(BODY, None)]

    with Stub(respond) as stub, pytest.raises(UpstreamError, match="in time") as error:
        using(None, collect, upstream=[{"name": "slow", "base_url": stub.base_url, "timeout": 0.1}])
    assert error.value.retryable


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
        ({"Retry_After": "nan"}, None),
        ({"Retry_After": "inf"}, None),
        ({"Retry_After": "-1"}, None),
        ({}, None),
    ],
)
def test_reads_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert refused(lambda call: call.json({"error": "busy"}, 429, **headers)).retry_after == seconds


@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b"", b"[1]", b"{}", b'""', b"--", b"\xff\xfe"])
def test_an_error_without_words_gets_ours(body: bytes) -> None:
    error = refused(lambda call: call.raw(body, 502))
    assert error.body()["error"]["message"] == "the upstream answered with status 502"
    assert set(error.body()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("value", ["nan", "inf", "soon", "-3"])
def test_a_senseless_retry_after_is_not_passed_on(value: str) -> None:
    assert "retry-after" not in refused(lambda call: call.json({}, 429, Retry_After=value)).headers
    with Stub(lambda call: call.json({}, 429, Retry_After=value)) as stub:
        assert "retry-after" not in relayed(stub).headers


def test_a_date_to_retry_after_is_passed_on() -> None:
    date = "Wed, 21 Oct 2026 07:28:00 GMT"
    assert refused(lambda call: call.json({}, 429, Retry_After=date)).headers["retry-after"] == date


@pytest.mark.parametrize(
    ("raw", "content"),
    [
        (b'\xef\xbb\xbf{"choices": [], "x": "a"}', "a"),
        (b'{"choices": [], "x": "cut \\ud83d"}', "cut ?"),
        (b'{"choices": [], "x": "\\ud83d\\ude00"}', "\N{GRINNING FACE}"),
    ],
)
def test_json_as_some_servers_write_it_is_read(raw: bytes, content: str) -> None:
    with Stub(lambda call: call.raw(raw, 200)) as stub:
        assert chat(stub)["x"] == content


def test_infinite_log_probabilities_are_read() -> None:
    with Stub(lambda call: call.raw(b'{"choices": [{"logprobs": [-Infinity, NaN]}]}', 200)) as stub:
        assert chat(stub)["choices"][0]["logprobs"][0] == -math.inf


def test_a_reply_larger_than_any_honest_one_is_refused_without_another_try(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "LARGEST", 2**20)
    error = refused(lambda call: call.raw(b'{"x": "' + b"a" * 2**21, 200))
    assert (error.status, error.retryable) == (502, False)
    assert error.message == "the upstream's reply is larger than 1 MB"


def test_a_stream_longer_than_any_honest_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "LARGEST", 2**20)
    with (
        Stub(lambda call: call.events(*[delta("a" * 2**19)] * 4)) as stub,
        pytest.raises(UpstreamError, match="longer than 1 MB"),
    ):
        streamed(stub)


@pytest.mark.parametrize("packed", [gzip.compress, zlib.compress])
def test_a_packed_reply_is_unpacked_although_none_was_asked_for(packed: Callable[[bytes], bytes]) -> None:
    body = packed(json.dumps(completion("Hi")).encode())
    with Stub(lambda call: call.raw(body, content_encoding="gzip")) as stub:
        assert chat(stub) == completion("Hi")
        assert json.loads(relayed(stub).body or b"") == completion("Hi")
    assert stub.calls[0].headers["accept-encoding"] == "identity"


def test_a_packed_reply_is_counted_in_small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = list[int]()
    monkeypatch.setattr(Holding, "take", lambda _, count: taken.append(count))
    bomb = gzip.compress(b'{"x": "' + b"a" * 2**26)
    error = refused(lambda call: call.raw(bomb, content_encoding="gzip"))
    assert error.message == "the upstream's reply is larger than 32 MB"
    assert max(taken) <= http.READ


@pytest.mark.parametrize(
    ("body", "packing", "words"),
    [
        (b"not packed", "gzip", "broken"),
        (gzip.compress(b'{"choices": []}', mtime=0)[:-9], "gzip", "broken"),
        (b"", "gzip", "not JSON"),
        (b"x", "br", r"packs its replies \(br\)"),
    ],
)
def test_a_reply_that_cannot_be_unpacked_is_a_failure(body: bytes, packing: str, words: str) -> None:
    with (
        Stub(lambda call: call.raw(body, content_encoding=packing)) as stub,
        pytest.raises(UpstreamError, match=words),
    ):
        chat(stub)


@pytest.mark.parametrize("call", [chat, streamed])
@pytest.mark.parametrize("beginning", [b'{"x": "', b"data: "])
def test_an_error_about_a_large_reply_does_not_keep_it(call: Callable[[Stub], Any], beginning: bytes) -> None:
    with (
        Stub(lambda each: each.raw(beginning + b"a" * 2**26)) as stub,
        pytest.raises(UpstreamError, match="32 MB") as caught,
    ):
        call(stub)
    frames = [frame for frame, _ in walk_tb(caught.value.__traceback__)]
    values = [
        value
        for frame in frames
        if "optillm" in frame.f_code.co_filename
        for value in frame.f_locals.values()
    ]
    held = [part for value in values for part in (value if isinstance(value, list) else [value])]
    assert sum(len(part) for part in held if isinstance(part, bytes)) < 2**20


def test_cookies_of_one_reply_do_not_go_up_with_the_next_request() -> None:
    with Stub(lambda call: call.json(completion("Hi"), set_cookie="session=1; Path=/")) as stub:

        async def twice(upstream: OpenAIUpstream) -> None:
            await upstream.chat(BODY, "Bearer a")
            await upstream.chat(BODY, "Bearer b")

        using(stub, twice)
        assert "cookie" not in stub.calls[1].headers
        assert [call.headers["authorization"] for call in stub.calls] == ["Bearer a", "Bearer b"]


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


@pytest.mark.parametrize("answers", [True, False])
def test_a_server_that_was_there_is_taken_to_restart_and_one_that_never_was_is_not(answers: bool) -> None:
    def respond(call: Call) -> None:
        if answers:
            call.begin()
            call.write(json.dumps(completion("Hello")).encode())
        else:
            call.hang_up()

    async def before_and_after(upstream: OpenAIUpstream) -> bool:
        with suppress(UpstreamError):
            await upstream.chat(BODY, None)
        stub.close()
        with pytest.raises(UpstreamError, match="connection refused") as error:
            await upstream.chat(BODY, None)
        return error.value.restarting

    with Stub(respond) as stub:
        assert using(stub, before_and_after)
    assert not using(stub, before_and_after)


def test_a_wrong_certificate_is_no_restart(tmp_path: Path) -> None:
    async def reached(upstream: OpenAIUpstream) -> bool:
        upstream._exchange._reached = True
        with pytest.raises(UpstreamError, match="certificate verify failed") as error:
            await upstream.chat(BODY, None)
        return error.value.restarting

    with tls_server(tmp_path) as address:
        assert using(f"https://{address}/v1", reached) is False


def test_a_redirect_is_not_followed_with_the_key() -> None:
    def respond(call: Call) -> None:
        call.raw(b"", 302, location="http://127.0.0.1:1/elsewhere")

    error = refused(respond)
    assert (error.status, error.retryable) == (502, False)
    assert "redirects (status 302)" in error.message


def test_a_relay_does_not_hand_redirects_on() -> None:
    with (
        Stub(lambda call: call.raw(b"", 301, location="http://127.0.0.1:1/")) as stub,
        pytest.raises(UpstreamError, match="redirects"),
    ):
        relayed(stub)


@pytest.mark.parametrize("status", [101, 600, 999])
def test_a_status_that_means_nothing_to_a_client_is_not_handed_on(status: int) -> None:
    with (
        Stub(lambda call: call.raw(b"{}", status)) as stub,
        pytest.raises(UpstreamError, match=f"status {status}") as error,
    ):
        relayed(stub)
    assert error.value.status == 502


@pytest.mark.parametrize(
    ("key", "authorization"), [("company-s3cret", None), (None, "Bearer company-s3cret")]
)
def test_a_key_of_any_shape_is_redacted_when_the_upstream_quotes_it(
    key: str | None, authorization: str | None
) -> None:
    with Stub(lambda call: call.json({"error": {"message": "No such key: company-s3cret!"}}, 401)) as stub:
        with pytest.raises(UpstreamError) as error:
            chat(stub, authorization, openai_api_key=key)
        assert error.value.message == "No such key: [redacted]!"


def test_a_header_of_the_operator_is_redacted_when_the_upstream_quotes_it() -> None:
    with Stub(lambda call: call.json({"error": {"message": "No such key: hunter22"}}, 403)) as stub:
        with pytest.raises(UpstreamError) as error:
            chat(stub, upstream_headers={"x-gateway-token": "hunter22"})
        assert error.value.message == "No such key: [redacted]"


@pytest.mark.parametrize(
    "words",
    [
        "API key provided is not valid for this model",
        "sk-learn-classifier is not a model",
        "The key-value-store of tools is **very-important-here**",
        "Bearer authentication failed",
    ],
)
def test_words_that_only_sound_like_keys_are_kept(words: str) -> None:
    assert redacted(words.encode()) == words.encode()


@pytest.mark.parametrize(
    "quoted", ["sk-pro********************w1x2", "gsk_abc123def456ghi", "hf_a1b2c3d4e5f6"]
)
def test_what_looks_like_a_key_is_redacted(quoted: str) -> None:
    assert redacted(f"Bad key: {quoted}.".encode()) in (b"Bad key: [redacted]", b"Bad key: [redacted].")


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
        put_together(stub)
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
        await chunks.aclose()
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


def test_a_form_is_relayed_untouched() -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--b--\r\n'
    with Stub(lambda call: call.json({"text": "hi"})) as stub:
        reply = relayed(stub, body, content_type="multipart/form-data; boundary=b")
        assert (reply.status, reply.body) == (200, b'{"text": "hi"}')
        assert stub.calls[0].body == body
        assert stub.calls[0].headers["content-type"] == "multipart/form-data; boundary=b"


def test_a_long_reply_is_relayed_in_pieces_as_it_comes() -> None:
    sent = b"x" * (3 * 2**20)

    async def collect(upstream: OpenAIUpstream) -> tuple[int, bytes]:
        reply = await upstream.relay(RawRequest("POST", "/embeddings", b"{}"))
        assert reply.chunks is not None
        pieces = [piece async for piece in reply.chunks]
        return len(pieces), b"".join(pieces)

    with Stub(lambda call: call.raw(sent, 200)) as stub:
        count, received = using(stub, collect)
    assert count > 1
    assert received == sent


def test_a_query_goes_with_the_path() -> None:
    async def relay(upstream: OpenAIUpstream) -> Relay:
        return await upstream.relay(RawRequest("GET", "/models?after=a%20b"))

    with Stub(lambda call: call.json({})) as stub:
        using(stub, relay)
        assert stub.calls[0].path == "/v1/models?after=a%20b"


def test_a_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with Stub(lambda call: call.json(completion("Hello"))) as proxy:
        monkeypatch.setenv("http_proxy", proxy.base_url.removesuffix("/v1"))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        chat("http://model.invalid/v1")
        assert proxy.calls[0].path == "http://model.invalid/v1/chat/completions"


def test_a_proxy_of_the_environment_is_not_used_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = completion("Hello")
    with Stub(lambda call: call.json(sent)) as stub, Stub(Call.hang_up) as proxy:
        for name in ("http_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.base_url)
        for host in ("127.0.0.1", "localhost"):
            assert chat(stub.base_url.replace("127.0.0.1", host)) == sent
        assert proxy.calls == []


def test_a_proxy_that_refuses_or_is_away_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with Stub(Call.hang_up) as proxy:
        address = proxy.base_url.removesuffix("/v1").removeprefix("http://")
        monkeypatch.setenv("https_proxy", f"http://user:s3cret@{address}")
        with pytest.raises(
            UpstreamError, match=r"the proxy refuses with status 501 \(model\.invalid by way of"
        ):
            chat("https://model.invalid/v1")
    with pytest.raises(
        UpstreamError, match=r"connection refused \(model\.invalid by way of the proxy"
    ) as error:
        chat("https://model.invalid/v1")
    assert address in error.value.message
    assert address in caplog.text
    assert "s3cret" not in error.value.message + caplog.text


def test_credentials_in_a_base_url_are_sent_as_a_header() -> None:
    with Stub(lambda call: call.json(completion("Hello"))) as stub:
        chat(stub.base_url.replace("//", "//user:s3cret@"))
        assert stub.calls[0].headers["authorization"] == "Basic dXNlcjpzM2NyZXQ="


def unreachable(base_url: str, **settings: Any) -> str:
    with pytest.raises(UpstreamError) as error:
        chat(base_url, **settings)
    assert (error.value.status, error.value.retryable) == (502, True)
    return error.value.message


def test_why_an_upstream_cannot_be_reached_is_said_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    with Stub(lambda call: call.json({})) as stub:
        pass
    port = stub.base_url.removesuffix("/v1").rpartition(":")[2]
    for host, reason in (("127.0.0.1", "connection refused"), ("no-such-host.invalid", "name not resolved")):
        told = f"the upstream cannot be reached: {reason} ({host}:{port})"
        assert unreachable(f"http://{host}:{port}/v1") == told
        assert told in caplog.text
    assert unreachable("http://user:s3cret@127.0.0.1:9/v1").endswith("(127.0.0.1:9)")
    assert "s3cret" not in caplog.text


def test_an_upstream_that_speaks_no_tls_or_whose_certificate_nobody_vouches_for_is_said_so(
    tmp_path: Path,
) -> None:
    with Stub(lambda call: call.json({})) as stub:
        assert "no TLS there (" in unreachable(stub.base_url.replace("http:", "https:"))
    with tls_server(tmp_path) as address:
        assert "certificate verify failed: self-signed certificate (" in unreachable(f"https://{address}/v1")


@contextmanager
def tls_server(folder: Path) -> Iterator[str]:
    """A server with a certificate of its own making, which hangs up on whoever takes it."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "1"]
    subprocess.run(  # noqa: S603 - found on the path
        [found_openssl(), *made, "-keyout", key, "-out", certificate], check=True, capture_output=True
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def found_openssl() -> str:
    command = shutil.which("openssl")
    if command is None:
        pytest.skip("needs openssl")
    return command


def test_the_log_tells_of_an_upstream_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    async def often(upstream: OpenAIUpstream) -> None:
        for _ in range(5):
            with pytest.raises(UpstreamError):
                await upstream.chat(BODY, None)

    using("http://127.0.0.1:1/v1", often)
    assert caplog.text.count("cannot be reached") == 1


OPERATORS = {
    "openai-organization": "org-1",
    "openai-project": "proj_1",
    "openai-user": "u",
    "OpenAI-Organization-Id": "org-1",
    "x-request-id": "r",
    "x-openai-account": "a",
    "set-cookie": "c=1",
    "server": "s",
    "retry-after-account": "org-1",
}
CLIENTS = {
    "openai-processing-ms": "12",
    "OpenAI-Version": "2020-10-01",
    "x-ratelimit-remaining-tokens": "5",
    "retry-after": "3",
    "retry-after-ms": "3000",
    "x-should-retry": "true",
}


@pytest.mark.parametrize("status", [200, 429, 500])
def test_clients_get_to_see_no_header_about_the_operators_account(status: int) -> None:
    headers = {name.replace("-", "_"): value for name, value in (OPERATORS | CLIENTS).items()}
    with Stub(lambda call: call.json(completion("Hi"), status, **headers)) as stub:
        seen = relayed(stub).headers
    assert {**seen} == {name.lower(): value for name, value in CLIENTS.items()} | {
        "content-type": "application/json"
    }
    if status != 200:
        error = refused(lambda call: call.json({}, status, **headers))
        assert error.headers == {name.lower(): value for name, value in CLIENTS.items()}


def test_a_relayed_error_is_a_reply_like_any_other_without_keys() -> None:
    respond = {"error": {"message": "Incorrect API key provided: sk-abcdefgh1jkl"}}
    with Stub(lambda call: call.json(respond, 401, Retry_After="3")) as stub:
        reply = relayed(stub)
    assert (reply.status, reply.headers["retry-after"]) == (401, "3")
    assert b"abcdefgh" not in (reply.body or b"")


@pytest.mark.parametrize("body", [b'{"error": {"message": "' + b"no " * 2**20 + b'"}}', b"no\n" * 2**20])
def test_of_an_endless_error_the_beginning_is_told(body: bytes) -> None:
    def respond(call: Call) -> None:
        call.begin(400, content_type="application/json")
        call.write(body)
        call.until_left()  # whoever waits for the end waits for ever

    with Stub(respond) as stub:
        reply = relayed(stub)
        with pytest.raises(UpstreamError, match="no") as caught:
            chat(stub)
    assert reply.status == caught.value.status == 400
    assert len(reply.body or b"") < LONGEST * 2
    assert "no" in json.loads(reply.body or b"")["error"]["message"]
    assert len(caught.value.message) <= LONGEST


@pytest.mark.parametrize(("path", "stream"), [("/chat/completions", True), ("/responses", False)])
def test_a_relayed_stream_arrives_while_the_upstream_is_still_sending(path: str, stream: bool) -> None:
    read = Event()

    def respond(call: Call) -> None:
        call.begin(content_type="text/event-stream")
        call.write(b"data: 1\n\n")
        assert read.wait(10)
        call.write(b"data: 2\n\n")

    async def follow(upstream: OpenAIUpstream) -> list[bytes]:
        reply = await upstream.relay(RawRequest("POST", path, b"{}", stream=stream))
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
