"""What upstreams say when they fail a call: words, status and field, out of any shape."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optillm.engine.upstream.errors import LONGEST, failure_in, read_error, refused, words_of

EMPTY: tuple[Any, ...] = ({}, [], None, 7, {"choices": []}, {"error": {}}, {"error": {"message": ""}})
LOC = {"loc": ["body", "messages", 0, "role"], "msg": "bad", "type": "x"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        *((nothing, "") for nothing in EMPTY),
        ({"error": {"message": "no"}}, "no"),
        ({"error": {"message": {"detail": "no"}}}, "no"),
        ({"error": "no"}, "no"),
        ({"error": ["no", "never"]}, "no; never"),
        ({"error": {"errors": [{"message": "no"}, {"message": "never"}]}}, "no; never"),
        ({"error": {"code": "E1", "type": "odd"}}, "code: E1; type: odd"),
        ({"error": True, "message": "no"}, "no"),
        ({"error": "Bad Request", "message": "no"}, "no"),
        ({"error": "invalid", "error_description": "no"}, "no"),
        ({"message": "no"}, "no"),
        ({"Message": "no"}, "no"),
        ({"msg": "no"}, "no"),
        ({"detail": "no"}, "no"),
        ({"detail": [LOC]}, "messages.0.role: bad"),
        ({"detail": [LOC, {"msg": "worse"}]}, "messages.0.role: bad; worse"),
        ({"detail": {"error": "no"}}, "no"),
        ({"errors": ["no", {"message": "never"}]}, "no; never"),
        ({"errors": {"n": ["odd", "big"], "m": "no"}}, "n: odd; big; m: no"),
        ({"title": "Bad Request", "detail": "no"}, "Bad Request: no"),
        ({"title": "no"}, "no"),
        ({"error_msg": "no", "error_code": 7}, "no"),
        ({"base_resp": {"status_code": 7, "status_msg": "no"}}, "no"),
        ([{"message": "no"}, {"message": "never"}], "no; never"),
        ("no", "no"),
        ({"error": {"message": "<!DOCTYPE html><html><title>Gone\n away</title>"}}, "Gone away"),
        ({"error": {"message": "<|image|> is no token here"}}, "<|image|> is no token here"),
        ({"id": "c1", "object": "chat.completion.chunk", "model": "m", "usage": {"prompt_tokens": 7}}, ""),
    ],
)
def test_words_are_found_in_any_shape(body: Any, words: str) -> None:
    assert words_of(body) == words


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no\n", "no"),
        (b'"no"', "no"),
        (b'[{"error": {"message": "no"}}]', "no"),
        (b'data: {"error": {"message": "no"}}\n\ndata: [DONE]\n\n', "no"),
        (b'event: error\ndata: {"message": "no"}\n\n', "no"),
        (b"<html><head><title> 502 Bad\nGateway</title>", "502 Bad Gateway"),
        (b"<html><body><h1>Busy</h1>", "Busy"),
        (b'<?xml version="1.0"?><Error><Message>no</Message></Error>', "no"),
        (b"<html>" + b"x" * 9999, ""),
        (b"", ""),
        (b"--", ""),
        (b"\xff\xfe", ""),
        (b"x" * 9999, "x" * LONGEST),
    ],
)
def test_a_body_of_an_error_need_not_be_json(content: bytes, words: str) -> None:
    assert words_of(read_error(content)) == words


@pytest.mark.parametrize(
    ("wire", "status"),
    [
        ({"error": {"message": "no", "code": 404}}, 404),
        ({"error": {"message": "no", "code": "429"}}, 429),
        ({"error": {"message": "no", "status": 503}}, 503),
        ({"error": {"message": "no", "code": "rate_limited", "status_code": 429}}, 429),
        ({"error": {"message": "no"}, "status": 400}, 400),
        ({"error": {"code": 404}}, 404),
        ({"object": "error", "message": "no", "code": 400}, 400),
        ({"success": False, "errors": [{"code": 7, "message": "no"}]}, 502),
        ({"error": True, "message": "no", "statusCode": 401}, 401),
        *(
            ({"error": {"message": "no", "code": code}}, 502)
            for code in (None, 200, 302, 700, -1, "x", True, 4.5, 40404, "04290000", "4040")
        ),
    ],
)
def test_a_failure_in_a_200_has_the_status_it_names_and_is_repeated_only_if_that_can_help(
    wire: dict[str, Any], status: int
) -> None:
    error = failure_in(wire)
    assert error is not None
    assert error.status == status
    assert error.retryable is (status in (429, 500, 502, 503, 504))
    json.dumps(error.body())


@pytest.mark.parametrize(
    "wire",
    [
        {},
        {"choices": []},
        {"error": None},
        {"error": ""},
        {"error": {"message": "", "code": None}},
        {"success": True},
    ],
)
def test_what_holds_no_failure_is_none(wire: dict[str, Any]) -> None:
    assert failure_in(wire) is None


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"error": {"message": "no", "type": "t", "param": "p", "code": "c", "more": 1}},
         {"message": "no", "type": "t", "param": "p", "code": "c", "more": 1}),
        ({"error": {"message": "no"}}, {"message": "no", "type": None, "param": None, "code": None}),
        ({"object": "error", "message": "no", "type": "t", "code": 400},
         {"message": "no", "type": "t", "param": None, "code": 400}),
        ({"detail": [LOC]},
         {"message": "messages.0.role: bad", "type": "upstream_error", "param": "messages.0.role", "code": None}),
        ({"message": {"detail": [{"loc": ["body", "n"], "msg": "odd"}]}},
         {"message": "n: odd", "type": "upstream_error", "param": "n", "code": None}),
    ],
)  # fmt: skip
def test_an_error_is_told_in_openais_shape(body: Any, error: dict[str, Any]) -> None:
    error_read = refused(422, {}, json.dumps(body).encode(), lambda content: content)
    assert error_read.status == 422
    assert error_read.body() == {"error": error}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "message", "detail", "loc", "code", "title", "x"]), inner, max_size=3
        )
    ),
)


@given(JSON)
def test_no_body_breaks_the_reading_of_errors(body: Any) -> None:
    error = refused(400, {}, json.dumps(body).encode(), lambda content: content)
    assert isinstance(error.body()["error"]["message"], str)
    if isinstance(body, dict):
        failure_in(body)


@pytest.mark.parametrize(
    ("status", "message", "restarting"),
    [
        (503, "Loading model", True),  # llama.cpp
        (503, "Model gpt2 is currently loading", True),  # Hugging Face
        (503, "The model 'm' is not ready yet", True),
        (503, "model is starting up", True),
        (500, "Loading model", False),
        (503, "Error loading model", False),
        (503, "The server is overloaded", False),
        (503, "server busy, please try again. maximum pending requests exceeded", False),  # Ollama
    ],
)
def test_a_server_that_loads_its_model_will_be_there_in_a_moment(
    status: int, message: str, restarting: bool
) -> None:
    error = {"code": status, "message": message, "type": "unavailable_error"}
    content = json.dumps({"error": error}).encode()
    assert refused(status, {}, content, bytes).restarting is restarting
    inside = failure_in({"error": error})
    assert inside is not None
    assert inside.restarting is restarting
