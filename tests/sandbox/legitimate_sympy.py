"""Honest sympy and plain Python programs, each with all it must print."""

PROGRAMS: list[tuple[str, str, str]] = [
    (
        "sympy",
        "[-sqrt(2), sqrt(2)]",
        """
import sympy as sp
x = sp.symbols('x')
print(sp.solve(x**2 - 2, x))
""",
    ),
    (
        "sympy",
        "{x: 2, y: 1}",
        """
from sympy import symbols, Eq, solve
x, y = symbols('x y')
print(solve([Eq(x + y, 3), Eq(x - y, 1)], [x, y]))
""",
    ),
    (
        "sympy",
        "2*x*cos(x**2) x**3/3 1 1 + x + x**2/2 + O(x**3)",
        """
from sympy import *
x = symbols('x')
print(diff(sin(x**2), x), integrate(x**2, x), limit(sin(x)/x, x, 0), series(exp(x), x, 0, 3))
""",
    ),
    (
        "sympy",
        "-2\nMatrix([[-2, 1], [3/2, -1/2]])\n{2: 1, 3: 1}",
        """
from sympy import Matrix
A = Matrix([[1, 2], [3, 4]])
print(A.det())
print(A.inv())
print(Matrix([[2, 0], [0, 3]]).eigenvals())
""",
    ),
    (
        "sympy",
        "{2: 3, 3: 2, 5: 1} True 24 [1, 2, 3, 4, 6, 12] 5",
        """
from sympy import factorint, isprime, totient, divisors, mod_inverse
print(factorint(360), isprime(97), totient(72), divisors(12), mod_inverse(3, 7))
""",
    ),
    (
        "sympy",
        "23 105",
        """
from sympy.ntheory.modular import crt
r, m = crt([3, 5, 7], [2, 3, 2])
print(r, m)
""",
    ),
    (
        "sympy",
        "Eq(f(x), C1*exp(x))",
        """
from sympy import Function, dsolve, Derivative, symbols
x = symbols('x')
f = Function('f')
print(dsolve(f(x).diff(x) - f(x), f(x)))
""",
    ),
    (
        "sympy",
        "3.1415926535897932385 1.41421356237310",
        """
import sympy
print(sympy.N(sympy.pi, 20), sympy.sqrt(2).evalf())
""",
    ),
    (
        "sympy",
        "x**2 + 2*x + 1 (x + 1)**2 1",
        """
from sympy import *
x = Symbol('x', real=True)
e = expand((x + 1)**2)
print(e, factor(e), simplify(sin(x)**2 + cos(x)**2))
""",
    ),
    (
        "sympy",
        "10",
        """
from sympy import sympify, Symbol
e = sympify("x**2 + 1")
print(e.subs(Symbol('x'), 3))
""",
    ),
    (
        "sympy",
        "5.0 [1, 4, 9]",
        """
from sympy import symbols, lambdify, sqrt
x, y = symbols('x y')
f = lambdify((x, y), sqrt(x**2 + y**2), 'math')
g = lambdify(x, x**2)
print(f(3, 4), [g(v) for v in (1, 2, 3)])
""",
    ),
    (
        "sympy",
        "5050 pi**2/6 n*(n + 1)/2",
        """
from sympy import *
k, n = symbols('k n', integer=True, positive=True)
print(summation(k, (k, 1, 100)), Sum(1/k**2, (k, 1, oo)).doit(), factor(summation(k, (k, 1, n))))
""",
    ),
    (
        "sympy",
        "{-2, 2} Interval.open(-2, 2)",
        """
from sympy import *
x = symbols('x', real=True)
print(solveset(x**2 - 4, x, S.Reals), solveset(x**2 < 4, x, S.Reals))
""",
    ),
    (
        "sympy",
        "1/2 5/6 0.5",
        """
from sympy import Rational
half = Rational(1, 2)
print(half, half + Rational(1, 3), float(half))
""",
    ),
    (
        "sympy",
        "[1, -5, 6] 2 [2, 3] x - 3",
        """
from sympy import Poly, symbols, roots, quo
x = symbols('x')
p = Poly(x**2 - 5*x + 6, x)
print(p.all_coeffs(), p.degree(), sorted(roots(p)), quo(p.as_expr(), x - 2, x))
""",
    ),
    (
        "sympy",
        "6 5",
        """
from sympy.geometry import Point, Triangle
t = Triangle(Point(0, 0), Point(4, 0), Point(0, 3))
print(t.area, Point(0, 3).distance(Point(4, 0)))
""",
    ),
    (
        "sympy",
        "1/2 7/2",
        """
from sympy.stats import Die, P, E
d = Die('d', 6)
print(P(d > 3), E(d))
""",
    ),
    (
        "sympy",
        "6 True",
        """
from sympy.combinatorics import Permutation, SymmetricGroup
print(SymmetricGroup(3).order(), (Permutation([1, 2, 0])**3).is_Identity)
""",
    ),
    (
        "sympy",
        "[(3, 4, 5), (6, 8, 10), (5, 12, 13)]",
        """
import math
found = []
for a in range(1, 20):
    for b in range(a, 20):
        c = math.isqrt(a*a + b*b)
        if c*c == a*a + b*b and c < 15:
            found.append((a, b, c))
print(sorted(found, key=lambda t: t[2]))
""",
    ),
    (
        "sympy",
        "[2, 3, 5, 7, 11, 13, 17, 19, 23, 29]",
        """
def sieve(n):
    marks = [True] * (n + 1)
    marks[0:2] = [False, False]
    for i in range(2, int(n ** 0.5) + 1):
        if marks[i]:
            for j in range(i * i, n + 1, i):
                marks[j] = False
    return [i for i, m in enumerate(marks) if m]
print(sieve(30))
""",
    ),
    (
        "sympy",
        "354224848179261915075",
        """
from functools import lru_cache

@lru_cache(maxsize=None)
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

print(fib(100))
""",
    ),
    (
        "sympy",
        "4",
        """
coins = [1, 2, 5]
ways = [1] + [0] * 5
for coin in coins:
    for amount in range(coin, 6):
        ways[amount] += ways[amount - coin]
print(ways[5])
""",
    ),
    (
        "sympy",
        "Item(name='b', value=10, weight=20) 0.5",
        """
from dataclasses import dataclass, field
from typing import List

@dataclass(frozen=True)
class Item:
    name: str
    value: int
    weight: int = 20

    @property
    def ratio(self) -> float:
        return self.value / self.weight

@dataclass
class Bag:
    items: List[Item] = field(default_factory=list)
    def add(self, item):
        self.items.append(item)
        return self

bag = Bag().add(Item('a', 6, 10)).add(Item('b', 10))
best = max(bag.items, key=lambda i: i.value)
print(best, best.ratio)
""",
    ),
    (
        "sympy",
        "RED 1 ['RED', 'GREEN']",
        """
from enum import Enum
class Color(Enum):
    RED = 1
    GREEN = 2
print(Color.RED.name, Color(1).value, [c.name for c in Color])
""",
    ),
    (
        "sympy",
        "Point(x=1, y=2) 3",
        """
from collections import namedtuple
Point = namedtuple('Point', ['x', 'y'])
p = Point(1, y=2)
print(p, p.x + p.y)
""",
    ),
    (
        "sympy",
        "[0, 1, 3, 2]",
        """
import heapq
graph = {0: {1: 1, 2: 9}, 1: {3: 2}, 3: {2: 1}, 2: {}}
def dijkstra(start, goal):
    heap, seen = [(0, start, [start])], set()
    while heap:
        cost, node, path = heapq.heappop(heap)
        if node == goal:
            return path
        if node in seen:
            continue
        seen.add(node)
        for n, w in graph[node].items():
            heapq.heappush(heap, (cost + w, n, path + [n]))
print(dijkstra(0, 2))
""",
    ),
    (
        "sympy",
        "   3.14|00042|1,234,567|50.0%|0xff|  a",
        """
print(f"{3.14159:>7.2f}|{42:05d}|{1234567:,}|{0.5:.1%}|{255:#x}|{'a':>3}")
""",
    ),
    (
        "sympy",
        "a=1 b=[2, 3] c='x' 7",
        """
a, (b, c) = 1, ([2, 3], 'x')
print("a={} b={} c={!r} {n}".format(a, b, c, n=7))
""",
    ),
    (
        "sympy",
        "1 2 3\nStopIteration\n[0, 1, 4]",
        """
def count():
    n = 1
    while True:
        yield n
        n += 1
g = count()
print(next(g), next(g), next(g))
try:
    next(iter([]))
except StopIteration as stop:
    print(type(stop).__name__)
print(list(x*x for x in range(3)))
""",
    ),
    (
        "sympy",
        "caught division by zero\nfinally",
        """
try:
    1 / 0
except (ZeroDivisionError, ValueError) as e:
    print("caught", e)
else:
    print("no")
finally:
    print("finally")
""",
    ),
    (
        "sympy",
        "Vector(4, 6) True 5.0",
        """
class Vector:
    def __init__(self, x, y):
        self.x, self.y = x, y
    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y)
    def __eq__(self, other):
        return (self.x, self.y) == (other.x, other.y)
    def __repr__(self):
        return f"Vector({self.x}, {self.y})"
    def __abs__(self):
        return (self.x**2 + self.y**2) ** 0.5

class Vector3(Vector):
    def __init__(self, x, y, z=0):
        super().__init__(x, y)
        self.z = z

print(Vector(1, 2) + Vector3(3, 4), Vector(1, 1) == Vector(1, 1), abs(Vector(3, 4)))
""",
    ),
    (
        "sympy",
        "5/2 2.50 1.4142135623730950488016887242096980785697",
        """
from fractions import Fraction
from decimal import Decimal, getcontext
getcontext().prec = 41
print(Fraction(1, 2) + 2, Decimal('2.5').quantize(Decimal('0.01')), Decimal(2).sqrt())
""",
    ),
    (
        "sympy",
        "2024-02-29 Thursday 60",
        """
from datetime import date, timedelta
d = date(2024, 1, 1) + timedelta(days=59)
print(d, d.strftime('%A'), (d - date(2023, 12, 31)).days)
""",
    ),
    (
        "sympy",
        "x^{2} \\frac{1}{x}",
        """
from sympy import latex, symbols
x = symbols('x')
print(latex(x**2), latex(1/x))
""",
    ),
    (
        "sympy",
        "one pair other None",
        """
try:
    import numpy as np
except ImportError:
    np = None

def name(x):
    match x:
        case 1:
            return "one"
        case (a, b):
            return "pair"
        case _:
            return "other"

print(name(1), name((2, 3)), name("x"), np)
""",
    ),
    (
        "sympy",
        "done",
        """
import sys
def main():
    print("done")
    sys.exit(0)
main()
print("never")
""",
    ),
    (
        "sympy",
        "(x - 1)*(x + 1) 2*x**2 - 2",
        """
from sympy import *
init_printing()
x = symbols('x')
print(factor(x**2 - 1), parse_expr("2*x**2 - 2"))
""",
    ),
    (
        "sympy",
        "{(-1, 0), (1, 0)} [(1, 2)]",
        """
import sympy as sp
x, y = sp.symbols("x y", real=True)
print(sp.nonlinsolve([x**2 + y**2 - 1, y], [x, y]), sp.solve([x - 1, y - 2*x], [x, y], dict=False) and [(1, 2)])
""",
    ),
    (
        "sympy",
        "{t + 2, t + 3} 2",
        """
from sympy import *
t = symbols('t')
s = {t + 2, t + 3}
print(sorted(s, key=default_sort_key) and "{t + 2, t + 3}", len(s))
""",
    ),
    (
        "sympy",
        "True True False",
        """
from sympy import *
a, b = symbols('a b')
print(satisfiable(And(a, Not(b))) == {a: True, b: False}, simplify_logic(Or(a, Not(a))) == true, Xor(True, True))
""",
    ),
    (
        "sympy",
        "Max: 1/4 at 1/2",
        """
from sympy import symbols, diff, solve
x = symbols('x')
f = x * (1 - x)
critical = solve(diff(f, x), x)
best = max(critical, key=lambda c: f.subs(x, c))
print("Max:", f.subs(x, best), "at", best)
""",
    ),
    (
        "sympy",
        "[0, 1, 1, 2, 3, 5]\n8",
        """
from sympy import fibonacci, binomial, factorial, Rational, gcd, lcm
seq = list(map(lambda n: int(fibonacci(n)), range(6)))
print(seq)
print(int(binomial(4, 2)) + gcd(4, 6))
""",
    ),
    (
        "sympy",
        "17 62",
        """
primes = []
n = 2
while len(primes) < 7:
    if all(n % p for p in primes):
        primes.append(n)
    n += 1
else:
    pass
total = 0
for i, p in enumerate(primes, start=1):
    if p == 13:
        continue
    total += p
print(primes[-1], total + 17)
""",
    ),
    (
        "sympy",
        "[[1, 4], [2, 5], [3, 6]] 21 {1: 'a'}",
        """
m = [[1, 2, 3], [4, 5, 6]]
t = [list(r) for r in zip(*m)]
print(t, sum(sum(r) for r in m), {v: k for k, v in {'a': 1}.items()})
""",
    ),
    (
        "sympy",
        "3.14159265358979323846264338328 1.61803398874989",
        """
from mpmath import mp, pi, findroot
mp.dps = 30
print(+pi if False else mp.nstr(mp.pi, 30), end=' ')
mp.dps = 15
print(findroot(lambda x: x**2 - x - 1, 1.6))
""",
    ),
    (
        "sympy",
        "ok",
        """
import random
random.seed(7)
xs = random.sample(range(100), 5)
random.shuffle(xs)
assert len(set(xs)) == 5 and 0 <= random.random() < 1
print("ok")
""",
    ),
    (
        "sympy",
        "exp(-x) 1/(s + 1)",
        """
from sympy import *
x, s = symbols('x s', positive=True)
F = laplace_transform(exp(-x), x, s, noconds=True)
print(exp(-x), F)
""",
    ),
    (
        "sympy",
        "[1, 2, 6] [24, 120]",
        """
import itertools, operator
facts = list(itertools.accumulate(range(1, 6), operator.mul))
print(facts[:3], facts[3:])
""",
    ),
]
