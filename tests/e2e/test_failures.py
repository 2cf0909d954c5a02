"""Failures as real servers tell them, with an error status or in a 200: their words and status reach the client."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from tests.e2e.proxy import Proxy
from tests.e2e.situations import (
    AT_ONCE,
    BROKEN,
    FAILED,
    HALF,
    MESSAGES,
    SOME,
    TECHNIQUES,
    Upstream,
    answer,
    answer_in,
    ask,
    failure,
    only,
    sound,
)
from tests.stub import Call, Stub

FLAGS = ("--upstream-retries", "1")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("slug", SOME)
@pytest.mark.parametrize("situation", FAILED)
def test_a_failure_in_a_200_reaches_the_client_with_its_words_and_status(
    proxy: Proxy, stub: Stub, situation: str, slug: str, stream: bool
) -> None:
    respond, words, expected = FAILED[situation]
    stub.respond = upstream = Upstream(respond)
    status, error, shown = failure(proxy, slug, stream=stream)
    assert words in error["message"]
    assert set(error) >= {"message", "type", "param", "code"}
    assert status == (None if stream else expected)
    assert not shown or (stream and HALF.startswith(shown))
    if expected == 400:  # made again in other forms, never in the same one
        assert max(Counter(upstream.bodies).values()) <= AT_ONCE[slug]
    elif expected < 429:
        assert len(upstream.said) == AT_ONCE[slug]


@pytest.mark.parametrize("situation", BROKEN)
def test_a_stream_that_fails_after_some_text_ends_with_an_error_event(
    proxy: Proxy, stub: Stub, situation: str
) -> None:
    respond, words = BROKEN[situation]
    stub.respond = Upstream(respond)
    status, error, shown = failure(proxy, "re2", stream=True)
    assert (status, shown[: len(HALF)]) == (None, HALF)
    assert words in error["message"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("slug", TECHNIQUES)
@pytest.mark.parametrize("situation", ["429 in a body", "in the choice (OpenRouter)", "abort (SGLang)"])
def test_one_sample_that_fails_is_made_again_or_lost_and_nobody_sees_its_half(
    proxy: Proxy, stub: Stub, situation: str, slug: str, stream: bool
) -> None:
    stub.respond = upstream = Upstream(only(0, FAILED[situation][0]))
    stub.calls.clear()
    status, body = ask(proxy, slug, stream=stream)
    assert status == 200
    if slug in SOME and not (stream and slug == "re2"):
        assert answer_in(body, stream=stream) in upstream.said
    assert HALF + '"' not in json.dumps([call.sent for call in stub.calls]) + json.dumps(body)


@pytest.mark.parametrize(
    "situation", ["in the choice (OpenRouter)", "finish_reason error alone", "404 in a body (OpenRouter)"]
)
def test_half_a_text_of_the_last_write_is_not_the_answer(proxy: Proxy, stub: Stub, situation: str) -> None:
    def respond(call: Call, text: str) -> None:
        writes = len(call.sent["messages"]) > 1 or call.sent["messages"][0] != MESSAGES[0]
        (FAILED[situation][0] if writes else sound)(call, text)

    stub.respond = upstream = Upstream(respond)
    text, _, _ = answer(proxy, "moa", stream=False)
    assert text in upstream.said


REFUSALS: dict[str, tuple[int, bytes, str]] = {
    "an object": (400, b'{"error": {"message": "n is odd", "type": "t", "code": "c"}}', "n is odd"),
    "a list (Gemini)": (
        400,
        b'[{"error": {"code": 400, "message": "n is odd", "status": "INVALID"}}]',
        "n is odd",
    ),
    "details (FastAPI)": (
        422,
        b'{"detail": [{"loc": ["body", "n"], "msg": "is odd", "type": "x"}]}',
        "n: is odd",
    ),
    "a detail (FastAPI)": (404, b'{"detail": "n is odd"}', "n is odd"),
    "details in a message (Mistral)": (
        422,
        b'{"object": "error", "message": {"detail": [{"loc": ["body", "n"], "msg": "is odd"}]}}',
        "n: is odd",
    ),
    "errors in a list (Cloudflare)": (
        400,
        b'{"success": false, "errors": [{"code": 7, "message": "n is odd"}]}',
        "n is odd",
    ),
    "errors by field (Rails)": (422, b'{"errors": {"n": ["is odd"]}}', "n: is odd"),
    "a problem": (
        400,
        b'{"type": "about:blank", "title": "Bad Request", "status": 400, "detail": "n is odd"}',
        "n is odd",
    ),
    "a message (Cohere)": (400, b'{"message": "n is odd"}', "n is odd"),
    "an object that says so (vLLM)": (
        400,
        b'{"object": "error", "message": "n is odd", "code": 400}',
        "n is odd",
    ),
    "a word and a message (Spring)": (
        400,
        b'{"status": 400, "error": "Bad Request", "message": "n is odd"}',
        "n is odd",
    ),
    "words (xAI)": (
        400,
        b'{"code": "Client specified an invalid argument", "error": "n is odd"}',
        "n is odd",
    ),
    "words in a list (TGI)": (422, b'{"error": ["n is odd"], "error_type": "validation"}', "n is odd"),
    "an OAuth error": (401, b'{"error": "invalid_token", "error_description": "n is odd"}', "n is odd"),
    "plain text": (400, b"n is odd\n", "n is odd"),
    "JSON text": (400, b'"n is odd"', "n is odd"),
    "an event": (400, b'data: {"error": {"message": "n is odd"}}\n\n', "n is odd"),
    "a page": (
        403,
        b"<!DOCTYPE html><html><head><title>403\nForbidden</title></head><body>" + b"x" * 9999,
        "403 Forbidden",
    ),
    "a page in an error": (
        503,
        b'{"error": {"message": "<html><h1>No server is available</h1>..."}}',
        "No server is",
    ),
    "a page without a title": (403, b"<html><body>" + b"x" * 9999, "status 403"),
    "nothing": (404, b"", "status 404"),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("slug", ["bon", "re2"])
@pytest.mark.parametrize("situation", REFUSALS)
def test_the_words_of_a_refusal_reach_the_client_in_openais_shape(
    proxy: Proxy, stub: Stub, situation: str, slug: str, stream: bool
) -> None:
    status, body, words = REFUSALS[situation]
    stub.respond = lambda call: call.raw(body, status, content_type="application/json")
    seen, error, _ = failure(proxy, slug, stream=stream)
    assert seen == (None if stream else status)
    assert words in error["message"]
    assert len(error["message"]) <= 100
    assert set(error) >= {"message", "type", "param", "code"}


@pytest.mark.parametrize("stream", [False, True])
def test_a_content_filters_refusal_keeps_its_words_and_is_not_repeated(
    proxy: Proxy, stub: Stub, stream: bool
) -> None:
    error = {"message": "The prompt was filtered", "code": "content_filter", "param": "prompt"}
    error |= {"innererror": {"code": "ResponsibleAIPolicyViolation"}}  # type: ignore[dict-item]
    stub.respond = upstream = Upstream(lambda call, _: call.json({"error": error}, 400))
    status, seen, _ = failure(proxy, "re2", stream=stream)
    assert status == (None if stream else 400)
    assert seen == error | {"type": None}
    assert len(upstream.said) == 1
