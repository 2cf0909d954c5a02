"""The table of settings: what holds, and what the documentation says."""

from __future__ import annotations

from pathlib import Path

import pytest

from optillm import cli
from optillm.commands import tables
from optillm.commands.settings import settings_markdown
from optillm.config.settings import settings_model
from optillm.techniques import registry
from tests.commands.fakes import TECHNIQUES
from tests.config.test_settings import bare_machine

__all__ = ["bare_machine"]  # fixtures that the tests here run under

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_settings_show_what_would_hold_and_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hidden")
    cli.run(["settings", "--port", "1234"], TECHNIQUES)
    rows = dict(line.split()[:2] for line in capsys.readouterr().out.splitlines() if not line.startswith(" "))
    assert rows["port"] == "1234"
    assert rows["openai_api_key"] == "[set]"


def test_the_documentation_is_up_to_date() -> None:
    techniques = registry()
    model = settings_model({slug: technique.Options for slug, technique in techniques.items()})
    document = DOCUMENT.read_text(encoding="utf-8")
    renewed = tables.renewed(document, "settings", settings_markdown(model, techniques))
    assert document == renewed, "run: optillm settings --markdown docs/configuration.md"
