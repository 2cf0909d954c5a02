"""Programs tried out, in the real sandbox: what counts as doing the same, and what hostile ones come to."""

import asyncio

import pytest

from optillm.sandbox import Limits, solve
from optillm.toolkit.programs.code import runnable
from optillm.toolkit.programs.trials import MOST_CALLS, behaviour, calls, outcomes, script

LOOP = """
def doubled(xs, k=1):
    out = []
    for x in xs:
        if x > k:
            out.append(2 * x)
    return out
"""
COMPREHENSION = """
from typing import List

def doubled(xs: List[int], k: int = 1) -> List[int]:
    '''Twice what is above k.'''
    return [x + x for x in xs if not x <= k]

if __name__ == "__main__":
    print(doubled([1, 2, 3]))
"""
TRIED = ["doubled([1, 2, 3])", "doubled([], k=2)", "doubled([5, 3, -1], 3)"]


def tried(program: str, *texts: str) -> str | None:
    solved = asyncio.run(solve("sympy", script(program, texts or TRIED), Limits(wall=3)))
    return outcomes(solved.output if solved.ok else None)


def one(body: str) -> str | None:
    """What `f([1, 2, 3])` comes to for a function of this body."""
    return tried("def f(xs):\n    " + body.replace("\n", "\n    "), "f([1, 2, 3])")


def test_a_loop_and_a_comprehension_do_the_same() -> None:
    assert tried(LOOP) == tried(COMPREHENSION) is not None


def test_a_limit_that_is_off_by_one_is_another_program() -> None:
    assert tried(LOOP) != tried(LOOP.replace("x > k", "x >= k")) is not None


@pytest.mark.parametrize(
    ("body", "other"),
    [
        ("return sum(xs) / 2", "return 3"),
        ("return 0.1 + 0.2", "return 0.3"),
        ("return {1, 2, 3}", "return set(xs[::-1])"),
        ("return {'a': 1, 'b': 2}", "return {'b': 2, 'a': 1}"),
        ("print(1, 2)\nreturn 0", "print('1 2')\nreturn 0"),
        ("yield from xs", "for x in xs:\n    yield x"),
    ],
)
def test_results_are_compared_by_value(body: str, other: str) -> None:
    assert one(body) == one(other) is not None


@pytest.mark.parametrize(
    ("body", "other"),
    [
        ("return [1, 2]", "return (1, 2)"),
        ("return True", "return 1"),
        ("return '1'", "return 1"),
        ("xs.sort(reverse=True)", "return None"),
        ("print(1)", "print(2)"),
        ("return list(range(10**4))", "return list(range(10**4 + 1))"),
    ],
)
def test_a_difference_anybody_could_see_is_one(body: str, other: str) -> None:
    assert one(body) != one(other)


def test_raising_the_same_is_the_same_when_something_returns() -> None:
    careful = "def f(x):\n    if x < 0:\n        raise ValueError(x)\n    return x"
    other = "def f(x):\n    if x >= 0:\n        return x\n    raise ValueError('negative')"
    assert tried(careful, "f(1)", "f(-1)") == tried(other, "f(1)", "f(-1)") is not None
    assert tried(careful, "f(1)", "f(-1)") != tried(other.replace("Value", "Type"), "f(1)", "f(-1)")
    assert tried(careful, "f(-1)") is None


@pytest.mark.parametrize(
    "program",
    [
        "import os\ndef doubled(xs, k=1):\n    return os.getcwd()",
        "def doubled(xs, k=1):\n    while True:\n        pass",
        "def doubled(xs, k=1):\n    return [0] * 10**9",
        "def doubled(xs, k=1):\n    while True:\n        print('x' * 1000)",
        "def doubled(xs, k=1):\n    raise SystemExit",
        "import sys\nsys.exit()\ndef doubled(xs, k=1):\n    return []",
        "def doubled(xs, k=1):\n    print_of_trial('trials: returned')\n    raise SystemExit",
        "def repr(x):\n    return 'returned'\ndef doubled(xs, k=1):\n    raise KeyError",
        "def another():\n    return 1",
        "def doubled(xs, k=1",
    ],
)
def test_a_program_that_fails_or_is_hostile_comes_to_nothing(program: str) -> None:
    assert tried(program) is None


def test_only_plain_calls_with_literal_arguments_are_tried() -> None:
    told = ["f(g(1))", "f(open('x'))", "f(*[1])", "f(**{})", "a.f(1)", "f", "f(1", "f(1); f(2)", "x = f(1)"]
    assert calls("\n".join([*told, "f(" + "1," * 400 + ")"])) == []
    assert len(calls("\n".join(f"f({i})" for i in range(99)))) == MOST_CALLS


@pytest.mark.parametrize(
    "line",
    [
        "f([1, 2], k={'a': -1})",
        "  f( [1,2], k = {'a':-1} )  # usual",
        "- `f([1, 2], k={'a': -1})`",
        "12. f([1, 2], k={'a': -1})",
        "assert f([1, 2], k={'a': -1}) == [3]",
        "assert f([1, 2], k={'a': -1})",
        "f([1, 2], k={'a': -1}) == [3]",
    ],
)
def test_a_call_is_read_from_a_line_however_it_is_put(line: str) -> None:
    assert calls(f"Inputs:\n```python\n{line}\n{line}\n```") == ["f([1, 2], k={'a': -1})"]


def test_one_program_of_a_reply_can_be_run() -> None:
    block = f"```python\n{LOOP}```"
    found = runnable(f"{block}\nUse it:\n```python\nprint(doubled([1]))\n```\n```sql\nSELECT 1;\n```")
    assert found is not None
    assert "def doubled" in found[0]
    assert "print" not in found[0]
    assert len(found[1]) == 1
    assert runnable(f"{block}\n{block}") is None
    assert runnable("```python\nprint(1)\n```") is None
    assert runnable("```js\nfunction f() {}\n```") is None


def test_the_behaviour_of_a_reply_is_what_its_one_program_does() -> None:
    scripts: list[str] = []

    async def execute(source: str) -> str | None:
        scripts.append(source)
        return "trials: ['returned 2']"

    async def fail(source: str) -> str | None:
        return None

    reply = f"So:\n```python\n{LOOP}\n```\n```sql\nSELECT 1;\n```"
    assert asyncio.run(behaviour(reply, TRIED, execute)) == ("['returned 2']", ("SELECT 1;",))
    assert LOOP.strip() in scripts[0]
    assert asyncio.run(behaviour(reply, TRIED, fail)) is None
    assert asyncio.run(behaviour("The answer is 4.", TRIED, execute)) is None
    assert len(scripts) == 1
