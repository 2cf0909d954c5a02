"""What a refusal is taken for: a base URL without its version, or with more than a base."""

from __future__ import annotations

import json
from typing import Any

import pytest
from yarl import URL

from optillm.engine.upstream.url_advice import advised
from optillm.errors import UpstreamError
from tests.config.test_settings import bare_machine
from tests.engine.upstream.test_client import chat, relayed
from tests.stub import Stub

__all__ = ["bare_machine"]

pytestmark = pytest.mark.usefixtures("bare_machine")


def advised_message(url: str, status: int = 404, message: str = "Not Found") -> str:
    return advised(UpstreamError(message, status=status), URL(url)).message


@pytest.mark.parametrize(
    ("url", "at", "right"),
    [
        ("http://h:1/chat/completions", "http://h:1", "http://h:1/v1"),
        ("https://h/chat/completions", "https://h", "https://h/v1"),
        ("http://h:1/models", "http://h:1", "http://h:1/v1"),
        ("http://h/openai/chat/completions", "http://h/openai", "http://h/openai/v1"),
        ("http://user:s3cret@h/chat/completions", "http://h", "http://h/v1"),
        ("http://h/v1/v1/chat/completions", "http://h/v1/v1", "http://h/v1"),
        ("http://h/v1/chat/completions/chat/completions", "http://h/v1/chat/completions", "http://h/v1"),
        ("http://h/chat/completions/chat/completions", "http://h/chat/completions", "http://h/v1"),
        ("http://h/v1/models/models", "http://h/v1/models", "http://h/v1"),
    ],
)
@pytest.mark.parametrize("status", [404, 405])
def test_the_right_base_url_is_named(url: str, at: str, right: str, status: int) -> None:
    words = advised_message(url, status)
    assert words.startswith("Not Found (the upstream has no /")
    assert words.endswith(f" at {at}: its base URL is probably {right})")
    assert "s3cret" not in words


@pytest.mark.parametrize(
    "url",
    [
        "http://h/v1/chat/completions",
        "https://h/api/v3/chat/completions",
        "https://h/v1beta/openai/chat/completions",
        "https://h/openai/deployments/m/chat/completions?api-version=1",
        "http://h/embeddings",
    ],
)
def test_a_correct_base_url_gets_no_hint(url: str) -> None:
    assert advised_message(url) == "Not Found"


@pytest.mark.parametrize(
    ("status", "message"),
    [(400, "no"), (401, "no"), (500, "no"), (404, "The model `m` does not exist"), (404, "Model not found")],
)
def test_a_refusal_about_something_else_gets_no_hint(status: int, message: str) -> None:
    assert advised_message("http://h/chat/completions", status, message) == message


@pytest.mark.parametrize("body", [b"404 page not found", b'{"detail":"Not Found"}', b"<html>", b""])
def test_a_technique_and_a_plain_request_both_give_the_hint(body: bytes) -> None:
    with Stub(lambda call: call.raw(body, 404, content_type="text/plain", Retry_After="3")) as stub:
        base = stub.base_url.removesuffix("/v1")
        with pytest.raises(UpstreamError) as error:
            chat(base)
        reply = relayed(base)
        untouched = relayed(stub)
    assert error.value.status == reply.status == 404
    shown: Any = json.loads(reply.body or b"")["error"]
    for message in (error.value.body()["error"]["message"], shown["message"]):
        assert (
            f"the upstream has no /chat/completions at {base}: its base URL is probably {base}/v1" in message
        )
    assert reply.headers == {"content-type": "application/json", "retry-after": "3"}
    assert (untouched.status, untouched.body) == (404, body)
