"""A command is one file: found, listed, dispatched to; half of one is an error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from optillm import cli, commands
from tests.commands.fakes import TECHNIQUES, refusal
from tests.config.test_settings import bare_machine

__all__ = ["bare_machine"]  # fixtures that the tests here run under

GREET = '''"""`optillm greet [flags]`: say hello, loudly if wanted.

The rest is for whoever reads the code.
"""

def add_arguments(parser):
    """Add the flags of this command."""
    parser.add_argument("--loud", action="store_true", help="in capitals")

def run(invocation):
    """Say hello to the model."""
    text = f"hello {invocation.read().model}"
    print(text.upper() if invocation.arguments.loud else text)
'''


@pytest.fixture
def dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A file that has been dropped into the folder of the commands."""
    folder = tmp_path / "more"
    folder.mkdir()
    (folder / "greet.py").write_text(GREET, encoding="utf-8")
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(folder)])
    commands.discovered.cache_clear()
    yield
    monkeypatch.undo()
    commands.discovered.cache_clear()


@pytest.mark.usefixtures("dropped")
def test_a_file_in_the_folder_is_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    cli.run(["greet", "--loud", "--model", "m"], TECHNIQUES)
    assert capsys.readouterr().out == "HELLO M\n"
    cli.run(["--model", "m", "greet"], TECHNIQUES)
    assert capsys.readouterr().out == "hello m\n"
    assert refusal("settings", "--loud") == "--loud works only with optillm greet"
    with pytest.raises(SystemExit):
        cli.run(["--help"], TECHNIQUES)
    assert re.search(
        r"^ +optillm greet \[flags\] +say hello, loudly if wanted$", capsys.readouterr().out, re.MULTILINE
    )


def module(doc: str | None, **names: object) -> ModuleType:
    built = ModuleType("greet", doc)
    vars(built).update(names)
    return built


@pytest.mark.parametrize(
    "half",
    [
        module("`optillm greet`: say hello."),
        module("Say hello.", run=print),
        module(None, run=print),
        module("`optillm greed`: say hello.", run=print),
        module("`optillm greet`: say hello.", run="hello"),
    ],
    ids=["no run", "no usage", "no docstring", "another name", "no function"],
)
def test_half_a_command_is_an_error(half: ModuleType) -> None:
    with pytest.raises(TypeError, match="command 'greet': it needs a docstring that begins with"):
        commands.read("greet", half)


def test_a_module_without_either_half_is_shared_by_commands() -> None:
    assert commands.read("tables", module("Tables.")) is None
