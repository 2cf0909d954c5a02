r"""Try programs out: the calls to try, the script for them, the meaning of its output.

What this makes is run in a sandbox and nowhere else; nothing here runs anything.

    >>> script("def double(n):\\\
    return 2 * n", ["double(21)"]).startswith(HARNESS)
    True
"""

from __future__ import annotations

import ast
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from optillm.toolkit.programs.code import runnable
from optillm.toolkit.programs.syntax import parsed

MOST_CALLS: Final = 12
_LONGEST_CALL: Final = 500
_ITEM: Final = re.compile(r"\A\s*(?:[-*•]|\d{1,3}[.)])?\s*")
_MARK: Final = "trials: "
_RETURNED: Final = re.compile(r"""[\[ ]["']returned """)

HARNESS: Final = """\
from itertools import islice as some_of_trial
said_in_trial = []
print_of_trial = print
def print(*values, sep=None, end=None, **rest):
    parted = " " if sep is None else sep
    said_in_trial.append(parted.join(str(value) for value in values) + ("\\n" if end is None else end))
def shown_in_trial(value):
    if value is None or isinstance(value, (bool, str, bytes)):
        return repr(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return format(value, ".9g")
    if isinstance(value, dict):
        pairs = [shown_in_trial(key) + ": " + shown_in_trial(value[key]) for key in value]
        return "{" + ", ".join(sorted(pairs)) + "}"
    if isinstance(value, (set, frozenset)):
        return "{" + ", ".join(sorted(shown_in_trial(one) for one in value)) + "}"
    if isinstance(value, tuple):
        return "(" + ", ".join(shown_in_trial(one) for one in value) + ",)"
    if isinstance(value, list):
        return "[" + ", ".join(shown_in_trial(one) for one in value) + "]"
    try:
        return "each of [" + ", ".join(shown_in_trial(one) for one in some_of_trial(value, 1000)) + "]"
    except TypeError:
        return repr(value)
def try_out(call, arguments, named):
    said_in_trial.clear()
    try:
        value = shown_in_trial(call()(*arguments, **named))
        told = "returned " + value + " of " + shown_in_trial([arguments, named])
    except Exception as error:
        told = "raised " + type(error).__name__
    told += " after " + repr("".join(said_in_trial))
    return told if len(told) <= 600 else told[:600] + " and so on, " + str(len(told))
"""
"""Renders results as text that is equal for equal results: floats to nine digits, sets and dictionaries sorted.

An outcome is what a call returns or raises, what it makes of its arguments, and what it prints.
"""


def calls(text: str) -> list[str]:
    """Return the distinct calls with literal arguments that somebody proposes, one per line.

    Of an assertion only the call that it checks counts, not what it expects: that may be wrong.
    """
    proposed = (
        _call(_ITEM.sub("", line).strip("`")) for line in text.splitlines() if len(line) <= _LONGEST_CALL
    )
    return list(dict.fromkeys(call for call in proposed if call))[:MOST_CALLS]


def _call(line: str) -> str | None:
    tree = parsed(line)
    match tree.body if tree else None:
        case (
            [ast.Expr(value=ast.Call() as call)]
            | [ast.Expr(value=ast.Compare(left=ast.Call() as call))]
            | [ast.Assert(test=ast.Call() as call)]
            | [ast.Assert(test=ast.Compare(left=ast.Call() as call))]
        ):
            return ast.unparse(call) if _plain(call) else None
        case _:
            return None


def _plain(call: ast.Call) -> bool:
    """Return whether a call names its function and has only literal arguments."""
    named = [keyword.value for keyword in call.keywords if keyword.arg]
    try:
        for argument in (*call.args, *named):
            ast.literal_eval(argument)
    except (ValueError, TypeError, SyntaxError, RecursionError):
        return False
    return isinstance(call.func, ast.Name) and len(named) == len(call.keywords)


def script(program: str, tried: Sequence[str]) -> str:
    """Return the program followed by the calls.

    It prints one line of outcomes last, and nothing else.
    """
    lines = []
    for text in tried:
        call = ast.parse(text, mode="eval").body
        assert isinstance(call, ast.Call)  # noqa: S101 - `calls` returns nothing else
        arguments = ", ".join(map(ast.unparse, call.args))
        named = ", ".join(f"{keyword.arg!r}: {ast.unparse(keyword.value)}" for keyword in call.keywords)
        lines.append(f"    try_out(lambda: {ast.unparse(call.func)}, [{arguments}], {{{named}}}),")
    outcomes = "\n".join(lines)
    return f"{HARNESS}{program}\nprint_of_trial({_MARK!r} + repr([\n{outcomes}\n]))\n"


def outcomes(output: str | None) -> str | None:
    """Return what the calls came to, equal for programs that behave alike in all of them.

    Returns `None` if the program did not get that far, or none of the calls returned anything.
    """
    last = (output or "").rstrip("\n").rpartition("\n")[2]
    printed = last.removeprefix(_MARK)
    return printed if printed != last and _RETURNED.search(printed) else None


async def behaviour(
    text: str, tried: Sequence[str], execute: Callable[[str], Awaitable[str | None]]
) -> tuple[str, tuple[str, ...]] | None:
    """Return what a reply's program does in these calls, and the keys of its other programs.

    `execute` returns what a program prints. `None` if the reply has not just one program that can be tried.
    """
    program = runnable(text)
    if program is None:
        return None
    source, others = program
    results = outcomes(await execute(script(source, tried)))
    return None if results is None else (results, others)
