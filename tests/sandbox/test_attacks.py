"""Hostile programs against both walls together, and against each of them alone."""

from __future__ import annotations

import asyncio
import re

import pytest

from optillm.sandbox.pool import Solver
from optillm.sandbox.results import Limits
from tests.sandbox.arena import BOOTS, arena, assault
from tests.sandbox.attacks_callbacks import CALLBACKS
from tests.sandbox.attacks_libraries import SMTLIB, SYMPY, Z3
from tests.sandbox.attacks_python import ATTACKS, BOMBS

_CORPORA = {
    "python": ("z3py", ATTACKS),
    "z3": ("z3py", Z3),
    "sympy": ("sympy", SYMPY),
    "callbacks": ("sympy", CALLBACKS),
    "smtlib": ("smtlib2", SMTLIB),
}
_TARGET = re.compile(r"\{(canary|secret|port|victim)\}")
# What only prints that it got hold of something does no more than print where there is no dialect.
_HARMFUL = {
    name: [attack for attack in attacks if "ESCAPED" not in attack or _TARGET.search(attack)]
    for name, (_, attacks) in _CORPORA.items()
}
_SHORT = {"callbacks", "smtlib"}
_CASES = [name if name in _SHORT else pytest.param(name, marks=pytest.mark.slow) for name in _CORPORA]


def test_there_are_enough_attacks() -> None:
    attacks = [attack for _, corpus in _CORPORA.values() for attack in corpus] + BOMBS
    assert len(attacks) == len(set(attacks)) >= 150
    assert sum(map(len, _HARMFUL.values())) >= 300


@pytest.mark.parametrize("corpus", _CASES)
def test_nothing_gets_through_both_walls(solver: Solver, corpus: str) -> None:
    language, attacks = _CORPORA[corpus]
    assert assault(solver, language, attacks, dialect=True) == []


@pytest.mark.parametrize("corpus", _CORPORA)
def test_nothing_gets_through_the_dialect_alone(dialect_alone: Solver, corpus: str) -> None:
    language, attacks = _CORPORA[corpus]
    assert assault(dialect_alone, language, attacks, dialect=True) == []


@pytest.mark.parametrize("corpus", [name for name, attacks in _HARMFUL.items() if attacks])
def test_nothing_gets_through_the_jail_alone(jail_alone: Solver, corpus: str) -> None:
    language, _ = _CORPORA[corpus]
    assert jail_alone.level != "none"
    assert assault(jail_alone, language, _HARMFUL[corpus], dialect=False) == []


@pytest.mark.slow
def test_bombs_only_blow_up_their_own_process(solver: Solver) -> None:
    assert assault(solver, "z3py", BOMBS, dialect=True, armed=False) == []


def test_bombs_only_blow_up_their_own_process_without_the_dialect(jail_alone: Solver) -> None:
    assert assault(jail_alone, "z3py", BOMBS, dialect=False, armed=False) == []


_MUST_SING = {
    'import os; os.system("touch {canary}")': "canary1",
    'import os; os.unlink("{secret}")': "the secret was changed",
    'print(open("{secret}").read())': "the secret came back",
    'import socket; socket.create_connection(("127.0.0.1", {port}), 1)': "somebody connected",
    "import os; os.kill({victim}, 9)": "the victim was killed",
    'from z3 import *; s = Solver(logFile="{canary}"); s.add(Int("x") > 1); s.check()': "canary1",
    "sympify(\"__import__('os').close(__import__('os').open('{canary}',66))\")": "canary1",
}


@pytest.mark.parametrize("attack", _MUST_SING)
def test_the_canaries_notice_what_gets_through(no_walls: Solver, attack: str) -> None:
    breaches = assault(no_walls, "sympy", [attack], dialect=True)
    assert any(_MUST_SING[attack] in breach for breach in breaches), breaches


@pytest.fixture(scope="module")
def no_walls() -> object:
    open_field = Solver(boot=BOOTS / "no_walls.py", language_only=True)
    asyncio.run(open_field.warm())
    yield open_field
    open_field.close()


def test_output_of_an_attack_cannot_smuggle_control_characters(solver: Solver) -> None:
    with arena():
        solved = asyncio.run(solver.run("z3py", r"print('\x1b[2J\x07\r\u202e\ud800ok')", Limits()))
    assert solved.output.endswith("ok\n")
    assert all(c.isprintable() or c in "\n\t" for c in solved.output)
