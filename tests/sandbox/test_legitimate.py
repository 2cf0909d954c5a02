"""Honest programs give exactly the answers they give in plain Python."""

from __future__ import annotations

import asyncio

import pytest

from optillm.sandbox.pool import Solver
from optillm.sandbox.results import Limits
from tests.sandbox.legitimate_sympy import PROGRAMS as SYMPY
from tests.sandbox.legitimate_z3 import PROGRAMS as Z3

_PROGRAMS = Z3 + SYMPY


def test_there_are_enough_programs() -> None:
    assert len({program for _, _, program in _PROGRAMS}) == len(_PROGRAMS) >= 60


@pytest.mark.parametrize("place", range(len(_PROGRAMS)))
def test_an_honest_program_prints_its_answer(solver: Solver, place: int) -> None:
    language, expected, program = _PROGRAMS[place]
    solved = asyncio.run(solver.run(language, program, Limits(wall=20)))
    assert solved.error is None
    assert solved.ok
    assert solved.output.strip() == expected.strip()


@pytest.mark.parametrize("place", range(0, len(_PROGRAMS), 4))
def test_an_honest_program_needs_no_jail_to_be_right(dialect_alone: Solver, place: int) -> None:
    language, expected, program = _PROGRAMS[place]
    solved = asyncio.run(dialect_alone.run(language, program, Limits(wall=20)))
    assert solved.error is None
    assert solved.output.strip() == expected.strip()
