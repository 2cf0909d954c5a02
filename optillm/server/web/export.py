"""A trace as one HTML file that opens from disk.

Its script is made of the same modules as the request page.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import Any, Final

import orjson

HERE: Final = Path(__file__).parent
STATIC: Final = HERE / "static"
ENTRY: Final = "trace/standalone.js"
"""The module that shows the document which stands in its own page."""
TREES: Final = "d3-hierarchy.min.js"
GRAPHS: Final = "dagre.min.js"

_IMPORT = re.compile(r'^import \{ ([^}]+) \} from "([^"]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?function|const) (\w+)", re.MULTILINE)
_SOURCE_MAP = re.compile(r"^//# sourceMappingURL=.*$", re.MULTILINE)
_ESCAPED: Final = {character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}

PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title} · optillm</title>
<style>{style}</style>
</head>
<body>
<header class="bar"><span class="brand">optillm</span><span class="soft">{note}</span></header>
<main id="main"><div id="trace"><noscript>This page draws its pictures with a script.</noscript></div></main>
<script type="application/json" id="document">{document}</script>
{scripts}
</body>
</html>
"""


def self_contained(document: dict[str, Any]) -> str:
    """Return a trace document as a page that needs no server.

    It reads files, so call it in a thread. The page's Content-Security-Policy allows the scripts and the style in it
    by their hashes, and nothing else.
    """
    style = _read("style.css")
    scripts = list(_scripts(document))
    return PAGE.format(
        policy=html.escape(_policy(style, scripts)),
        title=html.escape(title(document)),
        style=style,
        note=html.escape(f"trace {document['id']}"),
        document=data_block(document),
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
    )


def data_block(document: dict[str, Any]) -> str:
    """Return JSON that can stand in a script element.

    Nothing in it ends the element or begins a comment.
    """
    text = orjson.dumps(document).decode()
    for character, escape in _ESCAPED.items():
        text = text.replace(character, escape)
    return text


def title(document: dict[str, Any]) -> str:
    """Return what a page with this trace is called: technique and question."""
    question = document["request"]["question"] or document["model"]
    return " ".join(f"{document['technique']}: {question}".split())[:120]


def _scripts(document: dict[str, Any]) -> Iterator[str]:
    """Yield the scripts that this document needs; most have no tree and no composition."""
    if document["trees"]:
        yield _vendored(TREES)
    if document["composition"]:
        yield _vendored(GRAPHS)
    yield linked(ENTRY)


def _policy(style: str, scripts: list[str]) -> str:
    return (
        f"default-src 'none'; script-src {' '.join(map(_source, scripts))}; style-src {_source(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _source(content: str) -> str:
    """Return how a Content-Security-Policy names an element's content."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


@cache
def linked(entry: str) -> str:
    """Return a module and what it imports as one script.

    A page from disk cannot import, so each module becomes a function that returns what it exports. The modules keep
    to a form that makes this simple: imports of names on one line each, and exported functions and constants.
    """
    order: dict[str, str] = {}
    _visit(entry, order)
    return "\n".join(['"use strict";', "(() => {", "const modules = {};", *order.values(), "})();"])


def _visit(name: str, order: dict[str, str]) -> None:
    source = _read(name)
    for _, path in _IMPORT.findall(source):
        imported = _resolved(name, path)
        if imported not in order:
            _visit(imported, order)
    order[name] = _wrapped(name, source)


def _wrapped(name: str, source: str) -> str:
    exported = ", ".join(match[2] for match in _EXPORT.finditer(source))
    body = _IMPORT.sub(
        lambda match: f'const {{ {match[1]} }} = modules["{_resolved(name, match[2])}"];', source
    )
    body = _EXPORT.sub(r"\1 \2", body)
    return f'modules["{name}"] = (() => {{\n{body}return {{ {exported} }};\n}})();'


def _resolved(name: str, path: str) -> str:
    return normpath(join(dirname(name), path))


@cache
def _read(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")


@cache
def _vendored(name: str) -> str:
    source = (HERE / "vendor" / name).read_text(encoding="utf-8")
    return _SOURCE_MAP.sub("", source)  # the map is not in the page
