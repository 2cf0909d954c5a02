"""The suites that the simulator offers to evaluations."""

from __future__ import annotations

import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
SUITES = PROJECT["project"]["entry-points"]["optillm.suites"]


@pytest.mark.parametrize("name", SUITES)
def test_a_suite_has_as_many_rows_as_wanted_and_the_same_for_the_same_seed(name: str) -> None:
    suite = EntryPoint(name, SUITES[name], "optillm.suites").load()
    rows = list(suite(5, 1))
    assert len(rows) == 5
    assert rows == list(suite(5, 1))
    assert rows != list(suite(5, 2))
    assert all(row["question"] and row["answer"] for row in rows)
    assert all(("tests" in row) == (row.get("score") == "python") for row in rows)
