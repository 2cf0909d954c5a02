"""Targets: how they are named, and what becomes of a question put to one."""

from __future__ import annotations

import pytest

from optillm.config.sources import SettingsError
from optillm.evals.targets import Target, read_targets
from optillm.techniques import registry


def targets(text: str) -> list[Target]:
    return read_targets(text, registry(), "m")


def test_rows_are_named_with_commas_outside_of_brackets() -> None:
    named = targets(" plain, bon(n=8, judge=rate) ,moa(proposers=[a,b])&re2,gpt-4o,bon(n=2)-gpt-4o")
    assert [(target.name, target.approach, target.model, target.here) for target in named] == [
        ("plain", "none", "m", True),
        ("bon(n=8, judge=rate)", "bon(n=8, judge=rate)", "m", True),
        ("moa(proposers=[a,b])&re2", "moa(proposers=[a,b])&re2", "m", True),
        ("gpt-4o", "none", "gpt-4o", False),
        ("bon(n=2)-gpt-4o", "none", "bon(n=2)-gpt-4o", False),
    ]


def test_a_row_may_be_repeated() -> None:
    named = targets("plain,plain,plain")
    assert [target.name for target in named] == ["plain", "plain (2)", "plain (3)"]
    assert [target.repetition for target in named] == [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("self_consistancy", "did you mean self_consistency"),
        ("plian", "did you mean plain"),
        ("bon(n=)", "write option=value"),
        ("bon(n=2", "not closed"),
        (" , ", "names nothing"),
    ],
)
def test_a_slip_is_refused(text: str, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        targets(text)
