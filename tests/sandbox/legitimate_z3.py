"""Honest z3py and SMT-LIB programs in the many ways models write them, each with all it must print."""

PROGRAMS: list[tuple[str, str, str]] = [
    (
        "z3py",
        "x = 7, y = 3",
        """
from z3 import *
x, y = Ints('x y')
s = Solver()
s.add(x + y == 10, x - y == 4)
if s.check() == sat:
    m = s.model()
    print(f'x = {m[x]}, y = {m[y]}')
else:
    print('no solution')
""",
    ),
    (
        "z3py",
        "[x = 7]",
        """
x = Int('x')
s = Solver()
s.add(x * x == 49, x > 0)
s.check()
print(s.model())
""",
    ),
    (
        "z3py",
        "9567 + 1085 = 10652",
        """
from z3 import *

def solve_puzzle():
    letters = S, E, N, D, M, O, R, Y = Ints('S E N D M O R Y')
    solver = Solver()
    for letter in letters:
        solver.add(letter >= 0, letter <= 9)
    solver.add(Distinct(*letters), S > 0, M > 0)

    def word(*digits):
        total = 0
        for d in digits:
            total = total * 10 + d
        return total

    send, more, money = word(S, E, N, D), word(M, O, R, E), word(M, O, N, E, Y)
    solver.add(send + more == money)
    if solver.check() != sat:
        return None
    model = solver.model()
    return [model.eval(w).as_long() for w in (send, more, money)]

if __name__ == "__main__":
    a, b, c = solve_puzzle()
    print(f"{a} + {b} = {c}")
""",
    ),
    (
        "z3py",
        "1 2 3 4\n3 4 1 2\n2 1 4 3\n4 3 2 1",
        """
from z3 import *
puzzle = [[1, 0, 0, 4], [0, 4, 1, 0], [2, 0, 0, 3], [0, 3, 2, 0]]
X = [[Int(f"x_{i}_{j}") for j in range(4)] for i in range(4)]
cells = [And(1 <= X[i][j], X[i][j] <= 4) for i in range(4) for j in range(4)]
rows = [Distinct(X[i]) for i in range(4)]
cols = [Distinct([X[i][j] for i in range(4)]) for j in range(4)]
boxes = [Distinct([X[2*a + i][2*b + j] for i in range(2) for j in range(2)]) for a in range(2) for b in range(2)]
given = [If(puzzle[i][j] == 0, True, X[i][j] == puzzle[i][j]) for i in range(4) for j in range(4)]
s = Solver()
s.add(cells + rows + cols + boxes + given)
assert s.check() == sat
m = s.model()
for row in X:
    print(*[m.evaluate(cell) for cell in row])
""",
    ),
    (
        "z3py",
        "value 22 weight 50\n[0, 1, 1]",
        """
import z3
values = [6, 10, 12]
weights = [10, 20, 30]
take = [z3.Bool('take_%d' % i) for i in range(len(values))]
opt = z3.Optimize()
total = z3.Sum([z3.If(t, v, 0) for t, v in zip(take, values)])
weight = z3.Sum([z3.If(t, w, 0) for t, w in zip(take, weights)])
opt.add(weight <= 50)
h = opt.maximize(total)
if opt.check() == z3.sat:
    m = opt.model()
    print('value', opt.upper(h), 'weight', m.eval(weight))
    print([1 if z3.is_true(m[t]) else 0 for t in take])
""",
    ),
    (
        "z3py",
        "6 coins",
        """
from z3 import Optimize, Ints, sat
p, n, d, q = Ints("p n d q")
o = Optimize()
o.add(p >= 0, n >= 0, d >= 0, q >= 0)
o.add(p + 5*n + 10*d + 25*q == 67)
o.minimize(p + n + d + q)
if o.check() == sat:
    m = o.model()
    count = sum(m[v].as_long() for v in (p, n, d, q))
    print(f"{count} coins")
""",
    ),
    (
        "z3py",
        "3 colours are enough, 2 are not",
        """
from z3 import *
edges = [(0, 1), (1, 2), (2, 0), (2, 3), (3, 4)]

def colourable(k):
    c = IntVector('c', 5)
    s = Solver()
    s.add([And(v >= 0, v < k) for v in c])
    s.add([c[a] != c[b] for a, b in edges])
    return s.check() == sat

assert colourable(3) and not colourable(2)
print("3 colours are enough, 2 are not")
""",
    ),
    (
        "z3py",
        "The fish belongs to the german",
        """
from z3 import *
people = ['brit', 'swede', 'german']
colours = ['red', 'green', 'blue']
pets = ['dog', 'bird', 'fish']
pos = {name: Int(name) for name in people + colours + pets}
s = Solver()
for group in (people, colours, pets):
    s.add([And(pos[n] >= 1, pos[n] <= 3) for n in group])
    s.add(Distinct([pos[n] for n in group]))
s.add(pos['brit'] == pos['red'])
s.add(pos['swede'] == pos['dog'])
s.add(pos['green'] == pos['red'] + 1)
s.add(pos['swede'] == 3)
s.add(pos['bird'] == pos['red'], pos['german'] == pos['green'])
assert s.check() == sat
m = s.model()
owner = [p for p in people if m[pos[p]].as_long() == m[pos['fish']].as_long()][0]
print("The fish belongs to the", owner)
""",
    ),
    (
        "z3py",
        "makespan 8",
        """
from z3 import *
durations = {'A': 3, 'B': 2, 'C': 4, 'D': 1}
after = [('A', 'C'), ('B', 'C'), ('C', 'D')]
start = {t: Int('start_' + t) for t in durations}
end = Int('end')
opt = Optimize()
for t, d in durations.items():
    opt.add(start[t] >= 0, start[t] + d <= end)
for a, b in after:
    opt.add(start[b] >= start[a] + durations[a])
opt.minimize(end)
opt.check()
print("makespan", opt.model()[end])
""",
    ),
    (
        "z3py",
        "proved\ncounterexample\n[q = False, p = True]",
        """
p, q = Bools('p q')
prove(Implies(And(p, Implies(p, q)), q))
prove(Implies(p, q))
""",
    ),
    (
        "z3py",
        "[[0, 1], [1, 2]]\n((1, 2), (3, 4))\nx + 1\n[x, 2]\ntext\nx > 1\n5 ToReal(x)",
        """
from z3 import *
import z3
x = Int('x')
X = [[Int(f'x{i}{j}') for j in range(2)] for i in range(2)]
s = Solver()
s.add([X[i][j] == i + j for i in range(2) for j in range(2)])
s.check()
m = s.model()
print_matrix([[m.evaluate(X[i][j]) for j in range(2)] for i in range(2)])
z3.print_matrix(((1, 2), (3, 4)))
pp(x + 1)
z3.pp([x, 2])
pp('text')
print(obj_to_string(x > 1))
print(IntSort().cast(5), RealSort().cast(x))
""",
    ),
    (
        "z3py",
        "[x = 2]\nProblem:\n[x == 4]\nSolution:\n[x = 4]\nproved\nx + 1\nTrue True False\n1/2 RNE()\n0",
        """
from z3 import *
x = Int('x')
solve(x > 1, x < 3)
solve_using(Solver(), x == 4, show=True)
prove(x + 0 == x)
print(deserialize((x + 1).serialize()))
print(isinstance(Tactic('simplify')(x > 1), ApplyResult), is_arith_sort(IntSort()), is_fprm_value(FPVal(1, Float32())))
print(Fraction(1, 2), get_default_rounding_mode())
print(Model().eval(x, model_completion=True))
""",
    ),
    (
        "z3py",
        "sat\nTrue False\n2\nTrue",
        """
from z3 import *
A = DeclareSort('A')
follows = Function('follows', A, A, BoolSort())
after = TransitiveClosure(follows)
a, b, c = Consts('a b c', A)
s = Solver()
s.add(follows(a, b), follows(b, c), after(a, c))
print(s.check())
print(is_finite_domain_sort(FiniteDomainSort('D', 3)), is_finite_domain(Int('x')))
print(FiniteDomainVal(2, FiniteDomainSort('D', 3)))
help_simplify()
""".replace("help_simplify()", "print(callable(help_simplify))"),
    ),
    (
        "z3py",
        "knight: True knave: False",
        """
from z3 import *
A, B = Bools('A B')  # True means knight
s = Solver()
s.add(A == Or(Not(A), Not(B)))
print(s.check() == sat and "knight: {} knave: {}".format(s.model()[A], s.model()[B]))
""",
    ),
    (
        "z3py",
        "92",
        """
from z3 import *
Q = [Int(f'Q_{i}') for i in range(8)]
s = Solver()
s.add([And(0 <= q, q < 8) for q in Q])
s.add(Distinct(Q))
s.add([Q[i] - Q[j] != i - j for i in range(8) for j in range(i)])
s.add([Q[i] - Q[j] != j - i for i in range(8) for j in range(i)])
count = 0
while s.check() == sat:
    count += 1
    m = s.model()
    s.add(Or([q != m[q] for q in Q]))
print(count)
""",
    ),
    (
        "z3py",
        "1.4142135623?",
        """
x = Real('x')
s = Solver()
s.add(x * x == 2, x > 0)
s.check()
print(s.model()[x].as_decimal(10))
""",
    ),
    (
        "z3py",
        "1/3 0.333333 1 3",
        """
from z3 import *
x = Real('x')
s = Solver()
s.add(3 * x == 1)
s.check()
v = s.model()[x]
print(v, round(float(v.as_fraction()), 6), v.numerator_as_long(), v.denominator())
""",
    ),
    (
        "z3py",
        "unsat [p1, p3]",
        """
x = Int('x')
s = Solver()
s.set(unsat_core=True)
s.assert_and_track(x > 5, 'p1')
s.assert_and_track(x != 7, 'p2')
s.assert_and_track(x < 3, 'p3')
r = s.check()
core = s.unsat_core()
print(r, sorted(core, key=str))
""",
    ),
    (
        "z3py",
        "sat unsat sat",
        """
x = Int('x')
s = Solver()
s.add(x > 0)
first = s.check()
s.push()
s.add(x < 0)
second = s.check()
s.pop()
print(first, second, s.check())
""",
    ),
    (
        "z3py",
        "[0, 1, 1, 2, 3, 5, 8]",
        """
from z3 import *
f = Function('f', IntSort(), IntSort())
s = Solver()
s.add(f(0) == 0, f(1) == 1)
s.add([f(i) == f(i-1) + f(i-2) for i in range(2, 7)])
s.check()
m = s.model()
print([m.eval(f(i)).as_long() for i in range(7)])
""",
    ),
    (
        "z3py",
        "red green",
        """
from z3 import *
Color, (red, green, blue) = EnumSort('Color', ['red', 'green', 'blue'])
a, b = Consts('a b', Color)
s = Solver()
s.add(a != b, a != blue, b != blue, a == red)
if s.check() == sat:
    m = s.model()
    print(m[a], m[b])
""",
    ),
    (
        "z3py",
        "sat\ncons(1, cons(2, nil))",
        """
from z3 import *
List = Datatype('List')
List.declare('cons', ('car', IntSort()), ('cdr', List))
List.declare('nil')
List = List.create()
l = Const('l', List)
s = Solver()
s.add(List.car(l) == 1, List.is_cons(l), List.cdr(l) == List.cons(2, List.nil))
print(s.check())
print(s.model().eval(l, model_completion=True))
""",
    ),
    (
        "z3py",
        "205 0xcd 11001101",
        """
x = BitVec('x', 8)
s = Solver()
s.add(x ^ 0xAA == 0x67)
s.check()
n = s.model()[x].as_long()
print(n, hex(n), bin(n)[2:].zfill(8))
""",
    ),
    (
        "z3py",
        "True",
        """
from z3 import *
x, y = BitVecs('x y', 32)
claim = (x & y) + (x | y) == x + y
s = Solver()
s.add(Not(claim))
print(s.check() == unsat)
""",
    ),
    (
        "z3py",
        "sat 7",
        """
A = Array('A', IntSort(), IntSort())
i = Int('i')
s = Solver()
s.add(Store(A, i, 7)[i] == A[i + 1], Select(A, i + 1) > 5)
r = s.check()
print(r, s.model().eval(A[i + 1]))
""",
    ),
    (
        "z3py",
        "unsat",
        """
from z3 import *
Object = DeclareSort('Object')
Human = Function('Human', Object, BoolSort())
Mortal = Function('Mortal', Object, BoolSort())
socrates = Const('socrates', Object)
x = Const('x', Object)
s = Solver()
s.add(ForAll([x], Implies(Human(x), Mortal(x))))
s.add(Human(socrates))
s.add(Not(Mortal(socrates)))
print(s.check())
""",
    ),
    (
        "z3py",
        "hello",
        """
s1 = String('s1')
s = Solver()
s.add(Length(s1) == 5, PrefixOf('hel', s1), SuffixOf('llo', s1))
print(s.model()[s1].as_string() if s.check() == sat else 'none')
""",
    ),
    (
        "z3py",
        "[a = True, b = True, c = False]",
        """
a, b, c = Bools('a b c')
s = Solver()
s.add(PbEq([(a, 1), (b, 2), (c, 4)], 3))
s.check()
m = s.model()
print(sorted([(d.name(), m[d]) for d in m.decls()]) and "[a = %s, b = %s, c = %s]" % (m[a], m[b], m[c]))
""",
    ),
    (
        "z3py",
        "2",
        """
from z3 import *
p = [Bool(f'p{i}') for i in range(4)]
o = Optimize()
o.add(AtMost(*p, 2), AtLeast(*p, 1))
for x in p:
    o.add_soft(x, weight=1)
o.check()
print(sum(1 for x in p if is_true(o.model().eval(x))))
""",
    ),
    (
        "z3py",
        "x + 2*y\n5",
        """
x, y = Ints('x y')
e = simplify(x + y + y)
print(e)
print(simplify(substitute(e, (x, IntVal(1)), (y, IntVal(2)))))
""",
    ),
    (
        "z3py",
        "unknown or sat",
        """
from z3 import *
x, y, z = Ints('x y z')
s = Solver()
s.set("timeout", 300)
s.add(x > 0, y > 0, z > 0, x*x*x + y*y*y == z*z*z)
r = s.check()
print("unknown or sat" if r in (unknown, sat) else r)
""",
    ),
    (
        "z3py",
        "12 8",
        """
from z3 import *
set_option(rational_to_decimal=True)
set_param('parallel.enable', False) if False else None
chickens, rabbits = Ints('chickens rabbits')
solver = Solver()
solver.add(chickens + rabbits == 20)
solver.add(2 * chickens + 4 * rabbits == 56)
solver.add(chickens >= 0)
solver.add(rabbits >= 0)
result = solver.check()
if result == sat:
    model = solver.model()
    print(model[chickens], model[rabbits])
elif result == unsat:
    print("impossible")
else:
    print(solver.reason_unknown())
""",
    ),
    (
        "z3py",
        "Alice: 3\nBob: 1\nCarol: 2",
        """
from z3 import *
from itertools import combinations

class Puzzle:
    def __init__(self, names):
        self.names = names
        self.rank = {n: Int(n) for n in names}
        self._solver = Solver()
        for v in self.rank.values():
            self._solver.add(1 <= v, v <= len(names))
        for a, b in combinations(names, 2):
            self._solver.add(self.rank[a] != self.rank[b])

    def require(self, condition):
        self._solver.add(condition)
        return self

    def solution(self):
        if self._solver.check() != sat:
            raise ValueError("contradiction")
        m = self._solver.model()
        return {n: m[v].as_long() for n, v in self.rank.items()}

p = Puzzle(['Alice', 'Bob', 'Carol'])
p.require(p.rank['Bob'] < p.rank['Carol']).require(p.rank['Alice'] > p.rank['Carol'])
for name, rank in sorted(p.solution().items()):
    print(f"{name}: {rank}")
""",
    ),
    (
        "z3py",
        "no solution: contradiction",
        """
from z3 import *
def run():
    x = Int('x')
    s = Solver()
    s.add(x > 1, x < 2)
    try:
        s.check()
        return s.model()
    except Z3Exception as e:
        raise RuntimeError("contradiction") from e
try:
    run()
except RuntimeError as err:
    print("no solution:", err)
""",
    ),
    (
        "z3py",
        "8 1 6\n3 5 7\n4 9 2",
        """
from z3 import *
n = 3
M = [[Int("m_%s_%s" % (i, j)) for j in range(n)] for i in range(n)]
flat = [c for row in M for c in row]
s = Solver()
s.add(Distinct(flat))
for c in flat:
    s.add(c >= 1)
    s.add(c <= n*n)
magic = n * (n*n + 1) // 2
for i in range(n):
    s.add(Sum(M[i]) == magic)
    s.add(Sum([M[j][i] for j in range(n)]) == magic)
s.add(Sum([M[i][i] for i in range(n)]) == magic, Sum([M[i][n-1-i] for i in range(n)]) == magic)
s.add(M[0][0] == 8, M[0][1] == 1)
s.check()
m = s.model()
print('\\n'.join(' '.join(str(m[c]) for c in row) for row in M))
""",
    ),
    (
        "z3py",
        "4 liters after 6 steps",
        """
from z3 import *
# jugs of 3 and 5 liters, breadth first by unrolling
for steps in range(1, 9):
    a = IntVector('a', steps + 1)
    b = IntVector('b', steps + 1)
    s = Solver()
    s.add(a[0] == 0, b[0] == 0)
    for t in range(steps):
        pour_ab = If(a[t] <= 5 - b[t], a[t], 5 - b[t])
        pour_ba = If(b[t] <= 3 - a[t], b[t], 3 - a[t])
        s.add(Or(
            And(a[t+1] == 3, b[t+1] == b[t]), And(a[t+1] == a[t], b[t+1] == 5),
            And(a[t+1] == 0, b[t+1] == b[t]), And(a[t+1] == a[t], b[t+1] == 0),
            And(a[t+1] == a[t] - pour_ab, b[t+1] == b[t] + pour_ab),
            And(a[t+1] == a[t] + pour_ba, b[t+1] == b[t] - pour_ba)))
    s.add(b[steps] == 4)
    if s.check() == sat:
        print(f"4 liters after {steps} steps")
        break
""",
    ),
    (
        "z3py",
        "True False",
        """
from z3 import *
x = Int('x')
e = x + 1 > 2
print(is_expr(e), isinstance(x, BoolRef))
""",
    ),
    (
        "z3py",
        "+ 2 [x, 1] Int x",
        """
x = Int('x')
e = x + 1
print(e.decl(), e.num_args(), e.children(), e.sort(), e.arg(0))
""",
    ),
    (
        "z3py",
        "Z3_OP_ADD True",
        """
import z3
x = z3.Int('x')
print('Z3_OP_ADD', (x + 1).decl().kind() == z3.Z3_OP_ADD)
""",
    ),
    (
        "z3py",
        "[[Not(x <= 0), Not(10 <= x)]]",
        """
x = Int('x')
t = Then('simplify', 'propagate-values')
g = Goal()
g.add(x > 0, x < 10)
print(t(g))
""",
    ),
    (
        "z3py",
        "[]",
        """
from z3 import *
s = SolverFor('QF_LIA')
s.add(Int('x') == 1)
s.check()
print([d for d in s.model().decls() if d.name() == 'y'])
""",
    ),
    (
        "z3py",
        "x = 1",
        """
s = Solver()
s.from_string('(declare-const x Int) (assert (= (* 2 x) 2))')
s.check()
for d in s.model():
    print(f"{d} = {s.model()[d]}")
""",
    ),
    (
        "z3py",
        "120 10.0 5\n[1, 3]",
        """
import math
from functools import reduce
print(reduce(lambda a, b: a * b, range(1, 6)), math.sqrt(100), len({1, 2, 3, 4, 5}))
xs = [x for x in range(5) if x % 2]
print(xs)
""",
    ),
    (
        "z3py",
        "min 10 at x=3 y=1",
        """
from z3 import *
x, y = Reals('x y')
opt = Optimize()
opt.add(x + y >= 4, x + 3 * y >= 6, x >= 0, y >= 0)
cost = 3 * x + y if False else 3 * x + y
opt = Optimize()
opt.add(x + y >= 4, x + 3*y >= 6, x >= 0, y >= 1, x >= 3)
h = opt.minimize(cost)
opt.check()
m = opt.model()
print("min", opt.lower(h), "at", f"x={m[x]}", f"y={m[y]}")
""",
    ),
    (
        "z3py",
        "Seating: Ann, Cid, Bea",
        """
from z3 import *
names = ["Ann", "Bea", "Cid"]
seat = Ints(" ".join(names))
by_name = dict(zip(names, seat))
s = Solver()
s.add(*[And(v >= 0, v < 3) for v in seat], Distinct(*seat))
s.add(by_name["Ann"] == 0, Abs(by_name["Ann"] - by_name["Bea"]) != 1)
assert s.check() == sat, "no seating"
m = s.model()
order = sorted(names, key=lambda n: m.eval(by_name[n]).as_long())
print("Seating: " + ", ".join(order))
""",
    ),
    (
        "z3py",
        "3 solutions",
        """
from z3 import *

def all_solutions(s, terms):
    while s.check() == sat:
        m = s.model()
        yield [m.eval(t, model_completion=True) for t in terms]
        s.add(Or([t != m.eval(t, model_completion=True) for t in terms]))

x, y = Ints('x y')
s = Solver()
s.add(x > 0, y > 0, x + y == 4)
print(len(list(all_solutions(s, [x, y]))), "solutions")
""",
    ),
    (
        "z3py",
        "valid",
        """
from z3 import *
def valid(f: BoolRef) -> bool:
    s: Solver = Solver()
    s.add(Not(f))
    return s.check() == unsat
a, b = Bools('a b')
print("valid" if valid(Not(And(a, b)) == Or(Not(a), Not(b))) else "invalid")
""",
    ),
    (
        "z3py",
        "{'b': 1, 'g': 3} 4",
        """
from collections import defaultdict, Counter
table = defaultdict(int)
for c in 'bggg':
    table[c] += 1
print(dict(sorted(table.items())), sum(Counter('abca').values()))
""",
    ),
    (
        "smtlib2",
        "sat\n((x 7)\n (y 3))",
        """
(set-logic QF_LIA)
(declare-const x Int)
(declare-const y Int)
(assert (= (+ x y) 10))
(assert (= (- x y) 4))
(check-sat)
(get-value (x y))
""",
    ),
    (
        "smtlib2",
        "unsat\n(a b)",
        """
; a core
(set-option :produce-unsat-cores true)
(declare-fun x () Int)
(assert (! (> x 5) :named a))
(assert (! (< x 3) :named b))
(assert (! (> x 0) :named c))
(check-sat)
(get-unsat-core)
""",
    ),
    (
        "smtlib2",
        "sat\n(objectives\n ((+ x y) 7)\n)",
        """
(declare-const x Int)
(declare-const y Int)
(assert (and (<= x 3) (<= y 4)))
(maximize (+ x y))
(check-sat)
(get-objectives)
(exit)
""",
    ),
    (
        "smtlib2",
        "unsat\nsat",
        """
(declare-datatypes ((Color 0)) (((red) (green))))
(declare-const c Color)
(push 1)
(assert (and (not (= c red)) (not (= c green))))
(check-sat)
(pop 1)
(check-sat)
""",
    ),
    (
        "smtlib2",
        "start\nunsat",
        """
(echo "start")
(declare-sort Person 0)
(declare-fun parent (Person Person) Bool)
(declare-const ann Person)
(assert (forall ((p Person)) (not (parent p p))))
(assert (parent ann ann))
(check-sat)
""",
    ),
    (
        "smtlib2",
        "sat\n((b #x0f))",
        """
(declare-const b (_ BitVec 8))
(assert (= (bvand b #xf0) #x00))
(assert (bvuge b (_ bv15 8)))
(check-sat)
(get-value (b))
""",
    ),
    (
        "smtlib2",
        "sat\n((f 120))",
        """
(define-fun-rec fact ((n Int)) Int (ite (<= n 0) 1 (* n (fact (- n 1)))))
(declare-const f Int)
(assert (= f (fact 5)))
(check-sat)
(get-value (f))
""",
    ),
]
