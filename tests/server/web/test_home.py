"""The home page, the playground and the page of techniques, as the server gives them out."""

from __future__ import annotations

import html
import json
import re
import shlex
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pytest

from optillm.config.settings import settings_model
from optillm.server.app import create_app
from optillm.techniques import registry
from tests.server.fakes import FakeEngine, served, visiting

BROWSER: Final = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
PAGES: Final = ("/", "/playground", "/techniques")
CLIENT: Final = f"""
[keys.client]
key = "sha256:{sha256(b"sk-client").hexdigest()}"
"""


class Described(FakeEngine):
    """Has all techniques, and one that describes itself with markup."""

    def techniques(self) -> list[dict[str, Any]]:
        hostile = dict.fromkeys(("name", "summary", "paper", "rounds", "calls"), "<script>alert(1)</script>")
        odd = {"slug": "odd", "url": 'https://example.org/"><script>', "options": {}, **hostile}
        return [*(technique.described() for technique in registry().values()), odd]


def text_of(path: str, address: str = "localhost:8000", **changes: Any) -> str:
    """A page as a browser gets it."""
    with served(Described(), **changes) as client:
        response = client.get(path, headers={**BROWSER, "Host": address})
    assert response.status_code == 200
    assert response.content_type == "text/html; charset=utf-8"
    return str(response.text)


def program(page: str, number: int) -> str:
    """A program of the home page as it is copied."""
    match = re.search(rf'<pre id="program-{number}"[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert match
    return html.unescape(match.group(1))


def test_the_page_is_for_browsers_and_nothing_changes_for_programs() -> None:
    with served(Described()) as client:
        assert client.get("/", headers=BROWSER).status_code == 200
        for accept in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
            response = client.get("/", headers=accept)
            assert response.status_code == 404
            assert "POST /v1/chat/completions" in response.get_json()["error"]["message"]


def test_the_path_of_techniques_stays_that_of_the_api_for_programs() -> None:
    with served(Described()) as client:
        page = client.get("/techniques", headers=BROWSER)
        data = client.get("/techniques", headers={"Accept": "*/*"})
        assert "<html" in page.text
        assert data.get_json() == client.get("/v1/techniques").get_json()
        assert "default-src 'none'" in data.headers["Content-Security-Policy"]
        assert "script-src" not in data.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_runs_scripts_of_this_server_only_and_none_that_is_written_into_it(path: str) -> None:
    with served(Described()) as client:
        response = client.get(path, headers=BROWSER)
    policy = response.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*\bsrc=)", response.text)
    assert not re.search(r"\s(style|on\w+)=", response.text)


@pytest.mark.parametrize("path", ["/", "/techniques"])
def test_what_a_technique_says_of_itself_is_text(path: str) -> None:
    page = text_of(path)
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>" not in page


def test_every_technique_is_listed_with_its_paper() -> None:
    page = text_of("/")
    for technique in registry().values():
        assert f'href="/techniques#{technique.slug}"' in page
        assert f'href="{technique.url}"' in page


def test_every_option_is_listed_with_its_default_and_its_bounds() -> None:
    page = text_of("/techniques")
    assert "an integer from 1 to 32" in page  # of bon's n
    for technique in registry().values():
        for option in technique.Options.model_fields:
            assert f"<code>{option}</code>" in page


def test_a_default_is_that_of_this_server() -> None:
    configured = settings_model({slug: technique.Options for slug, technique in registry().items()})
    chosen: dict[str, Any] = {"base_url": "http://upstream.test/v1", "best_of_n": 7}
    app = create_app(configured(**chosen), Described())
    with visiting(app) as client:
        page = client.get("/techniques", headers=BROWSER).text
    bon = page[page.index('id="bon"') : page.index('id="cot_reflection"')]
    assert re.search(r"<code>n</code></th><td[^>]*>7</td>", bon)


def test_the_command_is_one_for_a_shell() -> None:
    page = text_of("/", model="it's-7b", base_url="http://localhost:11434/v1")
    words = shlex.split(program(page, 1).replace("\\\n", ""))
    assert words[:3] == ["curl", "-s", "http://localhost:8000/v1/chat/completions"]
    assert json.loads(words[-1])["model"] == "bon-it's-7b"


def test_a_server_with_one_technique_for_all_shows_plain_models() -> None:
    page = text_of("/", approach="moa", model="m")
    assert '"model": "m"' in program(page, 1)
    assert "every request goes through <code>moa</code>" in page


@pytest.mark.parametrize("number", [1, 2, 3])
def test_each_program_has_the_address_that_the_page_was_opened_by(number: int) -> None:
    assert "http://127.0.0.1:9000/v1" in program(text_of("/", "127.0.0.1:9000"), number)


def test_the_python_program_is_python() -> None:
    for changes in ({"model": 'a"b'}, {"optillm_api_key": ("key",)}):
        with served(Described(), **changes) as client:
            page = client.get("/", headers={**BROWSER, "Authorization": "Bearer key"}).text
        compile(program(page, 2), "program", "exec")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_each_program_names_the_key_where_one_is_needed(number: int) -> None:
    with served(Described(), optillm_api_key=("secret-key",)) as client:
        page = client.get("/", headers={**BROWSER, "Authorization": "Bearer secret-key"}).text
    assert "OPTILLM_API_KEY" in program(page, number)
    assert "secret-key" not in page
    assert "API_KEY" not in program(text_of("/"), number)


def test_a_client_of_many_sees_no_addresses_of_upstreams(tmp_path: Path) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_text(CLIENT, encoding="utf-8")
    with served(Described(), keys=str(keys), optillm_api_key=("operator",)) as client:
        own = client.get("/", headers={**BROWSER, "Authorization": "Bearer operator"}).text
        other = client.get("/", headers={**BROWSER, "Authorization": "Bearer sk-client"}).text
    assert "upstream.test" in own
    assert "upstream.test" not in other


def test_a_server_without_keys_that_is_open_to_other_machines_shows_no_addresses() -> None:
    assert "upstream.test" in text_of("/")
    assert "upstream.test" not in text_of("/", host="0.0.0.0", insecure=True)  # noqa: S104 - not listened on


def test_a_password_in_an_upstreams_address_is_not_shown() -> None:
    page = text_of("/", base_url="http://user:pass-word@host.test/v1")
    assert "host.test" in page
    assert "pass-word" not in page


def test_the_playground_begins_with_the_model_of_the_settings() -> None:
    assert 'data-model="demo-small"' in text_of("/playground", model="demo-small")
    assert 'data-model=""' in text_of("/playground")


def test_pages_need_the_key_of_the_server() -> None:
    with served(Described(), optillm_api_key=("key",)) as client:
        for path in PAGES:
            assert client.get(path, headers=BROWSER).status_code == 303
            assert client.get(path).status_code == 401
