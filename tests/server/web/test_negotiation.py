"""A page and an endpoint of the API at one path."""

from __future__ import annotations

from typing import Final

import pytest
from flask import Blueprint, Flask
from flask.testing import FlaskClient

from optillm.server.web.negotiation import prefer_data

CHROMIUM: Final = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.fixture
def client() -> FlaskClient:
    app = Flask(__name__, static_folder=None)
    pages, data = Blueprint("web", __name__), Blueprint("api", __name__)
    pages.add_url_rule("/things", view_func=lambda: "page", endpoint="list")
    pages.add_url_rule("/things/<name>", view_func=lambda name: f"page of {name}", endpoint="one")
    pages.add_url_rule("/about", view_func=lambda: "about", endpoint="about")
    data.add_url_rule("/things", view_func=lambda: {"data": []}, endpoint="list")
    data.add_url_rule("/things/<path:name>", view_func=lambda name: {"name": name}, endpoint="one")
    data.add_url_rule(
        "/things/<path:name>", view_func=lambda name: {"deleted": name}, endpoint="gone", methods=["DELETE"]
    )
    app.register_blueprint(pages)
    app.register_blueprint(data)
    prefer_data(app, "web")
    return app.test_client()


def test_a_browser_that_navigates_gets_the_page(client: FlaskClient) -> None:
    assert client.get("/things", headers={"Accept": CHROMIUM}).text == "page"
    assert client.get("/things/a", headers={"Accept": CHROMIUM}).text == "page of a"


@pytest.mark.parametrize("accept", ["*/*", "application/json", "", "text/event-stream"])
def test_a_program_gets_the_data(client: FlaskClient, accept: str) -> None:
    assert client.get("/things", headers={"Accept": accept}).json == {"data": []}
    assert client.get("/things/a", headers={"Accept": accept}).json == {"name": "a"}


def test_a_request_that_says_nothing_gets_the_data(client: FlaskClient) -> None:
    assert client.get("/things").json == {"data": []}


def test_other_methods_reach_the_api(client: FlaskClient) -> None:
    assert client.delete("/things/a", headers={"Accept": CHROMIUM}).json == {"deleted": "a"}


def test_a_page_without_a_twin_is_served_to_everybody(client: FlaskClient) -> None:
    assert client.get("/about").text == "about"


@pytest.mark.parametrize("accept", [CHROMIUM, "*/*", "application/json"])
def test_htmx_gets_its_part_of_the_page_whatever_it_accepts(client: FlaskClient, accept: str) -> None:
    assert client.get("/things", headers={"Accept": accept, "HX-Request": "true"}).text == "page"


def test_caches_are_told_that_the_reply_depends_on_what_is_accepted(client: FlaskClient) -> None:
    for accept in (CHROMIUM, "*/*"):
        assert client.get("/things/a", headers={"Accept": accept}).headers["Vary"] == "Accept, HX-Request"
    assert "Vary" not in client.get("/about").headers
