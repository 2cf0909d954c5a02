"""The list of traces and the page of one, as HTML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from flask.testing import FlaskClient

from optillm.observe.traces.filters import Filters
from optillm.server.web.traces import LENGTH, duration, money
from tests.server.fakes import FakeEngine, served
from tests.server.web import documents
from tests.server.web.stores import Documents, numbered

BROWSER = {"Accept": "text/html,application/xhtml+xml"}
HTMX = BROWSER | {"HX-Request": "true"}


@pytest.fixture
def store() -> Documents:
    return Documents(*(numbered(number, documents.bon()) for number in range(LENGTH + 5)))


@pytest.fixture
def client(store: Documents) -> Iterator[FlaskClient]:
    with served(FakeEngine(), traces=store) as client:
        yield client


def page(client: FlaskClient, path: str, headers: dict[str, str] = BROWSER) -> str:
    response = client.get(path, headers=headers)
    assert response.status_code == 200
    assert response.content_type == "text/html; charset=utf-8"
    text: str = response.get_data(as_text=True)
    return text


def ids(text: str) -> list[str]:
    return re.findall(r'href="/traces/(trace_[0-9a-f]+)"', text)


def test_the_list_shows_the_newest_first_and_leads_to_older_ones(
    client: FlaskClient, store: Documents
) -> None:
    first = page(client, "/traces")
    newest_first = sorted(store.documents, reverse=True)
    assert ids(first) == newest_first[:LENGTH]
    (older,) = re.findall(r'href="([^"]+)" rel="next"', first)
    second = page(client, unescape(older))
    assert ids(second) == newest_first[LENGTH:]
    assert 'rel="next"' not in second
    assert '<a class="button" href="/traces">Newest</a>' in second


def test_filters_reach_the_store_and_stay_in_the_form_and_in_the_way_to_older_ones(
    client: FlaskClient, store: Documents
) -> None:
    text = page(client, "/traces?technique=bon&min_seconds=0.5&q=Tom&status=ok&client=")
    assert store.queries[-1][0] == Filters(technique="bon", least_seconds=0.5, text="Tom", status="ok")
    assert 'name="technique" type="text" size="12" value="bon"' in text
    assert '<option value="ok" selected>' in text
    (older,) = re.findall(r'href="([^"]+)" rel="next"', text)
    assert "technique=bon" in older
    assert "min_seconds=0.5" in older


def test_a_period_becomes_the_earliest_time(client: FlaskClient, store: Documents) -> None:
    page(client, "/traces?within=3600")
    since = store.queries[-1][0].since
    assert since is not None
    assert since > 1764530000.0


def test_htmx_gets_the_table_alone(client: FlaskClient) -> None:
    text = page(client, "/traces", HTMX)
    assert "<html" not in text
    assert len(ids(text)) == LENGTH


def test_a_wrong_filter_is_explained_where_the_table_would_be(client: FlaskClient) -> None:
    text = page(client, "/traces?min_cost=much", HTMX)
    assert "min_cost must be a number" in text
    assert not ids(text)


def test_an_empty_list_says_how_to_make_the_first_trace() -> None:
    with served(FakeEngine(), traces=Documents()) as client:
        text = page(client, "/traces")
    assert "No traces yet" in text
    assert "curl http://localhost/v1/chat/completions" in text


def test_a_list_that_filters_have_emptied_offers_all(client: FlaskClient) -> None:
    text = page(client, "/traces?technique=moa")
    assert "No trace matches" in text
    assert "No traces yet" not in text


def test_without_a_store_the_list_says_how_to_switch_it_on() -> None:
    with served(FakeEngine()) as client:
        assert "--traces memory" in page(client, "/traces")


def test_hostile_words_are_text_in_the_list() -> None:
    with served(FakeEngine(), traces=Documents(documents.hostile())) as client:
        text = page(client, "/traces")
    assert "<script>window" not in text
    assert "<img src=x" not in text
    assert "&lt;script&gt;window" in text


def test_the_page_of_a_trace_holds_its_document_as_data(client: FlaskClient, store: Documents) -> None:
    trace_id, document = next(iter(store.documents.items()))
    text = page(client, f"/traces/{trace_id}")
    (data,) = re.findall(r'<script type="application/json" id="document">(.*?)</script>', text, re.DOTALL)
    assert json.loads(data) == document
    assert f'data-address="/v1/traces/{trace_id}"' in text
    assert "<title>bon(n=4): Tom has 5 bags" in text


def test_hostile_words_end_neither_the_data_nor_the_title() -> None:
    document: dict[str, Any] = documents.hostile()
    with served(FakeEngine(), traces=Documents(document)) as client:
        text = page(client, f"/traces/{document['id']}")
    assert "<script>window" not in text
    assert text.count("</script>") == 5  # three files, the frame's own, and the data


def test_a_trace_that_is_not_there_is_a_page_with_status_404(client: FlaskClient) -> None:
    response = client.get("/traces/trace_ffffffffffffffffffffffff", headers=BROWSER)
    assert response.status_code == 404
    assert response.content_type == "text/html; charset=utf-8"


def test_the_pages_bring_no_script_or_style_of_their_own(client: FlaskClient, store: Documents) -> None:
    for path in ("/traces", f"/traces/{next(iter(store.documents))}"):
        text = page(client, path)
        assert not re.findall(r"<script(?![^>]*\b(?:src|type=\"application/json\"))", text)
        assert not re.findall(r"<style|\sstyle=|\son\w+=", text.partition('id="document"')[0])


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "–"), (0.0, "0 ms"), (0.31, "310 ms"), (2.44, "2.4 s"), (185.0, "3 min 5 s")]
)
def test_durations_are_short(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("cost", "text"), [(None, "–"), (0.0, "$0"), (0.00009, "$0.00009"), (0.0012, "$0.0012"), (1.5, "$1.50")]
)
def test_costs_have_two_meaningful_digits(cost: float | None, text: str) -> None:
    assert money(cost) == text
