"""Run a Python program: compile, execute, report how it ended."""

from __future__ import annotations

import ast
import sys
from types import CodeType, TracebackType
from typing import Any, Final

import z3

from ..jail import JobLimits
from ..outcome import Failed, Refused
from . import tables
from .grammar import check
from .own import namespace
from .rewrite import rewritten

PROGRAM: Final = "<program>"
_MAX_DIGITS: Final = 100_000


def run_python(language: str, program: str, limits: JobLimits) -> str:
    """Run a program; what it prints goes to standard output.

    Raises `Failed`.
    """
    del limits  # the jail keeps the time, z3 its own
    sys.set_int_max_str_digits(_MAX_DIGITS)
    code = compiled(program)
    builtins = tables.builtin_table()
    builtins |= {"@module": tables.module, "@member": _member, "@star": _star}
    namespace.update(tables.preloaded(language))
    namespace["__builtins__"] = builtins
    try:
        exec(code, namespace)  # noqa: S102  checked, rewritten, with our built-ins, in a jail
    except SystemExit:
        pass
    except MemoryError:
        raise
    except Failed as failure:
        failure.line = _line(failure.__traceback__)
        raise
    except BaseException as error:  # noqa: BLE001  whatever the program raises is its result
        raise _failed(error) from None
    return ""


def compiled(program: str) -> CodeType:
    """Return the code of a program.

    Raises `Failed` if it is not Python or not in the dialect.
    """
    try:
        tree = ast.parse(program, PROGRAM)
        check(tree)
        return compile(rewritten(tree), PROGRAM, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise Failed("syntax", type(error).__name__, str(error.msg), error.lineno) from None
    except (RecursionError, ValueError) as error:
        raise Failed("syntax", type(error).__name__, str(error)) from None


def evaluated(tree: ast.Expression, names: dict[str, Any]) -> Any:
    """Return the value of an expression that came as text through sympy."""
    check(tree)
    code = compile(rewritten(tree), "<expression>", "eval", dont_inherit=True)
    return eval(code, {"__builtins__": tables.builtin_table()}, names)  # noqa: S307  as above


def _member(module: str, name: str) -> Any:
    source = tables.module(module)
    if source.knows(name):
        return source.lookup(name)
    try:
        return tables.module(f"{module}.{name}")
    except Refused:
        return source.lookup(name)


def _star(module: str) -> None:
    namespace.update({n: v for n, v in tables.module(module).names().items() if not n.startswith("_")})


def _failed(error: BaseException) -> Failed:
    message = _message(error)
    kind = "error"
    if isinstance(error, z3.Z3Exception) and ("out of memory" in message or "max. memory" in message):
        kind = "memory"
    return Failed(kind, type(error).__name__, message, _line(error.__traceback__))


def _message(error: BaseException) -> str:
    try:
        text = error.value if isinstance(error, z3.Z3Exception) else error
        text = error.args[0] if isinstance(error, KeyError) and error.args else text
        message = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
    except Exception:  # noqa: BLE001  the program's own __str__
        return ""
    return f"key not found: {message}" if isinstance(error, KeyError) else message


def _line(trace: TracebackType | None) -> int | None:
    """Return the innermost line of the program itself."""
    line = None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == PROGRAM:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def executed(text: str, names: dict[str, Any]) -> dict[str, Any]:
    """Return the names that a generated program adds to those it gets.

    It consists of definitions and imports.
    """
    tree = ast.parse(text)
    check(tree)
    code = compile(rewritten(tree), "<generated>", "exec", dont_inherit=True)
    builtins = tables.builtin_table() | {"@module": tables.module, "@member": _member}
    space = dict(names) | {"__builtins__": builtins}
    exec(code, space)  # noqa: S102  as above
    return {name: value for name, value in space.items() if names.get(name, builtins) is not value}
