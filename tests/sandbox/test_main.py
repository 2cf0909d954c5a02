"""`python -m optillm.sandbox`: JSON in, JSON out, exit code 0."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

_ROOT = Path(__file__).resolve().parents[2]


def _ask(text: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "optillm.sandbox"], cwd=_ROOT, input=text.encode("utf-8", "surrogatepass"),
        capture_output=True, check=True,
    )  # fmt: skip
    assert done.stderr == b""
    answer: dict[str, Any] = json.loads(done.stdout)
    assert set(answer) == {"ok", "output", "error"}
    return answer


def test_runs_one_program() -> None:
    answer = _ask(json.dumps({"language": "z3py", "program": "x = Int('x')\nsolve(x == 3)"}))
    assert answer == {"ok": True, "output": "[x = 3]\n", "error": None}


def test_tells_a_failure_in_full() -> None:
    answer = _ask(json.dumps({"language": "smtlib2", "program": "(check-sat)\n(frobnicate)"}))
    assert answer["ok"] is False
    assert answer["error"]["kind"] == "refused"
    assert answer["error"]["line"] == 2


@pytest.mark.parametrize(
    "text", ["", "nonsense", "[]", "[" * 100_000, "{}", '{"language": "z3py"}', '{"language": 5, "program": "x"}',
             '{"language": "perl", "program": "x"}', '{"language": "z3py", "program": ["x"]}',
             '{"language": "z3py", "program": "\\ud800"}', '{"language": "check", "program": "{}"}']
)  # fmt: skip
def test_bad_input_is_not_ok_but_answered(text: str) -> None:
    answer = _ask(text)
    assert answer["ok"] is False
    assert answer["error"]["message"]
