"""What an endpoint needs: declared beside it, and closed where nothing is declared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask, g
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from optillm.server.access.policy import (
    CLOSED,
    NO_PAGE,
    OPEN_PAGE,
    VERSION,
    Policy,
    declared_policy,
    vital_paths,
)
from optillm.server.access.policy import PAGE as PAGE_POLICY
from optillm.server.app import create_app
from tests.server.access.test_auth import bearer
from tests.server.access.test_budgets import Office, alice
from tests.server.fakes import CHAT, HELLO, FakeEngine, settings

LIMITS = ("requests_per_minute = 5", "tokens_per_day = 1000", "max_tokens = 400")
PAGE = "default-src 'self'"


def app() -> Flask:
    return create_app(settings(), FakeEngine())


@contextmanager
def toy(folder: Path, policy: Policy | None, path: str = "/v1/toy") -> Iterator[FlaskClient]:
    """A client of an application with one more endpoint, which tells what is held for its request."""

    def view() -> dict[str, list[int]]:
        admission = g.get("admission")
        return {"held": [hold.amount for hold in admission.holds] if admission else []}

    blueprint = Blueprint("toy", __name__)
    blueprint.add_url_rule(path, view_func=policy(view) if policy else view, methods=["POST"])
    with Office(folder, alice(*LIMITS)).served(FakeEngine()) as client:
        client.application.register_blueprint(blueprint)
        yield client


def held(response: TestResponse) -> list[int]:
    amounts: list[int] = response.get_json()["held"]
    return amounts


def test_every_endpoint_declares_its_policy() -> None:
    served = app()
    undeclared = [
        rule for rule in served.url_map.iter_rules() if declared_policy(served, rule.endpoint) is None
    ]
    assert not undeclared, "put @Policy(…) above the view functions of these rules"


def test_every_path_without_version_leads_to_the_endpoint_of_the_one_with_it() -> None:
    endpoints = {
        (rule.rule, *sorted(rule.methods or ())): rule.endpoint for rule in app().url_map.iter_rules()
    }
    versioned = [key for key in endpoints if key[0].startswith(f"{VERSION}/")]
    assert len(versioned) > 10
    for path, *methods in versioned:
        assert endpoints[path.removeprefix(VERSION), *methods] == endpoints[path, *methods]


def test_every_page_needs_a_key_but_where_one_signs_in_and_out() -> None:
    served = app()
    pages = {
        rule.endpoint: declared_policy(served, rule.endpoint) or CLOSED
        for rule in served.url_map.iter_rules()
        if rule.endpoint.startswith("web.")
    }
    files = pages.pop("web.static")
    assert not files.authenticated
    assert not files.page
    assert len(pages) > 5
    for endpoint, policy in pages.items():
        signing = endpoint in ("web.sign_in", "web.open_session", "web.sign_out")
        assert policy == (OPEN_PAGE if signing else PAGE_POLICY), endpoint


def test_an_endpoint_without_a_policy_is_closed(tmp_path: Path) -> None:
    with toy(tmp_path, None) as client:
        assert client.post("/v1/toy").status_code == 401
        response = client.post("/v1/toy", headers=bearer("secret"))
        assert held(response) == [400, 400]  # taken from the day, and shown as held
        assert response.headers["x-ratelimit-remaining-requests"] == "4"
        assert response.headers["Content-Security-Policy"] == NO_PAGE
        for _ in range(4):
            client.post("/v1/toy", headers=bearer("secret"))
        assert client.post("/v1/toy", headers=bearer("secret")).status_code == 429
        assert measured(client) == {"200": 5, "401": 1, "429": 1}
        assert vital_paths(client.application) == {"/health"}


def test_closed_is_what_a_policy_is_when_it_says_nothing(tmp_path: Path) -> None:
    assert Policy() == CLOSED
    with toy(tmp_path, Policy()) as client:
        assert client.post("/v1/toy").status_code == 401
        assert held(client.post("/v1/toy", headers=bearer("secret"))) == [400, 400]


@pytest.mark.parametrize("path", ["/v1/toy", "/toy"])
def test_what_need_not_spend_holds_nothing_and_is_counted(tmp_path: Path, path: str) -> None:
    with toy(tmp_path, Policy(spending=False), path) as client:
        response = client.post(path, headers=bearer("secret"))
        assert held(response) == []
        assert response.headers["x-ratelimit-remaining-requests"] == "4"
        assert measured(client) == {"200": 1}


def test_what_is_not_counted_still_needs_a_key(tmp_path: Path) -> None:
    with toy(tmp_path, Policy(counted=False, spending=False)) as client:
        assert client.post("/v1/toy").status_code == 401
        for _ in range(9):
            response = client.post("/v1/toy", headers=bearer("secret"))
            assert response.status_code == 200
            assert "x-ratelimit-remaining-requests" not in response.headers
        assert measured(client) == {"200": 9, "401": 1}


def test_what_is_open_needs_no_key_and_measures_itself_only_if_it_says_so(tmp_path: Path) -> None:
    unmeasured = Policy(authenticated=False, counted=False, spending=False, measured=False)
    with toy(tmp_path, unmeasured) as client:
        assert held(client.post("/v1/toy")) == []
        assert measured(client) == {}


def test_a_page_names_a_policy_for_its_content(tmp_path: Path) -> None:
    with toy(tmp_path, Policy(spending=False, content_security=PAGE)) as client:
        response = client.post("/v1/toy", headers=bearer("secret"))
        assert response.headers.getlist("Content-Security-Policy") == [PAGE]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        other = client.post(CHAT, json=HELLO, headers=bearer("secret"))
        assert other.headers["Content-Security-Policy"] == NO_PAGE


@pytest.mark.parametrize(
    ("method", "path", "status", "counts"),
    [
        ("GET", "/v1/nowhere", 404, True),
        ("GET", "/nowhere", 404, False),
        ("GET", CHAT, 405, True),
        ("GET", "/chat/completions", 405, False),
        ("POST", "/health", 405, False),
    ],
)
def test_what_leads_nowhere_needs_a_key_and_is_measured_below_the_api_only(
    tmp_path: Path, method: str, path: str, status: int, counts: bool
) -> None:
    with toy(tmp_path, None) as client:
        assert client.open(path, method=method).status_code == 401
        response = client.open(path, method=method, headers=bearer("secret"))
        assert response.status_code == status
        assert "x-ratelimit-remaining-requests" not in response.headers
        assert measured(client) == ({"401": 1, str(status): 1} if counts else {})


@pytest.mark.parametrize(
    "needs",
    [
        {"authenticated": False},
        {"authenticated": False, "spending": False},
        {"authenticated": False, "counted": False},
        {"counted": False},
    ],
)
def test_nothing_is_charged_where_nobody_is_known(needs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="an endpoint that"):
        Policy(**needs)


def test_the_path_of_a_vital_endpoint_is_known_before_a_request_is_routed() -> None:
    served = app()
    vital = Policy(authenticated=False, counted=False, spending=False, vital=True)
    served.add_url_rule("/pulse", "pulse", vital(lambda: ""))
    assert vital_paths(served) == {"/health", "/pulse"}
    served.add_url_rule("/pulse/<part>", "part", vital(lambda part: part))
    with pytest.raises(ValueError, match=re.escape("/pulse/<part> is vital")):
        vital_paths(served)


def measured(client: FlaskClient) -> dict[str, int]:
    """How many responses the metrics have for each status."""
    text = client.get("/metrics", headers=bearer("secret")).text
    counts = re.findall(r'optillm_http_responses_total\{status="(\d+)"\} (\d+)', text)
    return {status: int(count) for status, count in counts}
