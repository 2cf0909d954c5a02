"""The proxy of the environment: asked for upstreams elsewhere, never for those on this machine."""

from __future__ import annotations

import logging
import os

import pytest
from yarl import URL

from optillm.engine.upstream.proxies import is_this_machine, proxy_for

PROXY = "http://proxy.test:3128"
HERE = [
    *(
        "localhost",
        "LOCALHOST",
        "localhost.",
        "a.localhost",
        "api.b.localhost",
        "127.0.0.1",
        "127.8.9.10",
        "127.1",
    ),
    *(
        "0x7f.0.0.1",
        "2130706433",
        "::1",
        "0:0:0:0:0:0:0:1",
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
        "0.0.0.0",  # noqa: S104 - nothing listens
        "::",
    ),
]
ELSEWHERE = [
    *(
        "model.test",
        "localhost.test",
        "mylocalhost",
        "localhost-1",
        "127.0.0.1.test",
        "128.0.0.1",
        "10.0.0.1",
    ),
    *("fe80::1", "::2", "api.openai.com", "::ffff:10.0.0.1", "0.0.0.1"),
]


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


def url(host: str, scheme: str = "http", port: int = 8080) -> URL:
    return URL.build(scheme=scheme, host=host, port=port, path="/v1")


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("host", HERE)
def test_an_upstream_on_this_machine_is_called_without_a_proxy(
    variable: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, PROXY)
    assert is_this_machine(host)
    assert proxy_for(url(host)) is None
    assert proxy_for(url(host, "https")) is None


@pytest.mark.parametrize("host", ELSEWHERE)
def test_an_upstream_elsewhere_is_called_through_the_proxy(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    assert not is_this_machine(host)
    assert str(proxy_for(url(host))) == PROXY


def test_each_scheme_has_its_variable_and_all_stands_in_for_either(monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxy_for(url("model.test")) is None
    monkeypatch.setenv("ALL_PROXY", "http://all.test")
    monkeypatch.setenv("HTTPS_PROXY", "http://secure.test")
    assert str(proxy_for(url("model.test"))) == "http://all.test"
    assert str(proxy_for(url("model.test", "https"))) == "http://secure.test"


@pytest.mark.parametrize(
    ("exceptions", "excepted"),
    [
        ("model.test", True),
        (".test", True),
        ("test", True),
        ("MODEL.test", True),
        ("model.test:8080", True),
        ("a.test, model.test ,b.test", True),
        ("*", True),
        ("other.test", False),
        ("el.test", False),
        ("model.test:9", False),
        ("", False),
        ("10.0.0.0/8", False),
    ],
)
@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_names_of_no_proxy_are_called_without_one(
    variable: str, exceptions: str, excepted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", PROXY)
    monkeypatch.setenv(variable, exceptions)
    assert (proxy_for(url("model.test")) is None) is excepted


@pytest.mark.parametrize(
    ("exceptions", "host", "excepted"),
    [
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3:8080", "10.1.2.3", True),
        ("fd00::/8", "fd12::1", True),
        ("fd12::1", "fd12::1", True),
        ("[fd12::1]", "fd12::1", True),
        ("fd00::/8", "fe80::1", False),
        ("10.0.0.0/99,nonsense/8", "10.1.2.3", False),
    ],
)
def test_addresses_and_ranges_of_no_proxy_are_called_without_one(
    exceptions: str, host: str, excepted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", exceptions)
    assert (proxy_for(url(host)) is None) is excepted


def test_a_proxy_may_be_written_without_its_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "proxy.test:3128")
    assert str(proxy_for(url("model.test"))) == PROXY


def test_a_proxy_of_another_kind_is_not_used_and_the_log_says_so_without_its_password(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://user:s3cret@proxy.test:1080")
    with caplog.at_level(logging.WARNING):
        assert proxy_for(url("model.test")) is None
    assert "only HTTP proxies are supported" in caplog.text
    assert "s3cret" not in caplog.text
