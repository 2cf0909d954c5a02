"""Who may come in, and as whom."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.server.access.test_auth import bearer
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
