"""Canonical strings for mathematical expressions, by computer algebra.

This is slow and, on hostile input, endless: the engine calls it in a child process that it can kill. sympy is
imported inside the function, so that a proxy that never compares expressions never pays for it.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from optillm.toolkit.answers.typography import closing_brace, delatex, plain

if TYPE_CHECKING:
    from sympy import Expr

_MAX_SOURCE = 500
_DIGITS = 15
_FUNCTIONS = "arcsin|arccos|arctan|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|log|ln|exp|sqrt|pi|infty|infinity"
_BARE_FUNCTION = re.compile(rf"(?<![\\A-Za-z])({_FUNCTIONS})(?![A-Za-z])")
_SYMBOLS = {
    "π": r"\pi ",
    "√": r"\sqrt ",
    "∞": r"\infty ",
    "×": r"\times ",
    "·": r"\cdot ",
    "÷": r"\div ",
    "≤": r"\le ",
    "≥": r"\ge ",
    "≠": r"\ne ",
    "∪": r"\cup ",
    "∩": r"\cap ",
    "**": "^",
}
_POWER = re.compile(r"\^\s*([-+]?\d+)")
_ROOT = re.compile(r"\\sqrt\s*([A-Za-z0-9])")
_FRACTION = re.compile(r"\\frac\s*([A-Za-z0-9])\s*([A-Za-z0-9])")
_COMMAND = re.compile(r"\\(?:begin|end)\{[a-z]+\}|\\[A-Za-z]+")
_PLAIN = re.compile(r"\w+ ?|(?:Integer|Float|Rational|Symbol|\d|[-+*/(), ]|'[\w.+-]*')+", re.ASCII)
_WORD = re.compile(r"[A-Za-z]{3,}")
_VECTORS = re.compile(r"\\(?:vec|overrightarrow)(?![A-Za-z])")
"""Vectors have two products, and neither is that of numbers, so they have no canonical form here."""


def canonical_expression(source: str) -> str | None:
    """Return a string that is the same for equal expressions in LaTeX or plain algebra.

    A rational constant becomes its exact fraction, any other constant its value to 15 digits, an expression with
    symbols its expanded normal form. Returns `None` for anything else. There is no time limit: call it where it can
    be killed.
    """
    latex = _as_latex(source)
    if not latex or _VECTORS.search(latex):
        return None
    from latex2sympy2_extended import latex2sympy
    from latex2sympy2_extended.latex2sympy2 import ConversionConfig

    sympy = _sealed_sympy()
    try:
        parsed = latex2sympy(latex, conversion_config=ConversionConfig(lowercase_symbols=False))
        # Answers that mention i hardly ever mean a variable.
        return _normal_form(parsed.subs(sympy.Symbol("i"), sympy.I), sympy)
    # The parser raises bare Exceptions, and sympy whatever its algorithms run into.
    except Exception:  # noqa: BLE001 - this is the border to two foreign libraries
        return None


@cache
def _sealed_sympy() -> Any:
    """Return sympy with both of its ways to Python's compiler closed, except for numbers and words.

    The names of symbols come from models, and where sympy turns an expression into a program, for example to sum a
    series, they are part of its text. The doors stay closed for the life of this process.
    """
    import sympy

    lambdify, parser = (
        import_module(f"sympy.{name}") for name in ("utilities.lambdify", "parsing.sympy_parser")
    )
    for module, name in ((lambdify, "compile"), (lambdify, "exec"), (parser, "compile"), (parser, "eval")):
        setattr(module, name, _only_plain)
    return sympy


def _only_plain(code: object, *scopes: Any) -> Any:
    if isinstance(code, str) and _PLAIN.fullmatch(code):
        return eval(code, *scopes)  # noqa: S307 - sympy reads its own output so
    raise ValueError("no expression becomes a program here")


def _as_latex(source: str) -> str:
    """Return `source` as LaTeX that the parser reads; empty if it is too long or made of words."""
    if not source.strip() or len(source) > _MAX_SOURCE:
        return ""
    text = delatex(plain(source).strip().strip("$"))
    for symbol, command in _SYMBOLS.items():
        text = text.replace(symbol, command)
    text = _BARE_FUNCTION.sub(r"\\\1 ", text).replace(r"\infinity", r"\infty")
    text = _braced_roots(text)
    text = _POWER.sub(r"^{\1}", text)
    text = _ROOT.sub(r"\\sqrt{\1}", text)
    text = _FRACTION.sub(r"\\frac{\1}{\2}", text).replace("*", r"\cdot ")
    return "" if _WORD.search(_COMMAND.sub(" ", text)) else text


def _braced_roots(text: str) -> str:
    r"""Return the text with `\sqrt (x + 1)` as `\sqrt{x + 1}`."""
    match = re.search(r"\\sqrt\s*\(", text)
    while match:
        closing = closing_brace(text, match.end() - 1)
        if closing < 0:
            return text
        text = f"{text[: match.start()]}\\sqrt{{{text[match.end() : closing]}}}{text[closing + 1 :]}"
        match = re.search(r"\\sqrt\s*\(", text)
    return text


def _normal_form(parsed: Any, sympy: Any) -> str | None:
    if parsed in (sympy.true, sympy.false):
        return None  # else all true statements would be the same answer
    if isinstance(parsed, sympy.MatrixBase):
        return str([[_normal_form(cell, sympy) for cell in row] for row in parsed.tolist()])
    if isinstance(parsed, sympy.Rel):
        return _relation(parsed, sympy)
    if not isinstance(parsed, sympy.Expr):
        return str(sympy.srepr(sympy.simplify(parsed.doit())))
    return _expression(parsed, sympy)


def _relation(parsed: Any, sympy: Any) -> str:
    """Return a relation with everything on the left; for an equation, with the sign that sorts first."""
    if isinstance(parsed, (sympy.Gt, sympy.Ge)):
        parsed = parsed.reversed
    difference = parsed.lhs - parsed.rhs
    forms = [_expression(difference, sympy) or ""]
    if isinstance(parsed, (sympy.Eq, sympy.Ne)):
        forms.append(_expression(-difference, sympy) or "")
    return f"{type(parsed).__name__}({min(forms)})"


def _expression(parsed: Expr, sympy: Any) -> str | None:
    exact = sympy.nsimplify(parsed.doit(), rational=True)
    simple = sympy.simplify(exact)
    if simple.has(sympy.nan, sympy.zoo):
        return None
    if simple.is_Rational:
        return f"{simple.p}/{simple.q}" if simple.q != 1 else str(simple.p)
    if not simple.free_symbols:
        return str(sympy.N(simple, _DIGITS, chop=True))
    return str(sympy.srepr(sympy.expand(sympy.cancel(sympy.together(sympy.expand(simple))))))
