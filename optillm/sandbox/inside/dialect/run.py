"""A program from its text to its last line."""

from __future__ import annotations

import ast
import sys
from types import CodeType, TracebackType
from typing import Any, Final

import z3

from ..jail import Bounds
from ..outcome import Failed, Refused
from . import tables
from .grammar import check
from .rewrite import rewritten

PROGRAM: Final = "<program>"
_MOST_DIGITS: Final = 100_000
_namespace: dict[str, Any] = {}


def run_python(language: str, program: str, bounds: Bounds) -> str:
    """Run a program; what it prints goes to standard output. Raises `Failed`."""
    del bounds  # the jail keeps the time, z3 its own
    sys.set_int_max_str_digits(_MOST_DIGITS)
    code = compiled(program)
    builtins = tables.builtin_table()
    builtins |= {"@module": tables.module, "@member": _member, "@star": _star}
    _namespace.update(tables.preloaded(language))
    _namespace["__builtins__"] = builtins
    try:
        exec(code, _namespace)  # noqa: S102  checked, rewritten, with our built-ins, in a jail
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
    """Code for a program. Raises `Failed` when it is not Python or not in the dialect."""
    try:
        tree = ast.parse(program, PROGRAM)
        check(tree)
        return compile(rewritten(tree), PROGRAM, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise Failed("syntax", type(error).__name__, str(error.msg), error.lineno) from None
    except (RecursionError, ValueError) as error:
        raise Failed("syntax", type(error).__name__, str(error)) from None


def evaluated(tree: ast.Expression, names: dict[str, Any]) -> Any:
    """The value of an expression that came as text through sympy."""
    check(tree)
    code = compile(rewritten(tree), "<expression>", "eval", dont_inherit=True)
    return eval(code, {"__builtins__": tables.builtin_table()}, names)  # noqa: S307  as above


def define(name: str, value: Any) -> None:
    """Give the program a name it did not assign itself."""
    if not name.isidentifier() or name.startswith("_"):
        raise Refused(f"{name!r} cannot be the name of a variable")
    _namespace[name] = value


def _member(module: str, name: str) -> Any:
    source = tables.module(module)
    if source.knows(name):
        return source.lookup(name)
    try:
        return tables.module(f"{module}.{name}")
    except Refused:
        return source.lookup(name)


def _star(module: str) -> None:
    _namespace.update({n: v for n, v in tables.module(module).names().items() if not n.startswith("_")})


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
    """The innermost line of the program itself."""
    line = None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == PROGRAM:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def executed(text: str, names: dict[str, Any]) -> dict[str, Any]:
    """The names that a generated program of definitions and imports makes, over those it is given."""
    tree = ast.parse(text)
    check(tree)
    code = compile(rewritten(tree), "<generated>", "exec", dont_inherit=True)
    builtins = tables.builtin_table() | {"@module": tables.module, "@member": _member}
    space = dict(names) | {"__builtins__": builtins}
    exec(code, space)  # noqa: S102  as above
    return {name: value for name, value in space.items() if names.get(name, builtins) is not value}
