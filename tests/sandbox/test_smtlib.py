"""The SMT-LIB reader and its allow-list: stricter than any tokenizer behind them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optillm.sandbox.inside.outcome import Failed, Refused
from optillm.sandbox.inside.smtlib.allowed import COMMANDS, admit
from optillm.sandbox.inside.smtlib.reader import read, show


def _reprinted(text: str) -> str:
    return " ".join(show(node) for node in read(text))


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("(assert\n\t(> x 1)) ; why", "(assert (> x 1))"),
        ('(echo "a""b")', '(echo "a""b")'),
        ('(echo "é")', '(echo "\\u{e9}")'),
        ("(declare-const |a b\nc| Int)", "(declare-const |a b c| Int)"),
        ('; ünïcode | " \\ ( \r\n(check-sat)', "(check-sat)"),
        ("#b01 #xaF 1.50 -x :k", "#b01 #xaF 1.50 -x :k"),
        ("()", "()"),
    ],
)
def test_what_is_understood_is_printed_again(text: str, printed: str) -> None:
    assert _reprinted(text) == printed


@pytest.mark.parametrize(
    "text",
    [
        "(a",
        "a)",
        '"open',
        "|open",
        "|a\\|b|",
        '"a\\b"',
        "a\rb",
        "a\0",
        "(a\x0bb)",
        "é",
        "1a",
        "#q",
        "|\x01|",
        '"\x7f"',
        "{}",
        "'a",
        "a,b",
    ],
)
def test_what_another_tokenizer_could_read_differently_is_not_read_at_all(text: str) -> None:
    with pytest.raises(Failed):
        read(text)


@given(st.text(alphabet='()|";\\\n\r\t ax1:#.\u00e9\x00', max_size=60))
def test_printing_is_a_fixed_point_and_pure_ascii(text: str) -> None:
    try:
        printed = _reprinted(text)
    except Failed:
        return
    assert _reprinted(printed) == printed
    assert all(" " <= c <= "~" for c in printed)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(" * 401, "nested deeper"),
        ("()" * 30_001, "tokens"),
        ("x" * 100_001, "characters"),
        ("1" * 10_001, "digits"),
    ],
)
def test_texts_beyond_the_limits_are_refused(text: str, message: str) -> None:
    with pytest.raises(Refused, match=message):
        read(text)


@pytest.mark.parametrize(
    "command",
    ['(include "x")', '(set-option :regular-output-channel "x")', '(set-option :smt.mbqi "x")', "(help)",
     "(push 1000)",
     "(get-info :all-statistics)", "(assert (! x :lblpos y))", "(declare-const x (_ BitVec 1025))",
     "(set-option :timeout)",
     "(assert ((_ extract 99999999 0) x))", "(eval-file x)", "(set-option :timeout x)"],
)  # fmt: skip
def test_commands_and_options_off_the_list_are_refused(command: str) -> None:
    with pytest.raises(Failed):
        admit(read(command)[0], COMMANDS, 1000)


@pytest.mark.parametrize(
    ("command", "admitted"),
    [
        ("(set-option :timeout 99999999)", "(set-option :timeout 1000)"),
        ("(set-option :timeout 0)", "(set-option :timeout 1000)"),
        ("(set-option :timeout 50)", "(set-option :timeout 50)"),
        ("(set-option :produce-models true)", "(set-option :produce-models true)"),
        ("(set-option :print-success true)", None),
        ("(set-info :source |x|)", None),
    ],
)
def test_options_are_clamped_or_dropped(command: str, admitted: str | None) -> None:
    form = admit(read(command)[0], COMMANDS, 1000)
    assert (None if form is None else show(form)) == admitted
