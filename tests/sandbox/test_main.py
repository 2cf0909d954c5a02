"""`python -m optillm.sandbox`: JSON in, JSON out, exit code 0."""

from __future__ import annotations

import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from optillm.sandbox.__main__ import main

_ROOT = Path(__file__).resolve().parents[2]


def _ask(text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    given = BytesIO(text.encode("utf-8", "surrogatepass"))
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=given))
    main()
    written = capsys.readouterr()
    assert written.err == ""
    return _answer(written.out)


def _answer(text: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(text)
    assert set(answer) == {"ok", "output", "error"}
    return answer


def test_runs_one_program() -> None:
    request = json.dumps({"language": "z3py", "program": "x = Int('x')\nsolve(x == 3)"})
    done = subprocess.run(
        [sys.executable, "-m", "optillm.sandbox"],
        cwd=_ROOT,
        input=request,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert _answer(done.stdout) == {"ok": True, "output": "[x = 3]\n", "error": None}


def test_tells_a_failure_in_full(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    program = json.dumps({"language": "smtlib2", "program": "(check-sat)\n(frobnicate)"})
    answer = _ask(program, monkeypatch, capsys)
    assert answer["ok"] is False
    assert answer["error"]["kind"] == "refused"
    assert answer["error"]["line"] == 2


@pytest.mark.parametrize(
    "text", ["", "nonsense", "[]", "[" * 100_000, "{}", '{"language": "z3py"}', '{"language": 5, "program": "x"}',
             '{"language": "perl", "program": "x"}', '{"language": "z3py", "program": ["x"]}',
             '{"language": "z3py", "program": "\\ud800"}', '{"language": "check", "program": "{}"}']
)  # fmt: skip
def test_bad_input_is_not_ok_but_answered(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = _ask(text, monkeypatch, capsys)
    assert answer["ok"] is False
    assert answer["error"]["message"]
