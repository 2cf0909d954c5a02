"""Engine and server know techniques by what they declare, never by their names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import optillm.engine
import optillm.server
from optillm import techniques

SLUGS = sorted(
    slug
    for slug, technique in techniques.registry().items()
    if technique.run.__module__.startswith("optillm.")
)
NAMED = re.compile(rf"(?<![A-Za-z0-9])({'|'.join(SLUGS)})(?![A-Za-z0-9])")
SOURCES = [
    source
    for room in (optillm.engine, optillm.server)
    for source in sorted(Path(room.__path__[0]).rglob("*.py"))
]


def words(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the names and the texts that code uses, each with its line; docstrings may give examples."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value
        for name in (
            getattr(node, field, None) for field in ("id", "attr", "arg", "name", "module", "asname")
        ):
            if isinstance(name, str):
                yield getattr(node, "lineno", 0), name


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: "/".join(source.parts[-3:]))
def test_no_technique_is_named(source: Path) -> None:
    tree = ast.parse(source.read_text(encoding="utf-8"))
    assert [(line, text) for line, text in words(tree) if NAMED.search(text)] == []


@pytest.mark.parametrize(
    "code", ['JUDGE = "bon"', "settings.rto_execution", "from optillm.techniques import z3", 'f"moa-{m}"']
)
def test_a_name_would_be_noticed(code: str) -> None:
    assert any(NAMED.search(text) for _, text in words(ast.parse(code)))


def test_examples_in_docstrings_are_welcome() -> None:
    assert not any(NAMED.search(text) for _, text in words(ast.parse('"""As in `bon-gpt-4o`."""')))
