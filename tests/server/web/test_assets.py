"""The files of pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from optillm.server.web.assets import FOREVER, Assets
from tests.server.fakes import FakeEngine, served


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, content in {
        "static/a.js": "a",
        "static/b/c.css": "c",
        "vendor/d.js": "d",
        "other.py": "o",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path


def test_files_of_both_folders_have_addresses_and_no_others(folder: Path) -> None:
    assets = Assets.load(folder)
    root = f"/static/{assets.version}"
    assert assets.url("a.js") == f"{root}/a.js"
    assert assets.url("b/c.css") == f"{root}/b/c.css"
    assert assets.url("vendor/d.js") == f"{root}/vendor/d.js"
    for name in ("d.js", "other.py", "../other.py", ""):
        with pytest.raises(KeyError):
            assets.url(name)


@pytest.mark.parametrize("change", ["static/a.js", "vendor/d.js", "static/e.js"])
def test_addresses_change_with_any_file(folder: Path, change: str) -> None:
    before = Assets.load(folder).version
    assert Assets.load(folder).version == before
    (folder / change).write_text("new")
    assert Assets.load(folder).version != before


def test_a_file_is_served_to_everybody_and_kept_for_ever() -> None:
    with served(FakeEngine(), optillm_api_key=("key",)) as client:
        address = Assets.load().url("page.js")
        reply = client.get(address)
        assert reply.status_code == 200
        assert reply.content_type == "text/javascript; charset=utf-8"
        assert reply.headers["Cache-Control"] == FOREVER
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert client.get(address.replace("page.js", "style.css")).content_type == "text/css; charset=utf-8"
        older = client.get("/static/older/page.js")
        assert (older.data, older.headers["Cache-Control"]) == (reply.data, "no-cache")


@pytest.mark.parametrize(
    "name",
    [
        "none.js",
        "../rendering.py",
        "%2e%2e/rendering.py",
        "..%2frendering.py",
        "vendor/../../rendering.py",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "page.js%00",
        "page.js/",
        "",
    ],
)
def test_no_way_of_writing_a_name_leads_to_another_file(name: str) -> None:
    with served(FakeEngine()) as client:
        assert client.get(f"/static/x/{name}").status_code == 404
