"""Patch the functions in which sympy turns text into code.

They read the dialect and its names only.
"""

from __future__ import annotations

import ast
import builtins
import sys
from inspect import isroutine
from typing import Any, Final

import sympy.parsing.sympy_parser as sympy_parser
import sympy.utilities.lambdify  # noqa: F401  the name `sympy.utilities.lambdify` is a function
from sympy.core.assumptions import _assume_defined
from sympy.core.function import UndefinedFunction

from ..outcome import Refused
from . import tables
from .guards import REFUSED
from .modules import Module
from .run import evaluated, executed

_NEW_FUNCTION: Final = UndefinedFunction.__new__


def _replace(owner: Any, name: str, value: Any) -> None:
    setattr(owner, name, value)


def patch() -> None:
    """Install sympy's guards."""
    _replace(sys.modules["sympy.external.importtools"], "__import__", _no_import)
    _replace(UndefinedFunction, "__new__", _undefined_function)
    sympy_parser.eval_expr = _evaluate
    _replace(sympy_parser, "compile", lambda tree, *_, **__: tree)
    _replace(sympy_parser, "exec", _names_of_text)
    _replace(sympy_parser, "vars", lambda _: {})
    generator = sys.modules["sympy.utilities.lambdify"]
    _replace(generator, "_get_namespace", _namespace)
    _replace(generator, "_import", lambda name, *_: _namespace(name))
    _replace(generator, "compile", lambda text, *_, **__: text)
    _replace(generator, "exec", _execute)


def _undefined_function(kind: Any, name: Any, **assumptions: Any) -> Any:
    """Refuse other arguments, since sympy makes them attributes of the new function's class."""
    for assumption in assumptions:
        if assumption not in _assume_defined and assumption != "nargs":
            raise Refused(f"the assumption {assumption}")
    return _NEW_FUNCTION(kind, name, **assumptions)


def _evaluate(code: Any, local_names: Any, _: Any) -> Any:
    """Replace sympy's `eval_expr`: expressions of the dialect only, with the names on the list."""

    tree = code if isinstance(code, ast.Expression) else ast.parse(str(code).strip(), mode="eval")
    own = _ordinary(dict(local_names))
    return evaluated(tree, tables.sympy_names() | {"max": tables.sympy_names()["Max"]} | own)


def _names_of_text(_: Any, names: dict[str, Any]) -> None:
    """Fill the names that sympy passes to each transformation of a text.

    Only offered names are there.
    """
    offered = {n: v for n, v in tables.builtin_table().items() if n not in REFUSED}
    functions = {
        name: offered[name]
        for name, value in vars(builtins).items()
        if isroutine(value) and name in offered and not name.startswith("_")
    }
    names.update(functions | tables.sympy_names())


def _namespace(source: Any) -> dict[str, Any]:
    """Return the names for generated functions: listed names of modules, and the program's own."""
    if isinstance(source, dict):
        return _ordinary(source)
    name = source if isinstance(source, str) else source._name if isinstance(source, Module) else ""
    if name not in {"math", "cmath", "mpmath", "sympy"}:
        raise ImportError(
            f"functions can be generated for math, mpmath and sympy, not for {name or source!r}"
        )
    names = tables.module(name).names()
    if name == "mpmath":
        names |= {
            "Abs": names["fabs"],
            "E": names["e"],
            "I": names["j"],
            "ceiling": names["ceil"],
            "oo": names["inf"],
        }
    return {"Abs": abs, "I": 1j} | names


def _no_import(name: Any, *_: Any, **__: Any) -> Any:
    """Refuse to import the optional packages for which sympy looks by any name."""
    raise ImportError(f"no module named {name!r}")


def _ordinary(names: dict[Any, Any]) -> dict[str, Any]:
    """Return the entries whose key is a name that a program could write."""
    return {n: v for n, v in names.items() if type(n) is str and n.isidentifier() and not n.startswith("__")}


def _execute(text: Any, names: dict[str, Any], results: dict[str, Any] | None = None) -> None:
    """Replace `exec` where sympy generates functions and fetches what they need."""

    if results is names or results is None:
        raise Refused("generated code of another shape")
    available = {name: value for name, value in names.items() if name != "builtins"}
    available["builtins"] = tables.module("builtins")
    produced = executed(str(text), available)
    results.update(produced)
