"""Tables for terminals and documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from optillm import cli
from optillm.commands import tables
from tests.commands.fakes import TECHNIQUES, refusal
from tests.config.test_settings import bare_machine

__all__ = ["bare_machine"]  # fixtures that the tests here run under


def test_tables_wrap_their_last_column(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert tables.columns([["key", "word " * 10]]).count("\n     word") == 1


def test_a_document_without_a_place_for_the_table_is_refused() -> None:
    Path("document.md").write_text("nothing here", encoding="utf-8")
    assert refusal("settings", "--markdown", "document.md").startswith("the file has no place for the table")


def test_markdown_goes_between_the_markers_and_nowhere_else() -> None:
    begin, end = (
        "<!-- techniques: made by `optillm techniques --markdown FILE` -->",
        "<!-- end of techniques -->",
    )
    Path("document.md").write_text(f"before\n{begin}\nold\n{end}\nafter", encoding="utf-8")
    cli.run(["techniques", "--markdown", "document.md"], TECHNIQUES)
    written = Path("document.md").read_text(encoding="utf-8")
    assert written.startswith(f"before\n{begin}\n\n| Slug |")
    assert written.endswith(f"\n\n{end}\nafter")
    assert "old" not in written
