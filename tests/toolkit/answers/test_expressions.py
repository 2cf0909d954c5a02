"""Expressions: equal ones get equal strings, others do not."""

from __future__ import annotations

import subprocess
import sys

import pytest

from optillm.toolkit.answers import canonical, resolved
from optillm.toolkit.answers.expressions import canonical_expression


@pytest.mark.parametrize(
    "same",
    [
        [r"\frac{\sqrt{2}}{2}", r"1/\sqrt{2}", "sqrt(2)/2", "√2/2"],
        ["(x+1)^2", "x^2+2x+1", "$x^2 + 2x + 1$", "(x+1)**2"],
        [r"\sin^2 x + \cos^2 x", r"\sin^2(x)+\cos^2(x)", "1"],
        [r"\sqrt{8}", r"2\sqrt2", r"2\sqrt{2}", "sqrt(8)"],
        ["2^10", "2^{10}", "2**10", "1024"],
        [r"\frac12", "0.5", "1/2"],
        ["0.5x", "x/2", r"\frac{x}{2}"],
        ["5π", r"5\pi", "5*pi"],
        ["x > 2", "2 < x"],
        ["x + y = 5", "5 = x + y", "y + x - 5 = 0"],
        [r"\frac{x^2-1}{x-1}", "x+1"],
        [r"\frac{1}{1+i}", r"\frac{1-i}{2}"],
        [r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{bmatrix}1&2\\3&\frac{8}{2}\end{bmatrix}"],
        [r"(-\infty,1)\cup(2,\infty)", r"(2,\infty)\cup(-\infty,1)"],
        ["5!", "120"],
    ],
)
def test_equal_expressions_have_one_canonical_string(same: list[str]) -> None:
    strings = {canonical_expression(source) for source in same}
    assert len(strings) == 1
    assert None not in strings


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"2\sqrt3", r"3\sqrt2"),
        ("(x+1)^2", "x^2+1"),
        ("x > 2", "x < 2"),
        ("x", "y"),
        ("a", "A"),
        (r"\pi", "3.14"),
    ],
)
def test_different_expressions_have_different_strings(one: str, other: str) -> None:
    assert canonical_expression(one) != canonical_expression(other)


@pytest.mark.parametrize(
    "source",
    [
        "",
        "  ",
        "garbage text here",
        "))((",
        "(",
        "C++",
        r"\frac{1}{0}",
        "x" * 501,
        r"\text{cat}",
        "\\",
        "{",
        "^",
    ],
)
def test_what_is_no_expression_has_no_canonical_string(source: str) -> None:
    assert canonical_expression(source) is None


def test_a_rational_constant_matches_the_answers_stated_as_numbers() -> None:
    stated = canonical(r"\frac{\sqrt{9}}{4}")
    assert stated.kind == "expression"
    assert resolved(stated, canonical_expression(stated.value)).matches(canonical("0.75"))


def test_sympy_is_loaded_only_when_an_expression_is_compared() -> None:
    program = "import sys, optillm.toolkit.answers.expressions; print('sympy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603 - our own interpreter
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    "becomes_a_program",
    [
        # So sympy sums a series, one whose index a model calls \textnormal{[][1]} included.
        "sympy.lambdify(sympy.Symbol('n'), sympy.Symbol('n') + sympy.Symbol('[][1]'))",
        "sympy.lambdify(sympy.Symbol('n'), sympy.Symbol('n'))",
        "sympy.sympify('(lambda: 1)()')",
        "sympy.sympify('print(1)')",
        "sympy.Number('().__class__')",
    ],
)
def test_no_name_in_an_expression_reaches_pythons_compiler(becomes_a_program: str) -> None:
    program = (
        "from optillm.toolkit.answers.expressions import canonical_expression\n"
        "first = canonical_expression('2/6')\n"
        "import sympy\n"
        f"try: {becomes_a_program}\n"
        "except ValueError as error: print(first, canonical_expression('2/6'), error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603 - our own interpreter
    assert done.stdout.startswith("1/3 1/3 ")
    assert "no expression becomes a program here" in done.stdout
