"""Text for a terminal: nothing in it that a terminal obeys, and lines of the right width."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optillm.commands.traces.terminal import (
    Piece,
    Section,
    cells,
    counted,
    fit,
    letter,
    line,
    paragraphs,
    plain,
    safe,
    write,
)
from tests.commands.fakes import ROOT

HOSTILE = "\x1b]0;owned\x07\x1b[2Jred\u202egnp.exe\u2066\r\x9b31m\x00"


def text(lines: list[object]) -> list[str]:
    return ["".join(piece.text for piece in each) for each in lines]  # type: ignore[attr-defined]


def test_what_a_terminal_would_obey_is_escaped() -> None:
    assert safe(HOSTILE).isprintable()
    assert "\\x1b]0;owned\\x07" in safe(HOSTILE)
    assert "\\u202e" in safe(HOSTILE)
    for each in text(list(paragraphs(HOSTILE, 40))):
        assert each.isprintable()


@given(st.text(max_size=200), st.integers(1, 50))
def test_any_text_fits_and_is_printable(anything: str, width: int) -> None:
    fitted = fit(safe(anything), width)
    assert fitted.isprintable()
    assert cells(fitted) == width


@pytest.mark.parametrize(
    ("raw", "fitted"),
    [("ab", "ab  "), ("abcd", "abcd"), ("abcde", "abc…"), ("日本語", "日… "), ("日本", "日本")],
)
def test_text_is_cut_or_filled_by_the_columns_that_it_takes(raw: str, fitted: str) -> None:
    assert fit(raw, 4) == fitted


def test_combining_marks_take_no_column() -> None:
    assert cells(unicodedata.normalize("NFD", "é")) == 1


def test_paragraphs_keep_their_breaks_and_are_wrapped() -> None:
    assert text(list(paragraphs("one two three\n\nfour", 8))) == ["one two", "three", "", "four"]


def test_of_a_long_text_the_beginning_and_the_end_are_shown() -> None:
    lines = text(list(paragraphs("\n".join(map(str, range(10))), 40, most=4)))
    assert lines == ["0", "1", "… 6 lines …", "8", "9"]


def test_candidates_have_letters_until_these_run_out() -> None:
    assert [letter(index) for index in (0, 25, 26)] == ["A", "Z", "#26"]


def test_nouns_agree_with_their_numbers() -> None:
    assert [counted(number, "call") for number in (0, 1, 1200)] == ["0 calls", "1 call", "1,200 calls"]


def test_a_section_is_plain_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    write(
        [
            Section("Why", [line(Piece("86", "bold"), " was chosen.   ")]),
            Section("Empty"),
            Section(None, [line("x")]),
        ]
    )
    assert capsys.readouterr().out == "WHY\n86 was chosen.\n\nx\n"
    assert plain(Section("Why", [line("a")])) == "WHY\na"


SCRIPT = """
from optillm.commands.traces.terminal import Piece, Section, line, write
write([Section("Why", [line(Piece("86", "bold red"), " [bold]was[/] chosen")])])
"""


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_gets_boxes_and_colours_unless_it_wants_none(
    variables: dict[str, str], coloured: bool
) -> None:
    pytest.importorskip("rich")
    controller, terminal = os.openpty()
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **variables}
    with subprocess.Popen([sys.executable, "-c", SCRIPT], env=environment, stdout=terminal) as process:  # noqa: S603
        assert process.wait(timeout=60) == 0
    os.close(terminal)
    printed = os.read(controller, 65_536).decode()
    os.close(controller)
    bare = re.sub(r"\x1b\[[\d;]*m", "", printed)
    assert "╭─ Why ─" in bare
    assert "86 [bold]was[/] chosen" in bare  # what a model writes is no markup
    assert ("\x1b[1;31m86" in printed) is coloured


def test_without_rich_a_terminal_gets_plain_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("optillm.commands.traces.terminal.find_spec", lambda _: None)
    write([Section("Why", [line("a")])])
    assert capsys.readouterr().out == "WHY\na\n"
