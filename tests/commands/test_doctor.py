"""The doctor as a command: which upstream, and no secrets."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from optillm import cli
from optillm.config.settings import Settings
from optillm.config.sources import SettingsError
from tests.commands.fakes import TECHNIQUES, TWO, refusal
from tests.config.test_settings import bare_machine

__all__ = ["bare_machine"]  # fixtures that the tests here run under


def test_the_doctor_checks_the_upstream_that_is_named() -> None:
    Path("optillm.toml").write_text(TWO, encoding="utf-8")
    assert refusal("doctor", "--upstream", "mian") == "unknown upstream mian; did you mean `main`?"
    assert refusal("doctor", "--upstream", "xyz").startswith("unknown upstream xyz; there is ")
    assert refusal("settings", "--upstream", "main") == "--upstream works only with optillm doctor"


def test_the_doctor_hides_secrets_in_what_libraries_say(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configured: list[tuple[str, tuple[str, ...]]] = []

    async def examine(settings: Settings, **_: Any) -> Any:
        return SimpleNamespace(table=str, usable=True)

    monkeypatch.setattr("optillm.commands.doctor.checks.examine", examine)
    monkeypatch.setattr(
        "optillm.logs.configure", lambda level, secrets: configured.append((level, tuple(secrets)))
    )
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hidden")
    cli.run(["doctor"], TECHNIQUES)
    assert capsys.readouterr().err == ""
    assert configured == [("warning", ("sk-hidden",))]


def test_the_doctor_says_when_no_upstream_is_configured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def examine(settings: Settings, **_: Any) -> Any:
        return SimpleNamespace(table=str, usable=True)

    monkeypatch.setattr("optillm.commands.doctor.checks.examine", examine)
    monkeypatch.setattr("optillm.logs.configure", lambda *_: None)
    cli.run(["doctor"], TECHNIQUES)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("No upstream is configured: set OPENAI_API_KEY or --base-url, or try --demo")
    with pytest.raises(SettingsError, match="unknown upstream zz"):
        cli.run(["doctor", "--upstream", "zz"], TECHNIQUES)
    cli.run(["doctor", "--base-url", "http://127.0.0.1:9/v1"], TECHNIQUES)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("flags", [(), ("--place-instructions",)])
def test_the_doctor_asks_where_instructions_should_stand_only_when_told_to(
    flags: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[bool] = []

    async def examine(settings: Settings, *, placements: bool, **_: Any) -> Any:
        wanted.append(placements)
        return SimpleNamespace(table=str, usable=True)

    monkeypatch.setattr("optillm.commands.doctor.checks.examine", examine)
    monkeypatch.setattr("optillm.logs.configure", lambda *_: None)
    cli.run(["doctor", "--base-url", "http://127.0.0.1:9/v1", *flags], TECHNIQUES)
    assert wanted == [bool(flags)]
    assert (
        refusal("settings", "--place-instructions") == "--place-instructions works only with optillm doctor"
    )
