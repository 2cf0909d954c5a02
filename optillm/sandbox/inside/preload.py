"""Import everything a job may need before files become inaccessible, and use it once."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
import sys
import warnings
from typing import Final

_SKIPPED: Final = (
    "tests", "plotting", "testing", "interactive", "external.tests", "benchmarks", "parsing.latex",
    "parsing.autolev", "parsing.c", "parsing.fortran", "parsing.sym_expr", "galgebra", "conftest",
    "utilities.mathml", "utilities.matchpy_connector", "printing.preview", "this", "abc", "_compilation",
    "utilities.autowrap", "utilities.runtests", "utilities.pytest", "utilities.tmpfiles",
)  # fmt: skip

_ABSENT: Final = (
    "numpy", "scipy", "matplotlib", "gmpy2", "flint", "numexpr", "tensorflow", "torch", "jax", "cupy", "IPython",
    "pyglet", "antlr4", "lfortran", "clang", "sage", "pycosat", "pysat", "symengine", "llvmlite", "matchpy",
)  # fmt: skip
"""Modules that sympy would try to import while it works: the answer is no, and at once."""


def preload() -> None:
    """Import z3, sympy and the languages, and let each of them do a little work."""
    warnings.simplefilter("ignore")
    for name in _ABSENT:
        sys.modules[name] = None  # type: ignore[assignment]
    import sympy

    for module in pkgutil.walk_packages(sympy.__path__, "sympy.", onerror=lambda _: None):
        if not any(f".{part}" in module.name for part in _SKIPPED):
            with contextlib.suppress(Exception):  # optional parts need modules that are not there
                importlib.import_module(module.name)
    for name in ("_strptime", "encodings.idna", "mpmath", "statistics", "unicodedata", "sympy.abc"):
        importlib.import_module(name)
    _warm_up()
    importlib.import_module(".dialect.sinks", __package__).patch()
    importlib.import_module(".dialect.tables", __package__).build()
    warnings.simplefilter("ignore")


def _warm_up() -> None:
    """Fill caches and trigger lazy imports.

    z3 gets no time limit here, which would start a thread.
    """
    import sympy
    import z3

    solver = z3.Solver()
    x = z3.Int("x")
    solver.add(x > 2, x < 4)
    solver.check()
    str(solver.model())
    optimizer = z3.Optimize()
    optimizer.add(x < 4)
    optimizer.maximize(x)
    optimizer.check()
    t = sympy.Symbol("t")
    sympy.solve(t**2 - 2, t)
    sympy.integrate(t * sympy.exp(t), t)
    sympy.sympify("t + 1").subs(t, 3).evalf()
    for modules in ("math", "mpmath", "sympy"):
        sympy.lambdify(t, sympy.sin(t), modules)(1)
