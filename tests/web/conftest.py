"""A real browser in front of a real server; a page that complains in its console fails its test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

HERE: Final = Path(__file__).parent
BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
MISSING: Final = "needs Chromium on the PATH: apt-get install chromium"
FLAGS: Final = ("--no-sandbox", "--disable-gpu", "--force-color-profile=srgb")
"""Tests may run as root, where the browser's own sandbox does not work."""
LOCAL: Final = ("http://127.0.0.1:", "http://localhost:", "file:", "data:", "blob:", "about:")
PATIENCE: Final = 30_000
"""Milliseconds until an expectation of a page fails; a loaded machine needs them."""


def _executable() -> str | None:
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is here where there is no browser."""
    if _executable() is None:
        for item in items:
            if HERE in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=MISSING))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=_executable(), args=FLAGS)
        yield running
        running.close()


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Open pages in contexts of their own: `open_page(url, expected_errors=(), **options of the context)`.

    The test fails if a page throws, writes an error to its console (a breach of its Content-Security-Policy is one),
    or requests something from another machine. `expected_errors` are words of console errors that are meant.
    """
    complaints: list[str] = []
    contexts: list[Any] = []

    def opened(url: str, expected_errors: Collection[str] = (), **options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()

        def console(message: ConsoleMessage) -> None:
            expected = any(words in message.text for words in expected_errors)
            if message.type == "error" and not expected:
                complaints.append(f"{message.text} ({page.url})")

        def requested(request: Request) -> None:
            if not request.url.startswith(LOCAL):
                complaints.append(f"a request left this machine: {request.url}")

        page.on("console", console)
        page.on("pageerror", lambda error: complaints.append(f"{error} ({page.url})"))
        page.on("request", requested)
        page.goto(url)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not complaints
