"""Signing in with a browser, and what other sites make of somebody who has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.proxy import Proxy, serving
from tests.stub import Call, Stub
from tests.web.conftest import OpenPage

REFUSALS = ("401", "403")
"""The console mentions a refused page."""
LINKS = """<!doctype html><a href="{url}/traces?q=a%26b">A trace</a>
<form method="post" action="{url}/sign-out"><button>Sign out</button></form>
<form method="post" action="{url}/sign-in"><input name="key" value="operator"><button>Sign in</button></form>"""


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    with serving("--demo", "--optillm-api-key", "operator") as running:
        yield running


@pytest.fixture
def elsewhere(proxy: Proxy) -> Iterator[str]:
    """The address of a page on another site."""

    def respond(call: Call) -> None:
        call.raw(LINKS.format(url=proxy.url).encode(), content_type="text/html")

    with Stub(respond) as stub:
        yield f"http://localhost:{urlsplit(stub.base_url).port}/"


def sign_in(page: Page, key: str = "operator") -> None:
    page.get_by_label("key").fill(key)
    page.get_by_role("button", name="Sign in").click()


def test_a_key_leads_to_the_page_one_wanted_and_signing_out_closes_it(
    proxy: Proxy, open_page: OpenPage
) -> None:
    page = open_page(f"{proxy.url}/traces?q=marbles", REFUSALS)
    expect(page).to_have_url(re.compile("/sign-in"))
    sign_in(page, "wrong")
    expect(page.get_by_role("alert")).to_have_text("This key is not valid here")
    sign_in(page)
    expect(page).to_have_url(f"{proxy.url}/traces?q=marbles")
    assert page.evaluate("document.cookie") == ""
    page.goto(f"{proxy.url}/playground")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/sign-in"))
    page.goto(f"{proxy.url}/traces")
    expect(page).to_have_url(re.compile("/sign-in"))


def test_a_link_on_another_site_leads_to_the_page_without_signing_in_again(
    proxy: Proxy, elsewhere: str, open_page: OpenPage
) -> None:
    page = open_page(f"{proxy.url}/sign-in")
    sign_in(page)
    expect(page).to_have_url(f"{proxy.url}/")
    page.goto(elsewhere)
    page.get_by_role("link", name="A trace").click()
    expect(page).to_have_url(f"{proxy.url}/traces?q=a%26b")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()


def test_a_link_on_another_site_leads_to_the_form_whoever_has_not_signed_in(
    elsewhere: str, open_page: OpenPage
) -> None:
    page = open_page(elsewhere)
    page.get_by_role("link", name="A trace").click()
    expect(page.get_by_label("key")).to_be_visible()
    sign_in(page)
    expect(page).to_have_url(re.compile(r"/traces\?q=a%26b$"))


def test_another_site_signs_nobody_in_or_out(proxy: Proxy, elsewhere: str, open_page: OpenPage) -> None:
    page = open_page(elsewhere, REFUSALS)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Status 403")).to_be_visible()
    page.goto(f"{proxy.url}/sign-in")
    sign_in(page)
    expect(page).to_have_url(f"{proxy.url}/")
    page.goto(elsewhere)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("Status 403")).to_be_visible()
    page.goto(f"{proxy.url}/traces")
    expect(page).to_have_url(f"{proxy.url}/traces")
