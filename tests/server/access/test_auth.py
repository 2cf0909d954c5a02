"""Whose key it is."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from optillm.server.access import auth
from optillm.server.access.auth import BURST, PAUSE, Attempts, source
from tests.server.fakes import CHAT, HELLO, FakeEngine, served, settings
from tests.server.test_app import KEYS, error_of


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer first-key"},
        {"Authorization": "bearer  second-key"},
        {"api-key": "second-key"},
    ],
)
def test_any_of_the_keys_opens(headers: dict[str, str]) -> None:
    with served(FakeEngine(), optillm_api_key=KEYS) as client:
        assert client.post(CHAT, json=HELLO, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer first",
        "Bearer first-key2",
        "Basic first-key",
        "first-key",
        "Bearer k\xe9y",
    ],
)
def test_anything_else_does_not(value: str) -> None:
    with served(FakeEngine(), optillm_api_key=KEYS) as client:
        response = client.post(CHAT, json=HELLO, headers={"Authorization": value})
    assert response.status_code == 401
    error = error_of(response)
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_api_key")
    assert response.headers["WWW-Authenticate"] == "Bearer"


class Clock:
    """A clock that only tests move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def bearer(key: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}", **more}


def test_an_address_may_send_some_wrong_keys_and_then_has_to_wait_even_with_a_right_one() -> None:
    clock = Clock()
    with served(FakeEngine(), clock, optillm_api_key=KEYS) as client:

        def status(key: str) -> int:
            return client.get("/v1/models", headers=bearer(key)).status_code

        assert [status("wrong") for _ in range(BURST)] == [401] * BURST
        response = client.get("/v1/models", headers=bearer("first-key"))
        assert response.status_code == 429
        assert response.headers["Retry-After"] == str(int(PAUSE))
        assert error_of(response)["type"] == "rate_limit_error"
        assert client.get("/health").status_code == 200
        clock.now += PAUSE - 0.1
        assert status("wrong") == 429
        clock.now += 0.1
        assert status("wrong") == 401
        assert status("wrong") == 429
        clock.now += PAUSE
        assert status("first-key") == 200


def test_who_was_let_in_stays_in_whatever_others_try_from_the_same_address() -> None:
    with served(FakeEngine(), Clock(), optillm_api_key=KEYS) as client:
        assert client.get("/v1/models", headers=bearer("first-key")).status_code == 200
        for _ in range(BURST):
            client.get("/v1/models", headers=bearer("wrong"))
        assert client.get("/v1/models", headers=bearer("first-key")).status_code == 200
        assert client.get("/v1/models", headers=bearer("second-key")).status_code == 429


def test_no_key_is_no_wrong_key() -> None:
    with served(FakeEngine(), Clock(), optillm_api_key=KEYS) as client:
        for _ in range(BURST + 1):
            assert client.get("/v1/models").status_code == 401
        assert client.get("/v1/models", headers=bearer("first-key")).status_code == 200


@pytest.mark.parametrize("trusted", [(), ("127.0.0.0/8",)])
def test_only_a_trusted_proxy_says_where_wrong_keys_come_from(trusted: tuple[str, ...]) -> None:
    with served(FakeEngine(), Clock(), optillm_api_key=KEYS, trusted_proxies=trusted) as client:
        for number in range(BURST):
            for sender in (f"10.0.0.{number}", "192.0.2.1"):
                client.get("/v1/models", headers=bearer("wrong", **{"X-Forwarded-For": sender}))
        other = client.get("/v1/models", headers=bearer("first-key", **{"X-Forwarded-For": "10.0.0.99"}))
        same = client.get("/v1/models", headers=bearer("second-key", **{"X-Forwarded-For": "192.0.2.1"}))
    assert other.status_code == (200 if trusted else 429)
    assert same.status_code == 429


@pytest.mark.parametrize(
    ("remote", "forwarded", "found"),
    [
        ("192.0.2.9", "203.0.113.1", "192.0.2.9"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.1", "203.0.113.1"),
        ("10.0.0.1", "203.0.113.1, 10.0.0.2", "203.0.113.1"),
        ("10.0.0.1", "127.0.0.1, 203.0.113.1, 10.0.0.2", "203.0.113.1"),
        ("10.0.0.1", "203.0.113.1, nonsense", "10.0.0.1"),
        ("10.0.0.1", "10.0.0.2", "10.0.0.2"),
        ("::ffff:192.0.2.9", "", "192.0.2.9"),
        ("2001:db8::1:2:3:4", "", "2001:db8::/64"),
        ("", "", ""),
    ],
)
def test_finds_the_last_address_that_nobody_trusted_could_invent(
    remote: str, forwarded: str, found: str
) -> None:
    assert source(remote, forwarded, [ip_network("10.0.0.0/8")]) == found


def test_remembers_a_bounded_number_of_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "ADDRESSES", 3)
    attempts = Attempts(Clock())
    for _ in range(BURST):
        attempts.wrong("first")
    assert attempts.wait("first", b"") > 0
    for number in range(3):
        attempts.wrong(str(number))
        attempts.right(str(number), b"key")
    assert attempts.wait("first", b"") <= 0
    assert len(attempts._paid) == len(attempts._let_in) == 3


def test_proxies_are_addresses_or_networks() -> None:
    assert settings(trusted_proxies="10.0.0.1, 192.0.2.7/24,::1").trusted_proxies == (
        "10.0.0.1/32",
        "192.0.2.0/24",
        "::1/128",
    )
    with pytest.raises(ValueError, match="networks"):
        settings(trusted_proxies="proxy.test")
