"""Programs whose own callables lie in wait for what a library hands them."""

from textwrap import dedent

_LOOK = dedent("""
    from sympy import *
    from sympy.parsing.sympy_parser import parse_expr, standard_transformations as usual
    from collections import namedtuple
    from functools import partial

    x, y = symbols("x y")
    REAL = ("__builtins__", "__import__", "__build_class__", "eval", "exec", "open", "compile", "breakpoint")

    def look(*values, **named):
        for value in [*values, *named.values()]:
            if isinstance(value, (list, tuple)):
                look(*value[:50])
            if isinstance(value, dict):
                for name in value:
                    if name in REAL:
                        print("ESCAPED", name)
            if type(value).__name__ in ("module", "frame", "code", "traceback", "mappingproxy"):
                print("ESCAPED", type(value).__name__)
        return values[0] if values else None

    class Everything:
        def __init__(self, *values, **named): look(*values, **named)
        def __call__(self, *values, **named): return look(*values, **named)
        def __iter__(self): return iter([look])
        def __getitem__(self, key): return look(key)
        def __contains__(self, key): look(key); return True
        def doprint(self, *values, **named): return look(*values, **named)
        def _print(self, *values, **named): return look(*values, **named)
        def _sympy_(self, *values): look(*values); return x
        def _sympystr(self, *values): look(*values); return "x"
        def _latex(self, *values): look(*values); return "x"
        def _eval_subs(self, *values): look(*values)
        def _eval_simplify(self, *values, **named): look(*values, **named); return x

    class Names(dict):
        def __getitem__(self, key): look(self, key); return x
        def __contains__(self, key): look(self, key); return True
        def __setitem__(self, key, value): look(self, key, value)
        def __missing__(self, key): look(self, key); return x

    def waiting():
        received = yield None
        while True:
            look(received)
            received = yield received

    generator = waiting()
    next(generator)
    held, kept, Three = [], {}, namedtuple("Three", "tokens local names")
""")

CALLBACKS = [
    (_LOOK + program).replace("{", "{{").replace("}", "}}")  # an arena fills in braces
    for program in (
        "parse_expr('x', transformations=[look])",
        "parse_expr('x + 1', transformations=usual + (look,))",
        "parse_expr('x + 1', transformations=(look,) + usual)",
        "parse_expr('x', transformations=[lambda *everything: look(*everything)])",
        "parse_expr('x', transformations=[lambda tokens, local, names: print(names['eval']('\"ESCAPED\"'))])",
        "parse_expr('x', transformations=[lambda t, l, g: g['exec']('print(\"ESCAPED\")', g)])",
        "parse_expr('x', transformations=[lambda t, l, g: g.get('__builtins__')['print']('ESCAPED')])",
        "parse_expr('x', transformations=[lambda t, l, g: [print('ESCAPED') for name in g if name == 'eval']])",
        "parse_expr('x', transformations=[Everything()])",
        "parse_expr('x', transformations=[Everything])",
        "parse_expr('x', transformations=Everything())",
        "parse_expr('x', transformations=[Everything().__call__])",
        "parse_expr('x', transformations=[partial(look, 1)])",
        "parse_expr('x', transformations=[partial(partial, look), lambda *a: a[0]()])",
        "parse_expr('x', transformations=[slice, lambda t, l, g: look(t.start, t.stop, t.step)])",
        "parse_expr('x', transformations=[Three, lambda t, l, g: look(*t)])",
        "parse_expr('x', transformations=[Three, lambda t, l, g: held.append(t) or t])\nlook(*held)",
        "try: parse_expr('x', transformations=[lambda *a: held.extend(a)])\nexcept Exception: pass\nlook(*held)",
        "try: parse_expr('x', transformations=[lambda *a: held.append(a)])\nexcept Exception: pass\nlook(*held[0])",
        "parse_expr('x', transformations=[lambda t, l, g: generator.send(g) and t])",
        "parse_expr('x', transformations=[lambda t, l, g: kept.update(g) or t])\nlook(kept)",
        "parse_expr('x', transformations=[lambda t, l, g: kept.setdefault('a', g) and t])\nlook(kept['a'])",
        "parse_expr('x', transformations=[zip, lambda t, l, g: look(*[list(one) for one in t])])",
        "parse_expr('x', global_dict=kept)\nlook(kept)",
        "parse_expr('x', local_dict=kept)\nlook(kept)",
        "parse_expr('x', local_dict=Names(), global_dict=Names())",
        "parse_expr('f(1)', local_dict={'f': look})",
        "parse_expr('x', local_dict={'x': Everything()})",
        "parse_expr('x', evaluate=False, transformations=[look])",
        "sympify('x', locals=kept)\nlook(kept)",
        "sympify('x + f(2)', locals={'f': look, 'x': Everything()})",
        "sympify(Everything())",
        "sympify('x', convert_xor=Everything(), rational=Everything())",
        "lambdify(x, x, printer=Everything)(1)",
        "lambdify(x, x, printer=Everything())(1)",
        "lambdify(x, x + 1, modules=[Names()])(1)",
        "lambdify(x, x + 1, modules=[kept])(1)\nlook(kept)",
        "lambdify(x, Function('f')(x), modules=[{'f': look}])(1)",
        "lambdify(x, sin(x), modules=[{'sin': look}, 'math'])(1)",
        "lambdify(x, x, cse=look)(1)",
        "lambdify(x, Everything())(1)",
        "cse([x + 1, (x + 1)**2], optimizations=[(look, look)], postprocess=look)",
        "(x + sin(x)).replace(look, look)",
        "(x + sin(x)).replace(lambda e: True, look)",
        "(x + sin(x)).xreplace(Names())",
        "(x + sin(x)).subs(Names())",
        "(x + sin(x)).rewrite(look, look)",
        "(x + sin(x)).find(look)",
        "(x + sin(x)).transform = look",
        "Matrix([[1, 2], [3, 4]]).applyfunc(look)",
        "Matrix(2, 2, look)",
        "Matrix([[x, 2], [3, 4]]).det(iszerofunc=look)",
        "Matrix([[x, 2], [3, 4]]).rref(iszerofunc=look, simplify=look)",
        "Matrix([[x, 2], [3, 4]]).inv(iszerofunc=look)",
        "simplify(x + sin(x), measure=look)",
        "simplify(Everything())",
        "latex(Everything()); str(Tuple(x)); pretty(Everything()); srepr(Everything())",
        "latex(x, symbol_names=Names(), imaginary_unit=Everything())",
        "pycode(Function('f')(x), user_functions={'f': look})",
        "ccode(sin(x), user_functions={'sin': [(look, look)]})",
        "sorted([x, y], key=look); ordered([x, y], [look])",
        "sift([x, y], look); list(topological_sort(([1, 2], [(1, 2)]), key=look))",
        "nsolve(look, x, 1)",
        "list(postorder_traversal(x + 1, keys=look)); list(preorder_traversal(x + 1, keys=[look]))",
        "mpmath.findroot(look, 1, solver=Everything); mpmath.quad(look, [0, 1])",
        "mpmath.findroot(look, 1, verify=Everything(), norm=look)",
        "import json; json.dumps(Everything(), default=look)",
        "import re; re.sub('a', look, 'aa')",
        "import copy; copy.deepcopy(Names()); copy.copy(Everything())",
        "import functools; functools.reduce(look, [1, 2, 3]); functools.cmp_to_key(look)(1) < 2",
        "import itertools; list(itertools.groupby([1, 2], look)); list(itertools.accumulate([1, 2], look))",
        "import z3; z3.solve(Everything()); z3.prove(look)",
        "import z3; z3.substitute_funs(z3.Int('a'), (z3.Function('f', z3.IntSort(), z3.IntSort()), look))",
        "import z3; z3.print_matrix([[Everything()]]); z3.pp(Everything()); z3.obj_to_string([Everything()])",
        "import z3; o = z3.Optimize(); o.set_on_model(look)",
        "import z3; z3.Sum(Everything()); z3.And(Names()); z3.If(Everything(), Everything(), Everything())",
        "import z3; z3.set_option(Names()); z3.set_param(Everything(), look)",
        "import z3; z3.UserPropagateBase(z3.Solver())",
        "import z3; z3.OnClause(z3.Solver(), look)",
    )
]
"""Whatever gets through prints ESCAPED."""
