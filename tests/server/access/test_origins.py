"""By which name a client comes, and from which page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from optillm.errors import InvalidRequest, PermissionDenied
from optillm.server.access.origins import is_https, own_url, refuse_forgeries, refuse_other_sites, same_origin
from optillm.server.app import create_app
from tests.server.fakes import FakeEngine, settings


def at_request(function: Callable[[], Any], origins: str = "", **headers: str) -> Any:
    """What a function returns in a request with these headers."""
    app = create_app(settings(cors_origins=origins), FakeEngine())
    sent = {"Host": "proxy.test:81"} | {name.replace("_", "-"): value for name, value in headers.items()}
    with app.test_request_context(headers=sent):
        return function()


@pytest.mark.parametrize(
    ("sent", "https"),
    [
        ("https", True),
        ("HTTPS", True),
        ("http, https", True),
        ("https, http", False),
        ("", False),
        ("x", False),
    ],
)
def test_a_connection_is_what_the_last_proxy_says_of_it(sent: str, https: bool) -> None:
    assert at_request(is_https, X_Forwarded_Proto=sent) is https


def test_an_address_has_the_name_by_which_the_client_came() -> None:
    assert at_request(lambda: own_url("/traces/x")) == "http://proxy.test:81/traces/x"
    assert at_request(lambda: own_url("/x"), Host="a.test", X_Forwarded_Proto="https") == "https://a.test/x"


@pytest.mark.parametrize("host", ["", "a/b", 'a"b', "a b", "a\u00e9", "a:b", "<x>"])
def test_what_is_no_name_gives_no_address(host: str) -> None:
    assert at_request(lambda: own_url("/x"), Host=host) is None


ORIGINS = [
    ("http://proxy.test:81", True),
    ("https://proxy.test:81", True),
    ("http://proxy.test", False),
    ("http://proxy.test:82", False),
    ("http://evil.proxy.test:81", False),
    ("http://proxy.test:81.evil.test", False),
    ("http://proxy.test:81@evil.test", False),
    ("http://evil.test/proxy.test:81", False),
    ("http://[proxy.test:81", False),
    ("http://[", False),
    ("null", False),
    ("", False),
]


@pytest.mark.parametrize(("origin", "ours"), ORIGINS)
def test_a_page_is_ours_if_it_has_our_name_and_port(origin: str, ours: bool) -> None:
    assert at_request(same_origin, Origin=origin) is ours
    if ours:
        at_request(refuse_forgeries, Origin=origin)
    else:
        with pytest.raises(PermissionDenied):
            at_request(refuse_forgeries, Origin=origin)


def test_without_an_origin_a_request_is_no_page_of_ours() -> None:
    assert not at_request(same_origin)
    assert not at_request(same_origin, Origin="null", Host="a/b")
    with pytest.raises(PermissionDenied):
        at_request(refuse_forgeries)


def test_a_listed_page_sends_forms_but_does_nothing_for_somebody_who_has_signed_in_here() -> None:
    other = "https://chat.example.org"
    at_request(refuse_other_sites, origins=other, Origin=other)
    with pytest.raises(PermissionDenied):
        at_request(refuse_forgeries, origins=other, Origin=other)


def test_programs_and_our_own_pages_send_forms_and_other_sites_do_not() -> None:
    at_request(refuse_other_sites)
    at_request(refuse_other_sites, Origin="http://proxy.test:81")
    for origin in ("http://evil.test", "null"):
        with pytest.raises(InvalidRequest):
            at_request(refuse_other_sites, Origin=origin)
