"""Whatever calls a program back hands it nothing that leads out of the dialect: every function tried, not a list."""

from __future__ import annotations

import asyncio
import builtins
import functools
import json
import subprocess
import sys
import types
from collections import ChainMap, OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from optillm.sandbox.inside.dialect import received
from optillm.sandbox.inside.outcome import Refused
from optillm.sandbox.pool import Solver
from optillm.sandbox.results import Limits
from tests.sandbox.arena import BOOTS, assault
from tests.sandbox.attacks_callbacks import CALLBACKS


def _examined(*arguments: str) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "tests.sandbox.callbacks", *arguments]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)  # noqa: S603
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
@pytest.mark.timeout(900)  # tens of thousands of calls
def test_no_function_that_a_program_can_call_hands_it_the_built_ins() -> None:
    results = _examined("")
    assert [result for result in results if result.get("leaks")] == []
    assert [result["name"] for result in results if result.get("fatal")] == []
    assert len(results) > 2500
    assert sum(result["calls"] for result in results) > 10_000  # they do call back


@pytest.mark.slow
def test_the_search_notices_a_library_that_does() -> None:
    (result,) = _examined("<module 'sympy'>.parse_expr", "--unpatched")
    assert "handed to a callable: a mapping with the built-ins" in result["leaks"].values()


@pytest.fixture(scope="module")
def unpatched() -> Iterator[Solver]:
    """The dialect and the jail around libraries as they come."""
    open_doors = Solver(boot=BOOTS / "unpatched.py")
    asyncio.run(open_doors.warm())
    yield open_doors
    open_doors.close()


def test_a_programs_functions_refuse_what_an_unpatched_library_hands_them(unpatched: Solver) -> None:
    assert assault(unpatched, "sympy", CALLBACKS, dialect=True) == []


def test_a_transformation_of_the_programs_own_still_works(solver: Solver) -> None:
    program = """
from sympy.parsing.sympy_parser import parse_expr, standard_transformations
def doubled(tokens, local_names, global_names):
    return [(kind, text.replace("x", "z")) for kind, text in tokens]
print(parse_expr("x + abs(-3) + pow(2, 3) + sin(0)", transformations=(doubled, *standard_transformations)))
"""
    assert asyncio.run(solver.run("sympy", program, Limits())).output == "z + 11\n"


def _frame() -> types.FrameType:
    return sys._getframe()


_UNSAFE: dict[str, Any] = {
    "globals": globals(),
    "builtins": vars(builtins),
    "a subclass with them": OrderedDict(vars(builtins)),
    "a chain with them": ChainMap({}, vars(builtins)),
    "the loaded modules": sys.modules,
    "locals of generated code": {"__builtins__": {}},
    "a proxy": types.MappingProxyType({}),
    "a module": json,
    "a frame": _frame(),
    "code": _frame.__code__,
    "eval": eval,
    "open": open,
    "getattr": getattr,
    "a function of a library": subprocess.run,
    "a function of a library in C": sys.exit,
    "type": type,
    "a class of a library": subprocess.Popen,
    "within a list": [1, globals()],
    "within a tuple": (globals(), 1),
    "within a dict": {"a": globals()},
    "within a slice": slice(None, None, globals()),
    "within a partial": functools.partial(eval, "1"),
    "within an argument of a partial": functools.partial(len, globals()),
    "a method of a module": types.MethodType(len, json),
}


@pytest.mark.parametrize("what", _UNSAFE)
def test_a_function_of_a_program_receives_no(what: str) -> None:
    with pytest.raises(Refused):
        received.check(1, _UNSAFE[what])


class _Own:
    pass


@pytest.mark.parametrize(
    "value",
    [1, "text", None, [1, [2]], (1, 2), {"a": {"b": 1}}, {1, 2}, slice(1), ["a"].append, "a".join, _Own(), ValueError,
     ValueError("x"), functools.partial(["a"].append, "b"), iter([1]), (n for n in [1]), range(3)],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_a_function_of_a_program_receives_ordinary_things(value: Any) -> None:
    received.check(value)
    assert received.checked(value) is value


_LYING = """
class Small:
    def __index__(self): return 5
    def __lt__(self, other): return True
class Listed(IntEnum):
    FIFTH = 5
    def __lt__(self, other): return True
"""


@pytest.mark.parametrize("index", ["-1", "-2**31", "Small()", "Listed.FIFTH"])
@pytest.mark.parametrize("method", ["var_sort", "var_name", "pattern"])
def test_an_index_that_lies_does_not_bring_the_process_down(solver: Solver, method: str, index: str) -> None:
    program = f"from enum import IntEnum\n{_LYING}\nprint(ForAll([Int('x')], Int('x') > 0).{method}({index}))"
    error = asyncio.run(solver.run("z3py", program, Limits())).error
    assert error is not None
    assert error.kind in {"error", "refused"}
