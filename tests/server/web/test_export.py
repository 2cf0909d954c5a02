"""A trace as one file: what is in it, and what cannot get out of it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re

import pytest

from optillm.server.web.export import ENTRY, data_block, linked, self_contained, title
from tests.server.web import documents
from tests.server.web.documents import HOSTILE

SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
DATA = re.compile(r'<script type="application/json" id="document">(.*?)</script>', re.DOTALL)
POLICY = re.compile(r'Content-Security-Policy" content="([^"]*)"')


def hashed(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def test_the_document_in_the_file_is_the_one_that_was_exported() -> None:
    document = documents.hostile()
    (data,) = DATA.findall(self_contained(document))
    assert json.loads(data) == document


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_model_ends_the_data_or_begins_markup(text: str) -> None:
    block = data_block({"text": text})
    assert not set(block) & set("<>&\u2028\u2029")
    assert json.loads(block) == {"text": text}


def test_the_policy_names_each_script_and_the_style_by_its_hash_and_nothing_else() -> None:
    page = self_contained(documents.bon() | {"trees": documents.mcts()["trees"]})
    policy = html.unescape(POLICY.findall(page)[0])
    scripts = SCRIPT.findall(page)
    assert len(scripts) == 2  # the layout of trees, and our own
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert directives == {
        "default-src": "'none'",
        "script-src": " ".join(map(hashed, scripts)),
        "style-src": hashed(style),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_the_file_loads_nothing_from_elsewhere() -> None:
    page = self_contained(documents.composed())
    markup = SCRIPT.sub("", DATA.sub("", page))
    assert not re.findall(r"(?:src|href)=|url\((?!#)|@import", markup)
    assert "sourceMappingURL" not in page


def test_layouts_are_in_the_file_only_where_its_trace_has_pictures_that_need_them() -> None:
    plain, tree, composed = (
        len(SCRIPT.findall(self_contained(each)))
        for each in (documents.document(), documents.mcts(), documents.composed())
    )
    assert (plain, tree, composed) == (1, 2, 2)


def test_the_title_is_escaped_and_short() -> None:
    document = documents.hostile()
    page = self_contained(document)
    assert f"<title>{html.escape(title(document))}" in page
    assert len(title(document)) <= 120


def test_linking_leaves_no_import_or_export_behind() -> None:
    script = linked(ENTRY)
    assert not re.findall(r"^\s*(?:import|export)\b", script, re.MULTILINE)
    assert "</script" not in script
    assert "<!--" not in script


def test_each_module_stands_before_those_that_import_it() -> None:
    script = linked(ENTRY)
    for name in re.findall(r'= modules\["([^"]+)"\];', script):
        assert script.index(f'modules["{name}"] = ') < script.index(f'= modules["{name}"];')
