"""Signing in with a key, and out again."""

from __future__ import annotations

from collections.abc import Iterator
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from optillm.server.access.auth import BURST, PAUSE
from optillm.server.access.policy import OWN_PAGE
from optillm.server.access.sessions import COOKIE, SECONDS
from optillm.server.web.sign_in import LARGEST_FORM, local_path
from tests.server.access.test_auth import Clock, bearer
from tests.server.access.test_budgets import sealed
from tests.server.fakes import FakeEngine, served

OURS = {"Origin": "http://localhost"}
TABLES = "\n".join(["[keys.alice]", sealed("alices"), "[keys.gone]", sealed("gones"), "disabled = true"])
ELSEWHERE = [
    "",
    "traces",
    "http://evil.test/",
    "//evil.test",
    "///evil.test",
    "/\\evil.test",
    "\\/evil.test",
    "/a\\b",
    "/\t/evil.test",
    "\t//evil.test",
    " /traces",
    "/traces ",
    "/tra\nces",
    "/traces\r\nSet-Cookie: a=b",
    "/\x00",
    "javascript:alert(1)",
    "/é",
    "/\u2028",
]


@pytest.fixture
def clock() -> Clock:
    """The clock of wrong keys."""
    return Clock()


@pytest.fixture
def client(tmp_path: Path, clock: Clock) -> Iterator[FlaskClient]:
    """A browser without a session, of a server with keys."""
    file = tmp_path / "keys.toml"
    file.write_text(TABLES)
    with served(FakeEngine(), clock, keys=str(file), optillm_api_key=("operators",)) as client:
        yield client


def sign_in(client: FlaskClient, key: str, target: str = "/traces", **headers: str) -> TestResponse:
    return client.post("/sign-in", data={"key": key, "next": target}, headers=OURS | headers)


def cookie(response: TestResponse) -> Morsel[str]:
    [header] = response.headers.getlist("Set-Cookie")
    return SimpleCookie(header)[COOKIE]


def test_a_key_opens_a_session_that_leads_to_where_one_wanted_to_be(client: FlaskClient) -> None:
    for key in ("alices", " operators\n"):
        reply = sign_in(client, key, "/traces?q=a%26b")
        assert (reply.status_code, reply.headers["Location"]) == (303, "/traces?q=a%26b")
        assert client.get("/v1/models").status_code == 200


@pytest.mark.parametrize(("scheme", "secure"), [("http", ""), ("https", True)])
def test_the_cookie_is_kept_from_scripts_other_sites_and_the_open_network(
    client: FlaskClient, scheme: str, secure: Any
) -> None:
    session = cookie(sign_in(client, "alices", **{"X-Forwarded-Proto": scheme}))
    assert (session["httponly"], session["samesite"], session["path"]) == (True, "Strict", "/")
    assert (session["secure"], session["domain"], session["max-age"]) == (secure, "", str(SECONDS))
    assert "alices" not in session.value


@pytest.mark.parametrize("key", ["wrong", "", "gones", "\x00", "é" * 9, "x" * 5000])
def test_any_other_key_does_not(client: FlaskClient, key: str) -> None:
    reply = sign_in(client, key, '/traces?q="><script>')
    assert reply.status_code == 401
    assert "Set-Cookie" not in reply.headers
    assert "This key is not valid here" in reply.text
    assert 'value="/traces?q=&#34;&gt;&lt;script&gt;"' in reply.text
    assert client.get("/v1/models").status_code == 401


def test_wrong_keys_are_counted_with_those_of_programs(client: FlaskClient, clock: Clock) -> None:
    for _ in range(BURST - 1):
        assert sign_in(client, "wrong").status_code == 401
    assert client.get("/v1/models", headers=bearer("wrong")).status_code == 401
    reply = sign_in(client, "alices")
    assert (reply.status_code, reply.headers["Retry-After"]) == (429, "6")
    assert "Too many wrong API keys" in reply.text
    clock.now += PAUSE
    assert sign_in(client, "alices").status_code == 303


def test_who_has_signed_in_or_needs_no_key_is_asked_for_none(client: FlaskClient) -> None:
    assert client.get("/sign-in?next=/traces").status_code == 200
    sign_in(client, "alices")
    assert client.get("/sign-in?next=/traces").headers["Location"] == "/traces"
    with served(FakeEngine()) as open_to_all:
        assert open_to_all.get("/sign-in?next=/traces").headers["Location"] == "/traces"
        reply = sign_in(open_to_all, "any")
        assert (reply.headers["Location"], "Set-Cookie" in reply.headers) == ("/traces", False)


def test_signing_out_ends_the_session_in_this_browser(client: FlaskClient) -> None:
    sign_in(client, "alices")
    reply = client.post("/sign-out", headers=OURS)
    assert (reply.status_code, reply.headers["Location"]) == (303, "/sign-in")
    assert cookie(reply)["max-age"] == "0"
    assert client.get("/v1/models").status_code == 401


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://evil.test"}, {"Origin": "null"}])
@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
def test_no_other_page_signs_anybody_in_or_out(
    client: FlaskClient, path: str, headers: dict[str, str]
) -> None:
    reply = client.post(path, data={"key": "alices"}, headers=headers)
    assert reply.status_code == 403
    assert "Set-Cookie" not in reply.headers


@pytest.mark.parametrize("target", ELSEWHERE)
def test_nobody_is_led_anywhere_else(client: FlaskClient, target: str) -> None:
    assert local_path(target) == "/"
    reply = sign_in(client, "alices", target)
    assert reply.headers["Location"] == "/"
    assert client.get("/sign-in", query_string={"next": target}).headers["Location"] == "/"


@pytest.mark.parametrize(
    "target",
    ["/", "/traces", "/traces/trace_1?q=a%20b&c=//d", "/a//b", "/..//evil.test", "/%2F/evil.test", "/~"],
)
def test_a_path_of_this_server_is_kept(target: str) -> None:
    assert local_path(target) == target


def test_a_link_on_another_site_finds_the_session_that_the_browser_kept_back(client: FlaskClient) -> None:
    forward = '<meta http-equiv="refresh" content="0; url=/traces/t?a=1&amp;b=2">'
    path = "/sign-in?next=/traces/t%3Fa=1%26b=2"
    assert forward in client.get(path, headers={"Sec-Fetch-Site": "cross-site"}).text
    for site in ("same-origin", "none"):
        assert "refresh" not in client.get(path, headers={"Sec-Fetch-Site": site}).text
    assert "refresh" not in client.get(path).text


def test_a_form_is_small(client: FlaskClient) -> None:
    assert sign_in(client, "x" * LARGEST_FORM).status_code == 413


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "multipart/form-data", ""])
def test_what_is_no_form_signs_nobody_in(client: FlaskClient, content_type: str) -> None:
    reply = client.post("/sign-in", data=b'{"key": "alices"}', content_type=content_type, headers=OURS)
    assert reply.status_code == 401


def test_the_form_is_kept_nowhere_and_shown_in_no_frame(client: FlaskClient) -> None:
    reply = client.get("/sign-in")
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers.getlist("Content-Security-Policy") == [OWN_PAGE]
    assert "frame-ancestors 'none'" in OWN_PAGE
    assert "unsafe" not in OWN_PAGE
