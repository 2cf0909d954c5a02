"""The question families as suites of `optillm eval`: rows as plain values, the same ones for the same seed.

A row has a question and its answer; one that asks for a function has tests, and is scored by running them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from optillm_simulator.problems import Family, generate


def arithmetic(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield sums told as stories."""
    return _rows("arithmetic", count, seed)


def ordering(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield puzzles about who comes after whom."""
    return _rows("ordering", count, seed)


def functions(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield functions to write."""
    return _rows("functions", count, seed)


def _rows(family: Family, count: int, seed: int) -> Iterator[dict[str, Any]]:
    for problem in generate(family, count, seed):
        row: dict[str, Any] = {"question": problem.question, "answer": problem.answer}
        yield {**row, "tests": problem.tests, "score": "python"} if problem.tests else row
