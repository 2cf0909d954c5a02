"""The benchmark on the real model still runs, once and small. No figure is judged."""

from __future__ import annotations

import pytest

from benchmarks import real


def test_a_technique_is_measured(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real, "READ", 20)
    monkeypatch.setattr(real, "GENERATED", 8)
    monkeypatch.setenv("LLAMA_ARG_THREADS", "1")
    real.main(["--questions", "2", "--clients", "2", "--threads", "1", "--max-tokens", "20", "bon"])
    lines = capsys.readouterr().out.splitlines()
    head, row = (line.strip("|").split("|") for line in lines if line.startswith(("| technique", "| `bon`")))
    cells = {name.strip(): cell.strip() for name, cell in zip(head, row, strict=True)}
    assert cells["answered"] == "2 of 2"
    assert int(cells["generated"]) > 0
    assert float(cells["s / ideal"]) > 0
