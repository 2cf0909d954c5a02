"""The first visit: the home page, with programs that run as they are copied."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from typing import Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.e2e.proxy import Proxy, clean_environment, serving
from tests.stub import Call, Stub
from tests.web.conftest import OpenPage

PHONE: Final = {"width": 390, "height": 844}
READER: Final = ["clipboard-read", "clipboard-write"]


def copied(page: Page, language: str) -> str:
    """The program of a language, as the button copies it."""
    page.get_by_role("tab", name=language).click()
    page.get_by_role("button", name=f"Copy the {language} program").click()
    expect(page.get_by_text("Copied")).to_be_visible()
    return str(page.evaluate("() => navigator.clipboard.readText()"))


def printed(*command: str) -> str:
    """What a command prints."""
    done = subprocess.run(  # noqa: S603 - the page's own program
        command, env=clean_environment(), capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout


def test_the_command_runs_as_it_is_copied(demo: Proxy, open_page: OpenPage) -> None:
    page = open_page(demo.url, permissions=READER)
    reply = json.loads(printed("/bin/bash", "-c", copied(page, "curl")))
    assert reply["optillm"]["technique"] == "bon"
    assert reply["choices"][0]["message"]["content"]


def test_the_python_program_runs_as_it_is_copied(demo: Proxy, open_page: OpenPage) -> None:
    page = open_page(demo.url, permissions=READER)
    assert "103" in printed(sys.executable, "-c", copied(page, "Python"))


def test_the_models_and_the_state_of_the_upstream_are_shown(demo: Proxy, open_page: OpenPage) -> None:
    page = open_page(demo.url)
    expect(page.locator("#models-list")).to_contain_text("demo-small")
    expect(page.locator("#models-list")).not_to_contain_text("bon-demo-small")
    expect(page.locator("#ready")).to_contain_text("An upstream responds")


def test_the_page_is_there_while_the_upstream_is_silent(open_page: OpenPage) -> None:
    released = threading.Event()

    def respond(call: Call) -> None:
        released.wait(60)
        call.answer("four")

    with Stub(respond) as stub, serving("--base-url", stub.base_url) as proxy:
        page = open_page(proxy.url, expected_errors=["status of 503"])
        expect(page.get_by_role("heading", name="A first request")).to_be_visible()
        expect(page.locator("#models-status")).to_have_text("Loading the models…")
        released.set()
        expect(page.locator("#models-list")).to_have_text("m")


def test_an_upstream_without_a_list_of_models_is_named_in_its_own_words(open_page: OpenPage) -> None:
    def respond(call: Call) -> None:
        call.json({"error": {"message": "the list is <b>lost</b>"}}, 500)

    with Stub(respond) as stub, serving("--base-url", stub.base_url) as proxy:
        page = open_page(proxy.url, expected_errors=["status of 50"])
        expect(page.locator("#models-status")).to_contain_text("the list is <b>lost</b>")


def test_a_model_of_the_upstream_stands_in_the_programs_if_the_settings_name_none(
    open_page: OpenPage,
) -> None:
    with Stub(lambda call: call.answer("four")) as stub, serving("--base-url", stub.base_url) as proxy:
        page = open_page(proxy.url)
        expect(page.locator("#program-1")).to_contain_text('"bon-m"')
        expect(page.locator("#program-2")).to_contain_text('model="bon-m"')


def test_the_tabs_are_for_the_keyboard_too(demo: Proxy, open_page: OpenPage) -> None:
    page = open_page(demo.url)
    page.get_by_role("tab", name="curl").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Python")).to_be_focused()
    expect(page.locator("#program-2")).to_be_visible()
    expect(page.locator("#program-1")).to_be_hidden()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("tab", name="JavaScript")).to_be_focused()


def test_a_technique_leads_to_the_playground_and_to_its_options(demo: Proxy, open_page: OpenPage) -> None:
    page = open_page(demo.url)
    page.get_by_role("link", name="Try moa").click()
    expect(page).to_have_url(re.compile("/playground#"))
    expect(page.get_by_role("textbox", name="Expression").nth(1)).to_have_value("moa")
    page.get_by_role("link", name="Techniques").click()
    expect(page.locator("#moa")).to_contain_text("proposers")


@pytest.mark.parametrize("path", ["/", "/techniques", "/playground"])
def test_a_page_fits_a_phone(path: str, demo: Proxy, open_page: OpenPage) -> None:
    page = open_page(demo.url + path, viewport=PHONE)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/techniques", "/playground"])
def test_a_page_can_be_used_by_everybody(path: str, scheme: str, demo: Proxy, open_page: OpenPage) -> None:
    page = open_page(demo.url + path, color_scheme=scheme)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
