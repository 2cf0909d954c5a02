"""Keys, request ids and errors, on every path."""

from __future__ import annotations

import asyncio
import math
import re
from typing import Any
from unittest.mock import Mock

import pytest
from werkzeug.test import TestResponse

from optillm.config.keys import Keys
from optillm.errors import (
    BudgetExhausted,
    DeadlineExceeded,
    InvalidRequest,
    OptillmError,
    RateLimited,
    ShuttingDown,
    UpstreamError,
)
from optillm.server.access.budgets import Accounts
from optillm.server.app import create_app
from optillm.server.bridge import ClientGone
from optillm.server.state import state_of
from tests.server.fakes import CHAT, HELLO, FakeEngine, served, settings

KEYS = ("first-key", "second-key")


def failed_with(error: Exception) -> TestResponse:
    with served(FakeEngine(error)) as client:
        return client.post(CHAT, json=HELLO)


def error_of(response: TestResponse) -> dict[str, Any]:
    """The error object of a response that keeps to the contract."""
    assert response.content_type == "application/json"
    assert response.headers["x-request-id"]
    body = response.get_json()
    assert set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    assert {"message", "type", "param", "code"} <= set(error)
    return error


OPEN = {"/health": {200}, "/static/x/x": {200, 404}, "/sign-in": {200, 403}, "/sign-out": {200, 403}}
"""What is served to everybody, and how: files of pages, and where to sign in, which takes forms of our own page."""


def test_every_route_asks_for_the_key_but_health_and_where_to_sign_in() -> None:
    with served(FakeEngine(), optillm_api_key=KEYS) as client:
        asked = 0
        for rule in client.application.url_map.iter_rules():
            path = re.sub(r"<[^>]*>", "x", rule.rule)
            for method in rule.methods or ():
                response = client.open(path, method=method)
                assert response.status_code in OPEN.get(path, {401}), (method, path)
                asked += 1
        assert asked > 20
        assert client.get("/nowhere").status_code == 401


@pytest.mark.parametrize("configured", [{"optillm_api_key": KEYS}, {"openai_api_key": "sk-up"}])
def test_the_clients_key_stays_here_when_any_key_is_configured(configured: dict[str, Any]) -> None:
    engine = FakeEngine()
    with served(engine, **configured) as client:
        client.post(CHAT, json=HELLO, headers={"Authorization": "Bearer first-key"})
        client.get("/v1/models", headers={"Authorization": "Bearer first-key"})
    assert engine.asked[0].authorization is None
    assert engine.listed == [None]


def test_the_clients_key_goes_upstream_when_none_is_configured() -> None:
    engine = FakeEngine()
    with served(engine) as client:
        client.post(CHAT, json=HELLO, headers={"Authorization": "Bearer sk-client"})
        client.post(CHAT, json=HELLO)
    assert [asked.authorization for asked in engine.asked] == ["Bearer sk-client", None]


@pytest.mark.parametrize(("keys", "passed"), [(("k", None), "Bearer sk-client"), (("k", "l"), None)])
def test_of_several_upstreams_one_without_a_key_is_enough_to_pass_the_clients_on(
    keys: tuple[str | None, ...], passed: str | None
) -> None:
    engine = FakeEngine()
    tables = [{"name": f"u{i}", "base_url": "http://u/v1", "key": key} for i, key in enumerate(keys)]
    with served(engine, upstream=tables, base_url=None) as client:
        client.post(CHAT, json=HELLO, headers={"Authorization": "Bearer sk-client"})
    assert engine.asked[0].authorization == passed


def test_keeps_a_sane_request_id() -> None:
    engine = FakeEngine()
    with served(engine) as client:
        response = client.post(CHAT, json=HELLO, headers={"x-request-id": "abc-1.2_3"})
    assert response.headers["x-request-id"] == "abc-1.2_3"
    assert engine.asked[0].request_id == "abc-1.2_3"


@pytest.mark.parametrize("sent", ["", "a b", "x" * 129, "é", "<script>"])
def test_replaces_any_other_request_id(sent: str) -> None:
    with served(FakeEngine()) as client:
        ids = {
            client.get("/health", headers={"x-request-id": sent}).headers["x-request-id"] for _ in range(2)
        }
    assert len(ids) == 2
    assert all(re.fullmatch(r"req_[0-9a-f]{32}", each) for each in ids)


def test_an_unknown_path_is_a_404_in_the_error_shape() -> None:
    with served(FakeEngine()) as client:
        response = client.get("/v1/nowhere")
    assert response.status_code == 404
    error = error_of(response)
    assert error["type"] == "invalid_request_error"
    assert error["message"].startswith("There is no such endpoint here; chat completions are at POST /v1/")


def test_a_wrong_method_is_a_405_that_says_which_are_right() -> None:
    with served(FakeEngine()) as client:
        response = client.get(CHAT)
    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == {"POST", "OPTIONS"}
    assert error_of(response)["message"] == "The endpoint does not take this method; it takes POST"
    assert error_of(response)["type"] == "invalid_request_error"


def test_a_body_that_is_too_large_is_a_413() -> None:
    with served(FakeEngine(), max_body_mb=1) as client:
        response = client.post(CHAT, data=b" " * (2**20 + 1), content_type="application/json")
    assert response.status_code == 413
    assert error_of(response)["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx"]
)
def test_only_json_is_a_chat(content_type: str | None) -> None:
    with served(FakeEngine()) as client:
        response = client.post(CHAT, data=b"{}", content_type=content_type)
    assert response.status_code == 415
    error_of(response)


def test_a_compressed_body_is_a_415() -> None:
    with served(FakeEngine()) as client:
        response = client.post(CHAT, json=HELLO, headers={"Content-Encoding": "gzip"})
    assert response.status_code == 415


def test_malformed_json_is_a_400() -> None:
    with served(FakeEngine()) as client:
        response = client.post(CHAT, data=b"{", content_type="application/json; charset=utf-8")
    assert response.status_code == 400
    assert error_of(response)["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("error", "status", "type_"),
    [
        (InvalidRequest("no such slug", param="model"), 400, "invalid_request_error"),
        (RateLimited("slower", headers={"Retry-After": "3"}), 429, "rate_limit_error"),
        (BudgetExhausted("spent"), 429, "rate_limit_error"),
        (UpstreamError("refused the connection"), 502, "upstream_error"),
        (DeadlineExceeded("late"), 504, "timeout_error"),
        (ShuttingDown("bye"), 503, "server_error"),
        (OptillmError("ours"), 500, "server_error"),
    ],
)
def test_renders_our_errors(error: OptillmError, status: int, type_: str) -> None:
    response = failed_with(error)
    assert response.status_code == status
    told = error_of(response)
    assert (told["type"], told["message"], told["param"]) == (type_, error.message, error.param)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 503])
def test_an_upstreams_error_keeps_its_status_and_words(status: int) -> None:
    body = {"error": {"message": "theirs", "type": "their_type", "code": 7, "more": [1]}}
    response = failed_with(UpstreamError("x", status=status, upstream_body=body, retry_after=1.2))
    assert response.status_code == status
    assert error_of(response) == {
        "message": "theirs",
        "type": "their_type",
        "param": None,
        "code": 7,
        "more": [1],
    }
    assert response.headers["Retry-After"] == "2"


def test_says_when_to_come_back() -> None:
    assert failed_with(RateLimited("slower", headers={"Retry-After": "3"})).headers["Retry-After"] == "3"
    assert failed_with(ShuttingDown("bye")).headers["Retry-After"] == "1"


@pytest.mark.parametrize("wait", [math.nan, math.inf])
def test_no_client_waits_for_no_number(wait: float) -> None:
    response = failed_with(UpstreamError("busy", status=429, retry_after=wait))
    assert response.status_code == 429
    assert "Retry-After" not in response.headers


@pytest.mark.parametrize("error", [BudgetExhausted("spent"), DeadlineExceeded("late"), ValueError("ours")])
def test_asks_clients_not_to_repeat_what_would_only_happen_again(error: Exception) -> None:
    assert failed_with(error).headers["x-should-retry"] == "false"


def test_a_fault_of_ours_says_no_internals_and_is_logged_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    response = failed_with(ValueError("secret"))
    assert response.status_code == 500
    error = error_of(response)
    assert error["type"] == "server_error"
    assert "secret" not in response.text
    assert response.headers["x-request-id"] in error["message"]
    assert "ValueError: secret" in caplog.text
    assert response.headers["x-request-id"] in caplog.text


def test_a_client_that_left_gets_a_499() -> None:
    response = failed_with(ClientGone())
    assert response.status_code == 499
    assert b"request_cancelled" in response.data


def test_closing_closes_the_engine_and_the_accounts() -> None:
    engine = FakeEngine()
    accounts = Mock(Accounts.of(settings()), keys=Keys())
    asyncio.run(state_of(create_app(settings(), engine, accounts=accounts)).close())
    assert engine.closed
    accounts.close.assert_called_once_with()


def test_a_key_that_no_upstream_could_be_sent_is_a_401() -> None:
    engine = FakeEngine()
    with served(engine) as client:
        reply = client.post(CHAT, json=HELLO, headers={"Authorization": "Bearer \u00e9\u00e9"})
    assert reply.status_code == 401
    assert not engine.asked
