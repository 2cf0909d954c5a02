"""What web pages may do: nothing, unless their origin is listed; and what is no page cannot become one."""

from __future__ import annotations

import re
from typing import Any

import pytest

from optillm.chat import Relay
from optillm.errors import RateLimited
from optillm.server.bridge import GreenletTask
from optillm.server.errors import error_headers
from optillm.server.state import state_of
from tests.server.fakes import CHAT, HELLO, FakeEngine, completion, report, served, settings, stream
from tests.server.test_app import KEYS

PAGE = "https://chat.example.org"
ASKED = {
    "Origin": PAGE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,x-stainless-lang",
}
KEY = {"Authorization": "Bearer first-key"}


def invitations(headers: Any) -> dict[str, str]:
    """The headers of a reply that invite a page."""
    return {name.lower(): value for name, value in headers if name.lower().startswith("access-control-")}


def test_a_preflight_of_a_listed_page_needs_no_key_on_any_path() -> None:
    engine = FakeEngine()
    with served(engine, optillm_api_key=KEYS, cors_origins=PAGE) as client:
        for rule in client.application.url_map.iter_rules():
            reply = client.options(re.sub(r"<[^>]*>", "x", rule.rule), headers=ASKED)
            assert reply.status_code == 204
            assert reply.data == b""
            assert invitations(reply.headers) == {
                "access-control-allow-origin": PAGE,
                "access-control-allow-methods": "GET, POST, DELETE",
                "access-control-allow-headers": "authorization,content-type,x-stainless-lang",
                "access-control-expose-headers": "*",
                "access-control-max-age": "600",
            }
    assert engine.asked == []


@pytest.mark.parametrize(
    "origin",
    [
        "https://chat.example.org.evil.test",
        "https://evil.test",
        "http://chat.example.org",
        "https://chat.example.org:444",
        "https://sub.chat.example.org",
        "https://chat.example.orgx",
        "https://chatxexample.org",
        "HTTPS://CHAT.EXAMPLE.ORG",
        "null",
        "*",
        "",
    ],
)
def test_only_the_exact_origin_is_listed(origin: str) -> None:
    with served(FakeEngine(), optillm_api_key=KEYS, cors_origins=PAGE) as client:
        assert client.options(CHAT, headers=ASKED | {"Origin": origin}).status_code == 401
        reply = client.post(CHAT, json=HELLO, headers=KEY | {"Origin": origin})
        assert reply.status_code == 200
        assert invitations(reply.headers) == {}
        assert reply.headers["Vary"] == "Origin"


def test_a_preflight_opens_nothing_but_itself() -> None:
    with served(FakeEngine(), optillm_api_key=KEYS, cors_origins=PAGE) as client:
        for method in ("GET", "POST", "DELETE", "HEAD"):
            assert client.open("/v1/models", method=method, headers=ASKED).status_code == 401
        assert client.options(CHAT, headers={"Origin": PAGE}).status_code == 401


def test_replies_streams_and_errors_can_be_read_by_a_listed_page() -> None:
    chunked = stream(completion())
    for outcome, status in (
        (completion(), 200),
        (chunked, 200),
        (RateLimited("slower"), 429),
        (ValueError(), 500),
    ):
        with served(FakeEngine(outcome), optillm_api_key=KEYS, cors_origins=PAGE) as client:
            reply = client.post(CHAT, json=HELLO, headers=KEY | {"Origin": PAGE})
            assert reply.status_code == status
            assert invitations(reply.headers) == {
                "access-control-allow-origin": PAGE,
                "access-control-expose-headers": "*",
            }
            assert reply.headers["x-request-id"]
    with served(FakeEngine(), optillm_api_key=KEYS, cors_origins=PAGE) as client:
        for reply in (
            client.get("/v1/models", headers={"Origin": PAGE}),
            client.get("/health", headers={"Origin": PAGE}),
        ):
            assert invitations(reply.headers)["access-control-allow-origin"] == PAGE


def test_a_listed_page_may_upload_and_cancel() -> None:
    engine, kind = FakeEngine(Relay(200, {}, b"")), "multipart/form-data; boundary=xyz"
    with served(engine, cors_origins=PAGE) as client:
        state_of(client.application).serving["/x"].append(GreenletTask(bool))
        for origin, status in ((PAGE, 200), ("https://evil.test", 400)):
            sent = {"Origin": origin}
            assert client.post("/v1/chat/cancel/x", headers=sent).status_code == status
            form = client.post("/v1/images/edits", data=b"--xyz--", content_type=kind, headers=sent)
            assert form.status_code == status


def test_a_listed_page_gets_no_further_than_the_name_of_this_server() -> None:
    with served(FakeEngine(), cors_origins=PAGE) as client:
        reply = client.post(CHAT, json=HELLO, headers={"Origin": PAGE, "Host": "evil.test"})
    assert reply.status_code == 403


def test_all_pages_can_be_let_in_where_a_key_is_needed() -> None:
    with served(FakeEngine(), optillm_api_key=KEYS, cors_origins="*") as client:
        assert client.options(CHAT, headers=ASKED).status_code == 204
        reply = client.post(CHAT, json=HELLO, headers=KEY | {"Origin": PAGE})
        assert reply.headers["Access-Control-Allow-Origin"] == PAGE
        assert "Access-Control-Allow-Credentials" not in reply.headers
        assert client.post(CHAT, json=HELLO, headers={"Origin": PAGE}).status_code == 401


@pytest.mark.parametrize("changes", [{}, {"host": "0.0.0.0", "insecure": True}])  # noqa: S104
def test_all_pages_are_never_let_in_without_a_key(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="ask for keys, or name origins"):
        settings(cors_origins="*", **changes)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("https://Chat.Example.org/", "https://chat.example.org"),
        ("https://a.test:443, http://b.test:80", "https://a.test http://b.test"),
        ("http://localhost:3000,http://[::1]:3000", "http://localhost:3000 http://[::1]:3000"),
        ("app://obsidian.md,tauri://localhost", "app://obsidian.md tauri://localhost"),
        ("none", ""),
    ],
)
def test_origins_are_kept_as_browsers_send_them(written: str, read: str) -> None:
    assert settings(cors_origins=written).cors_origins == tuple(read.split())


@pytest.mark.parametrize(
    "written", ["null", "chat.example.org", "https://*.example.org", "https://a.test/chat", "https://"]
)
def test_what_no_browser_sends_is_no_origin(written: str) -> None:
    with pytest.raises(ValueError, match="an origin looks like"):
        settings(cors_origins=written)


def test_without_the_setting_replies_do_not_depend_on_the_page() -> None:
    with served(FakeEngine()) as client:
        assert "Vary" not in client.get("/health", headers={"Origin": PAGE}).headers


HARMLESS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
}


def test_no_reply_can_act_as_a_page() -> None:
    html = Relay(200, {"content-type": "text/html"}, b"<script>fetch('/v1/models')</script>")
    for outcome in (
        completion(),
        stream(completion()),
        html,
        ValueError(),
        completion(report=report(technique="z3")),
    ):
        with served(FakeEngine(outcome)) as client:
            replies = [
                client.post(CHAT, json=HELLO),
                client.get("/health"),
                client.get("/v1/<script>"),
                client.put(CHAT),
            ]
        for reply in replies:
            assert {name: reply.headers.get(name) for name in HARMLESS} == HARMLESS
            assert reply is replies[0] or reply.content_type == "application/json"


def test_nor_can_what_is_refused_before_it_is_a_request() -> None:
    headers = error_headers(RateLimited("Too many requests are in flight"))
    assert {name: headers.get(name) for name in HARMLESS} == HARMLESS
