"""Suites of installed packages, and of reasoning-gym."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint
from types import ModuleType
from typing import Any

import pytest

from optillm.config.sources import SettingsError
from optillm.evals import suites as module
from optillm.evals.scorers import scorer
from optillm.evals.suites import suites
from tests.evals.fakes import tools


def sums(count: int, seed: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        yield {"question": f"{number} + {seed}?", "answer": number + seed}


def broken(count: int, seed: int) -> Iterator[dict[str, Any]]:
    raise RuntimeError("no data")


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two suites, one of which is broken; no reasoning-gym."""
    entries = [EntryPoint(name, f"{__name__}:{name}", module.GROUP) for name in ("sums", "broken")]
    monkeypatch.setattr(module, "entry_points", lambda group: entries)
    monkeypatch.setattr(module, "find_spec", lambda name: None)


def test_a_suite_is_a_function_of_an_installed_package() -> None:
    questions = suites(["sums"], 3, 7)
    assert [(question.id, question.text, question.answers) for question in questions] == [
        ("sums/1", "0 + 7?", ("7",)),
        ("sums/2", "1 + 7?", ("8",)),
        ("sums/3", "2 + 7?", ("9",)),
    ]
    assert {question.group for question in questions} == {"sums"}


def test_a_suite_that_fails_is_named() -> None:
    with pytest.raises(SettingsError, match=r"the suite broken .* cannot be used: RuntimeError: no data"):
        suites(["broken"], 3, 0)


def test_a_suite_that_does_not_exist_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"unknown suite sum; did you mean `sums`\?"):
        suites(["sum"], 3, 0)
    with pytest.raises(
        SettingsError, match=r"unknown suite chain_xyz; there are broken, sums; for those of reas"
    ):
        suites(["chain_xyz"], 3, 0)


@dataclass
class Gym:
    """A stand-in for reasoning-gym, whose verifier gives part marks."""

    entries: list[dict[str, Any]]

    def score_answer(self, answer: str, entry: dict[str, Any]) -> float:
        if not answer:
            raise ValueError("no answer")
        return 1.0 if answer == entry["answer"] else 0.01


@pytest.fixture
def gym(monkeypatch: pytest.MonkeyPatch) -> None:
    package, factory = ModuleType("reasoning_gym"), ModuleType("reasoning_gym.factory")
    entry = {"question": "4 + 5 - 2 =", "answer": "7", "metadata": {"difficulty": 1}}

    def create_dataset(name: str, size: int, seed: int) -> list[dict[str, Any]]:
        return [entry] * size

    package.create_dataset = create_dataset  # type: ignore[attr-defined]
    package.get_score_answer_fn = lambda name: Gym([]).score_answer  # type: ignore[attr-defined]
    factory.DATASETS = {"chain_sum": None}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "reasoning_gym", package)
    monkeypatch.setitem(sys.modules, "reasoning_gym.factory", factory)
    monkeypatch.setattr(module, "find_spec", lambda name: ModuleSpec(name, None))
    module._verifier.cache_clear()


async def marked(reply: str) -> float:
    (question,) = suites(["chain_sum"], 1, 0)
    assert question.score is not None
    return (await scorer(question.score).score(question, reply, tools())).value


@pytest.mark.usefixtures("gym")
def test_reasoning_gyms_own_verifiers_score() -> None:
    assert asyncio.run(marked("4 + 5 = 9, and 9 - 2 = 7. The answer is 7.")) == 1.0
    assert asyncio.run(marked("<answer>8</answer>")) == 0.01
    assert asyncio.run(marked("7")) == 1.0
    assert asyncio.run(marked("It is\n7")) == 1.0
    assert asyncio.run(marked("")) == 0.0


@pytest.mark.usefixtures("gym")
def test_suites_of_reasoning_gym_are_suggested() -> None:
    with pytest.raises(SettingsError, match=r"did you mean `chain_sum`\?"):
        suites(["chainsum"], 1, 0)
