"""Who may come in, and as whom."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint
from flask.testing import FlaskClient

from optillm.server.access.guard import granted, owner
from optillm.server.access.policy import PAGE
from optillm.server.access.sessions import COOKIE, SECONDS, Sessions
from optillm.server.state import State, state_of
from tests.server.access.test_auth import Clock, bearer
from tests.server.access.test_budgets import sealed
from tests.server.fakes import CHAT, HELLO, FakeEngine, served
from tests.server.test_app import KEYS, error_of


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8000", "LOCALHOST.", "127.0.0.1:9", "127.1.2.3", "[::1]:8000", "me.test:1"],
)
def test_without_a_key_local_names_are_answered(host: str) -> None:
    with served(FakeEngine(), allowed_hosts=("me.test",)) as client:
        assert client.post(CHAT, json=HELLO, headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.test",
        "evil.test:8000",
        "localhost.evil.test",
        "192.0.2.1",
        "127.0.0.1.evil.test",
        "",
        "[",
        "[::1]evil.test",
        "localhost/evil",
        "localhost#.evil.test",
        "evil.test@localhost",
        "evil.test, localhost",
    ],
)
def test_without_a_key_a_page_that_names_this_machine_as_its_own_is_refused_everywhere(host: str) -> None:
    with served(FakeEngine(), allowed_hosts=("me.test",)) as client:
        for rule in client.application.url_map.iter_rules():
            path = re.sub(r"<[^>]*>", "x", rule.rule)
            for method in rule.methods or ():
                assert client.open(path, method=method, headers={"Host": host}).status_code == 403
        response = client.post(CHAT, json=HELLO, headers={"Host": host})
    assert "--allowed-hosts" in error_of(response)["message"]


def test_a_server_may_be_bound_to_a_local_name_of_its_own() -> None:
    with served(FakeEngine(), host="127.0.0.7") as client:
        assert client.get("/health", headers={"Host": "127.0.0.7:8000"}).status_code == 200


@pytest.mark.parametrize("changes", [{"optillm_api_key": KEYS}, {"host": "0.0.0.0", "insecure": True}])  # noqa: S104
def test_with_a_key_or_on_other_addresses_any_name_will_do(changes: dict[str, Any]) -> None:
    with served(FakeEngine(), **changes) as client:
        headers = bearer("first-key", Host="proxy.test")
        assert client.post(CHAT, json=HELLO, headers=headers).status_code == 200


def test_a_host_that_is_no_name_is_quoted_in_the_refusal() -> None:
    with served(FakeEngine()) as client:
        reply = client.get("/v1/models", headers={"Host": "localhost/evil"})
    assert "'localhost/evil'" in reply.get_json()["error"]["message"]


# With a key or in a session

OURS = {"Origin": "http://localhost"}
SECRET = b"of all workers"
TABLES = "\n".join(
    [
        "[keys.alice]",
        sealed("alices"),
        "requests_per_minute = 3",
        "[keys.gone]",
        sealed("gones"),
        "disabled = true",
    ]
)
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.fixture
def clock() -> Clock:
    """The clock by which sessions end."""
    return Clock()


@pytest.fixture
def client(tmp_path: Path, clock: Clock) -> Iterator[FlaskClient]:
    """A client of a server with an operator's key, one of alice's and one that is disabled, and with a page."""
    file = tmp_path / "keys.toml"
    file.write_text(TABLES)
    pages = Blueprint("pages", __name__)

    def whose() -> dict[str, str | None]:
        return {"client": granted().client, "owner": owner()}

    pages.add_url_rule("/page", view_func=PAGE(whose), methods=["GET", "POST"])
    counters = str(tmp_path / "counters.sqlite3")
    with served(
        FakeEngine(), Clock(), keys=str(file), store=counters, optillm_api_key=("operators",)
    ) as client:
        client.application.register_blueprint(pages)
        clients = state(client).accounts.keys.clients
        state(client).sessions = Sessions(clients, SECRET, clock)
        yield client


def state(client: FlaskClient) -> State:
    return state_of(client.application)


def enter(client: FlaskClient, name: str) -> None:
    """Give the client's browser a session of this key, as one that began before the key was disabled."""
    [holder] = [each for each in state(client).accounts.keys.clients if each.name == name]
    client.set_cookie(COOKIE, state(client).sessions.begin(holder))


def statuses(client: FlaskClient, **headers: str) -> list[int]:
    """How the API and a page answer, the latter to a browser and to a program."""
    return [
        client.get("/v1/models", headers=headers).status_code,
        client.get("/page", headers=headers | BROWSER).status_code,
        client.get("/page", headers=headers).status_code,
    ]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("alices", [200, 200, 200]),
        ("operators", [200, 200, 200]),
        ("gones", [401, 303, 401]),
        ("wrong", [401, 303, 401]),
        ("", [401, 303, 401]),
    ],
)
def test_a_key_opens_api_and_pages_and_a_browser_without_one_is_led_to_sign_in(
    client: FlaskClient, key: str, expected: list[int]
) -> None:
    assert statuses(client, **bearer(key)) == expected


@pytest.mark.parametrize(
    ("name", "expected"), [("alice", [200] * 3), ("key-1", [200] * 3), ("gone", [401, 303, 401])]
)
def test_so_does_a_session(client: FlaskClient, name: str, expected: list[int]) -> None:
    enter(client, name)
    assert statuses(client) == expected


def test_a_session_that_is_over_or_forged_does_not(client: FlaskClient, clock: Clock) -> None:
    enter(client, "alice")
    clock.now += SECONDS
    assert statuses(client) == [401, 303, 401]
    for token in ("alices", "x.9999999999.y", ""):
        client.set_cookie(COOKIE, token)
        assert statuses(client) == [401, 303, 401]


def test_a_key_in_a_header_counts_and_no_session_beside_it(client: FlaskClient) -> None:
    enter(client, "alice")
    assert statuses(client, **bearer("wrong")) == [401, 303, 401]
    assert client.get("/page", headers=bearer("operators")).get_json()["client"] == "key-1"


def test_no_number_of_bad_sessions_locks_an_address_out(client: FlaskClient) -> None:
    client.set_cookie(COOKIE, "x.9999999999.y")
    for _ in range(20):
        assert client.get("/v1/models").status_code == 401
    assert client.get("/v1/models", headers=bearer("operators")).status_code == 200


def test_who_comes_is_known_by_name_and_the_operator_owns_all(client: FlaskClient) -> None:
    for name, owned in (("alice", "alice"), ("key-1", None)):
        enter(client, name)
        assert client.get("/page").get_json() == {"client": name, "owner": owned}


def test_a_session_has_the_limits_of_its_key(client: FlaskClient) -> None:
    enter(client, "alice")
    replies = [client.get("/v1/models").status_code for _ in range(4)]
    assert replies == [200, 200, 200, 429]
    assert client.get("/page").status_code == 200  # pages are not counted


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize("origin", [None, "http://evil.test", "null", "http://localhost.evil.test"])
def test_in_a_session_only_our_own_pages_change_anything(
    client: FlaskClient, method: str, origin: str | None
) -> None:
    enter(client, "alice")
    headers = {} if origin is None else {"Origin": origin}
    for path in (CHAT, "/v1/responses/resp_1", "/v1/traces/trace_1", "/page", "/v1/nowhere"):
        body = HELLO if method == "POST" else None
        assert client.open(path, method=method, headers=headers, json=body).status_code == 403
    assert client.post(CHAT, json=HELLO, headers=OURS).status_code == 200


def test_with_a_key_programs_need_no_origin(client: FlaskClient) -> None:
    assert client.post(CHAT, json=HELLO, headers=bearer("alices")).status_code == 200


def test_a_browser_is_led_to_sign_in_and_back_to_where_it_was(client: FlaskClient) -> None:
    reply = client.get("/page?q=a%26b&next=//evil.test", headers=BROWSER)
    assert reply.headers["Location"] == "/sign-in?next=%2Fpage%3Fq%3Da%2526b%26next%3D%2F%2Fevil.test"


def test_a_part_of_a_page_without_a_session_has_the_whole_page_loaded_anew(client: FlaskClient) -> None:
    reply = client.get("/page", headers=BROWSER | {"HX-Request": "true"})
    assert (reply.status_code, reply.headers["HX-Refresh"]) == (401, "true")


def test_a_form_sent_without_a_session_is_refused_as_a_page(client: FlaskClient) -> None:
    reply = client.post("/page", headers=BROWSER)
    assert reply.status_code == 401
    assert reply.content_type == "text/html; charset=utf-8"
