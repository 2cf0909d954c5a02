"""Keys leave the command line."""

from __future__ import annotations

import os
import sys

import pytest

from optillm.config.argv import conceal, without

FLAGS = ("--api-key",)


class Started(Exception):
    """Stands for the program that takes this one's place."""


@pytest.fixture
def replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    def execv(path: str, arguments: list[str]) -> None:
        raise Started(path, *arguments)

    monkeypatch.setattr(os, "execv", execv)
    monkeypatch.setattr(
        sys, "orig_argv", ["python", "-X", "dev", "-m", "optillm", "--port", "1", "--api_key", "k"]
    )
    monkeypatch.delenv("API_KEY", raising=False)
    monkeypatch.setattr(os, "environ", dict(os.environ))


@pytest.mark.parametrize(
    ("argv", "kept", "values"),
    [
        ("--port 1 --api-key a --n 2", "--port 1 --n 2", "a"),
        ("--api_key=a doctor --api-key b", "doctor", "a b"),
        ("--api-key=", "", " "),
        ("--api-key", "", ""),
        ("--api-keys a --xapi-key b api-key -api-key c", "--api-keys a --xapi-key b api-key -api-key c", ""),
    ],
)
def test_finds_a_flag_in_every_spelling(argv: str, kept: str, values: str) -> None:
    found = without(argv.split(), FLAGS)
    assert found == (kept.split(), [""] if values == " " else values.split())


@pytest.mark.usefixtures("replaced")
def test_starts_anew_without_the_flag_and_with_its_value_in_the_environment() -> None:
    with pytest.raises(Started) as started:
        conceal(["--port", "1", "--api_key", "k"], FLAGS, "API_KEY")
    assert started.value.args == (sys.executable, sys.executable, "-X", "dev", "-m", "optillm", "--port", "1")
    assert os.environ["API_KEY"] == "k"


@pytest.mark.usefixtures("replaced")
@pytest.mark.parametrize("argv", [[], ["--port", "1"], ["--api-key"], ["--api-key", " "], ["--api-key="]])
def test_leaves_what_is_no_key_to_the_parser(argv: list[str]) -> None:
    conceal(argv, FLAGS, "API_KEY")
    assert "API_KEY" not in os.environ
