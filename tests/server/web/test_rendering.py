"""Pages, and errors as pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from flask import Blueprint, Response
from flask.testing import FlaskClient

from optillm.errors import OptillmError, RateLimited, UpstreamError
from optillm.server.access.policy import OWN_PAGE, PAGE
from optillm.server.web.rendering import page
from tests.blocking import loop_is_running
from tests.server.access.test_auth import bearer
from tests.server.fakes import FakeEngine, served
from tests.server.test_app import error_of

BROWSER = {"Accept": "text/html"}
HOSTILE = "<script>alert(1)</script>\"'"


@contextmanager
def toy(view: Callable[[], Response]) -> Iterator[FlaskClient]:
    """A client of a server with one more page, and with the key `k`."""
    pages = Blueprint("toy", __name__)
    pages.add_url_rule("/toy", view_func=PAGE(view))
    with served(FakeEngine(), optillm_api_key=("k",)) as client:
        client.application.register_blueprint(pages)
        yield client


def failing(error: Exception) -> Callable[[], Response]:
    def view() -> Response:
        raise error

    return view


def test_a_page_is_rendered_in_a_thread_with_its_values_as_text() -> None:
    rendered_on_loop: list[bool] = []

    class Value:
        def __str__(self) -> str:
            rendered_on_loop.append(loop_is_running())
            return HOSTILE

    with toy(lambda: page("error.html", code=1, message=Value())) as client:
        reply = client.get("/toy", headers=bearer("k"))
    assert rendered_on_loop == [False]
    assert "<script>alert" not in reply.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in reply.text
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers.getlist("Content-Security-Policy") == [OWN_PAGE]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RateLimited(HOSTILE, headers={"Retry-After": "3"}), 429),
        (UpstreamError(HOSTILE, status=529), 529),
        (ValueError("secret"), 500),
    ],
)
def test_an_error_of_a_page_is_a_page_for_browsers_and_json_for_programs(
    error: Exception, status: int
) -> None:
    with toy(failing(error)) as client:
        shown = client.get("/toy", headers=bearer("k") | BROWSER)
        other = client.get("/toy", headers=bearer("k"))
    assert shown.status_code == other.status_code == status
    assert shown.content_type == "text/html; charset=utf-8"
    assert "<script>alert" not in shown.text
    assert "secret" not in shown.text
    assert f"Status {status}" in shown.text
    if isinstance(error, OptillmError):
        assert "&lt;script&gt;" in shown.text
        assert shown.headers.get("Retry-After") == error.headers.get("Retry-After")
    error_of(other)


def test_who_has_signed_in_is_named() -> None:
    with toy(lambda: page("error.html", code=1, message="")) as client:
        assert "key-1" in client.get("/toy", headers=bearer("k")).text
