"""Values and objects of the libraries, to try functions and methods with."""

from __future__ import annotations

import collections
import random
import re
from typing import Any

import mpmath
import sympy
import z3
from sympy.combinatorics import Permutation, SymmetricGroup


def fillings() -> list[list[Any]]:
    """Plausible values for the other parameters, in turn."""

    x, y = sympy.symbols("x y")
    return [
        [x**2 + sympy.sin(x), x, 2, y],
        ["x + 1", "y", "x"],
        [[3, 1, 2], 2, [1, 2]],
        [sympy.Matrix([[1, x], [2, 3]]), x, 1],
        [z3.Int("a") + 1, z3.Int("a"), z3.Int("b")],
    ]


def specimens() -> list[Any]:
    """Objects whose methods a program can call."""

    x, y = sympy.symbols("x y")
    a, p, bits = z3.Int("a"), z3.Bool("p"), z3.BitVec("bits", 8)
    solver, optimizer = z3.Solver(), z3.Optimize()
    solver.add(a > 1)
    solver.check()
    return [
        x, x**2 + 1, 2 * x * y, sympy.sin(x), sympy.Integer(4), sympy.Float(2.5), sympy.Eq(x, 1), sympy.S,
        sympy.Piecewise((x, x > 1), (1, True)), sympy.Matrix([[1, x], [2, 3]]), sympy.ImmutableMatrix([[1, 2]]),
        sympy.SparseMatrix([[1, 0], [0, 1]]), sympy.Poly(x**2 - 1), sympy.Interval(0, 1), sympy.FiniteSet(1, 2),
        sympy.Tuple(1, x), sympy.Lambda(x, x + 1), sympy.Integral(x, x), sympy.Sum(x, (x, 1, 3)), sympy.Range(5),
        sympy.Derivative(sympy.Function("f")(x), x), sympy.Function("f"), sympy.Array([1, x]), sympy.Dict({x: 1}),
        sympy.And(sympy.Symbol("p"), sympy.Symbol("q")), sympy.MatrixSymbol("A", 2, 2), sympy.ZZ,
        sympy.ring("t", sympy.QQ)[1],
        sympy.Point(0, 1), sympy.ImageSet(sympy.Lambda(x, 2 * x), sympy.S.Integers), Permutation([1, 0]),
        SymmetricGroup(3), a, p, bits, z3.Real("r"), z3.String("s"), z3.Array("m", z3.IntSort(), z3.IntSort()),
        z3.ForAll([a], a > 0), z3.Function("f", z3.IntSort(), z3.IntSort()), z3.IntSort(), solver, optimizer,
        solver.model(), solver.assertions(), z3.Goal(), z3.Tactic("simplify"), z3.Datatype("D"), z3.Fixedpoint(),
        [3, 1, 2], {1: 2}, "text", (1, 2), {1, 2}, 5, 2.5, collections.Counter("aab"), collections.deque([1]),
        collections.defaultdict(int), collections.OrderedDict(a=1), mpmath.matrix([[1, 2]]), mpmath.mpf(1), mpmath.mp,
        random.Random(1), re.compile("a"), (n for n in [1, 2]), slice(1), range(3),
    ]  # fmt: skip
