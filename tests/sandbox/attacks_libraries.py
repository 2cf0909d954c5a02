"""Programs that go through z3's and sympy's own doors to the host, and hostile SMT-LIB."""

# ruff: noqa: E501  an attack is easiest to read as one line

from textwrap import dedent


def _lines(text: str) -> list[str]:
    return [line for line in dedent(text).strip().splitlines() if line]


Z3 = _lines("""
    open_log("{canary}")
    append_log("x"); open_log("{canary}"); Int("x"); print("ESCAPED")
    set_param("trace", True); set_param("trace_file_name", "{canary}"); s = Solver(); s.check()
    set_option(trace=True, trace_file_name="{canary}"); Solver().check()
    set_param("solver.smtlib2_log", "{canary}"); s = Solver(); s.add(Int("x") > 1); s.check()
    set_param("SOLVER.SMTLIB2-LOG", "{canary}"); s = Solver(); s.add(Int("x") > 1); s.check()
    set_param(":solver.smtlib2_log", "{canary}"); s = Solver(); s.add(Int("x") > 1); s.check()
    set_option("smtlib2_log", "{canary}"); s = Solver(); s.add(Int("x") > 1); s.check()
    set_param("solver.proof.log", "{canary}"); s = Solver(); s.add(Int("x") > 1); s.check()
    set_param("proof", True); set_param("dot_proof_file", "{canary}"); s = Solver(); s.add(False); s.check(); s.proof()
    set_param("sat.drat.file", "{canary}"); s = SolverFor("QF_BV"); s.add(BitVec("x", 9) > 1); s.check()
    set_param("solver.cancel_backup_file", "{canary}"); s = Solver(); s.set("timeout", 1); s.check()
    set_param("fp.spacer.trace_file", "{canary}"); Fixedpoint()
    s = Solver(logFile="{canary}"); s.add(Int("x") > 1); s.check()
    s = Solver(None, None, "{canary}"); s.add(Int("x") > 1); s.check()
    s = SimpleSolver(logFile="{canary}"); s.add(Int("x") > 1); s.check()
    s = SolverFor("QF_LIA", logFile="{canary}"); s.add(Int("x") > 1); s.check()
    s = SolverFor("QF_LIA", None, "{canary}"); s.add(Int("x") > 1); s.check()
    s = Tactic("smt").solver(logFile="{canary}"); s.add(Int("x") > 1); s.check()
    s = Tactic("smt").solver("{canary}"); s.add(Int("x") > 1); s.check()
    s = Then("simplify", "smt").solver(logFile="{canary}"); s.add(Int("x") > 1); s.check()
    s = Solver(); s.set("smtlib2_log", "{canary}"); s.add(Int("x") > 1); s.check()
    s = Solver(); s.set(smtlib2_log="{canary}"); s.add(Int("x") > 1); s.check()
    s = Solver(); s.set("solver.smtlib2_log", "{canary}"); s.add(Int("x") > 1); s.check()
    s = Solver(); s.set("proof.log", "{canary}"); s.add(Int("x") > 1); s.check()
    f = Fixedpoint(); f.set("spacer.trace_file", "{canary}"); f.query(BoolVal(True))
    o = Optimize(); o.set("dump_benchmarks", True); o.add(Int("x") > 1); o.maximize(Int("x")); o.check()
    t = With("smt", "smtlib2_log", "{canary}"); t(BoolVal(True))
    t = With(Tactic("smt"), smtlib2_log="{canary}"); t(BoolVal(True))
    t = With("sat", **dict([("drat.file", "{canary}")])); t(BoolVal(True))
    simplify(Int("x"), "smtlib2_log", "{canary}")
    Tactic("smt").apply(BoolVal(True), smtlib2_log="{canary}")
    p = ParamsRef(); p.set("smtlib2_log", "{canary}"); s = WithParams("smt", p).solver(); s.check()
    p = args2params(["smtlib2_log", "{canary}"], dict()); print("ESCAPED")
    s = Solver(); s.from_file("{secret}"); print(s)
    o = Optimize(); o.from_file("{secret}"); print(o)
    print(parse_smt2_file("{secret}"))
    print(Fixedpoint().parse_file("{secret}"))
    s = Solver(); s.import_model_converter(s); print("ESCAPED", s.translate(main_ctx()))
    Z3_open_log("{canary}")
    Z3_global_param_set("solver.smtlib2_log", "{canary}"); Solver().check()
    import z3; z3.z3core.Z3_open_log("{canary}")
    import z3; z3.Z3_open_log("{canary}")
    from z3 import Z3_open_log as f; f("{canary}")
    from z3.z3core import *; Z3_open_log("{canary}"); print("ESCAPED")
    from z3.z3core import lib; lib().Z3_open_log(b"{canary}")
    from z3.z3util import *; print("ESCAPED", os)
    print("ESCAPED", main_ctx())
    c = Context(); print("ESCAPED", c)
    print(BoolRef(0x41414140), "ESCAPED")
    print(ArithRef(0x41414140, main_ctx()), "ESCAPED")
    print(ExprRef(1), AstRef(1), SortRef(1), FuncDeclRef(1), "ESCAPED")
    print(Solver(0x41414140), "ESCAPED")
    print(Optimize(0x41414140), "ESCAPED")
    print(Goal(goal=0x41414140), "ESCAPED")
    print(Tactic(0x41414140), "ESCAPED")
    print(Probe(0x41414140), "ESCAPED")
    print(AstVector(0x41414140), "ESCAPED")
    print(Statistics(1, main_ctx()), ModelRef(1, main_ctx()), "ESCAPED")
    print(type(Int("x"))(0x41414140), "ESCAPED")
    print(type(Solver())(0x41414140), "ESCAPED")
    print(type(Int("x") > 1)(0x41414140), "ESCAPED")
    print(IntVal(Int("x").ast.value), "ESCAPED")
    print(Int("x", 0x41414140), "ESCAPED")
    print(IntSort(0x41414140), "ESCAPED")
    print(BoolVal(True, "ctx"), "ESCAPED")
    v = AstVector(); v[5] = Int("x"); print(v[99999999])
    v = AstVector(); v.push(5); print("ESCAPED")
    v = AstVector(); v.resize(2**31); print(v)
    m = AstMap(); m[5] = 6; print("ESCAPED")
    class X(UserPropagateBase): pass
    OnClause(Solver(), lambda *a: print("ESCAPED"))
    print(deserialize("(declare-const x Int)"), "ESCAPED")
    s = Solver(); s.from_string('(set-option :regular-output-channel "{canary}")(echo "x")')
    s = Solver(); s.from_string('(set-option :diagnostic-output-channel "{canary}")(assert (> 1 x))')
    o = Optimize(); o.from_string('(set-option :regular-output-channel "{canary}")(echo "x")')
    Fixedpoint().parse_string('(set-option :regular-output-channel "{canary}")(echo "x")')
    parse_smt2_string('(set-option :regular-output-channel "{canary}")(echo "x")')
    parse_smt2_string('(set-option\\n:regular-output-channel|{canary}|)(echo "x")')
    parse_smt2_string('(set-option :regular-output-channel "{canary}")')
    parse_smt2_string('(include "{secret}")')
    parse_smt2_string('(assert (= |a\\\\|b| 1)) (set-option :regular-output-channel "{canary}") ; |')
    print(help_simplify.__globals__, "ESCAPED")
    describe_tactics.__globals__["os"].system("touch {canary}")
    set_param("html_mode", True); set_param("z3", 1); print("ESCAPED")
    set_option(_z3_debug=True); print("ESCAPED")
    s = Solver(); print(s.solver.__class__, "ESCAPED")
    Int("x").from_string("{canary}"); print("ESCAPED")
    Int("x").sort().ctx; print("ESCAPED")
    Int("x").translate(Context()); print("ESCAPED")
    s = Solver(); s.ctx.interrupt(); print("ESCAPED")
    s = Solver(); s.ctx.param_descrs(); print("ESCAPED")
    substitute(Int("x"), (0x41414140, 1)); print("ESCAPED")
    Function("f", 0x41414140, 1); print("ESCAPED")
    Array("a", 0x41414140, 1); print("ESCAPED")
    Const("c", 0x41414140); print("ESCAPED")
    Var(0, 0x41414140); print("ESCAPED")
    ForAll(0x41414140, BoolVal(True)); print("ESCAPED")
    Datatype("D", ctx=5).create(); print("ESCAPED")
    CreateDatatypes(5); print("ESCAPED")
    EnumSort("E", [5]); print("ESCAPED")
    f = __import__("sympy").Function("f", as_ast=lambda self: 0x41414141); AstVector().push(f(1))
    import sympy; f = sympy.Function("f", as_ast=lambda self: 0x41414141); AstVector().push(f(1)); print("ESCAPED")
    import sympy; f = sympy.Function("f", **{{"__dict__": {{"as_ast": lambda s: 65}}}}); AstVector().push(f(1)); print("ESCAPED")
    import sympy; f = sympy.Function("f", bases=(sympy.Symbol,)); print("ESCAPED", f)
    from enum import Enum; E = Enum("E", "as_ast ctx"); AstVector().push(E); print("ESCAPED")
    import sympy; R = sympy.ring("as_ast", sympy.ZZ)[0]; AstVector().push(R); print("ESCAPED")
    reset_params(); set_param("memory_max_size", 0); print("ESCAPED")
    print(get_param("timeout"), reset_params(), main_ctx(), "ESCAPED")
""")

_PAYLOAD = "__import__('os').close(__import__('os').open('{canary}',66))"

_SYMPY_STRINGS = _lines("""
    sympify("PAYLOAD")
    S("PAYLOAD")
    simplify("PAYLOAD")
    parse_expr("PAYLOAD")
    parse_expr("PAYLOAD", evaluate=False)
    parse_expr("PAYLOAD", transformations=())
    parse_expr("PAYLOAD", transformations="all")
    parse_expr("PAYLOAD", global_dict=dict())
    parse_expr("PAYLOAD", local_dict=dict(x=1))
    solve("PAYLOAD")
    factor("PAYLOAD")
    expand("PAYLOAD")
    diff("PAYLOAD", Symbol("x"))
    integrate("PAYLOAD", Symbol("x"))
    limit("PAYLOAD", Symbol("x"), 0)
    Matrix([["PAYLOAD"]])
    Matrix("PAYLOAD")
    Integer("PAYLOAD")
    Rational("PAYLOAD")
    Float("PAYLOAD")
    Lambda(Symbol("x"), "PAYLOAD")
    Eq("PAYLOAD", 1)
    Add("PAYLOAD", 1)
    Tuple("PAYLOAD")
    FiniteSet("PAYLOAD")
    Interval(0, "PAYLOAD")
    Poly("PAYLOAD", Symbol("x"))
    Function("f")("PAYLOAD")
    Symbol("x").subs(Symbol("x"), "PAYLOAD")
    Symbol("x").subs("PAYLOAD", 1)
    Symbol("x").has("PAYLOAD")
    Symbol("x").coeff("PAYLOAD")
    Symbol("x").equals("PAYLOAD")
    Symbol("x") + "PAYLOAD"
    N("PAYLOAD")
    latex("PAYLOAD")
    nsimplify("PAYLOAD")
    to_cnf("PAYLOAD")
    satisfiable("PAYLOAD")
    simplify_logic("PAYLOAD")
    Point("PAYLOAD", 1)
    Sum("PAYLOAD", (Symbol("k"), 1, 2))
    Piecewise(("PAYLOAD", True))
    ask("PAYLOAD")
    reduce_inequalities("PAYLOAD")
    sympify("lambda: PAYLOAD")()
    sympify("(lambda: PAYLOAD)()")
    sympify("[PAYLOAD for _ in range(1)]")
    sympify("x.__class__.__mro__[-1].__subclasses__()")
    sympify("f'{{PAYLOAD}}'")
    sympify("Symbol.__init__.__globals__")
    sympify("eval('PAYLOAD')")
    sympify("exec('PAYLOAD')")
    sympify("open('{canary}','w')")
    sympify("(a := PAYLOAD)")
    sympify("1\\nPAYLOAD")
    sympify("sys.modules")
    sympify("preview(x)")
    sympify("getattr(x, '__class__')")
    sympify("lambdify((), 'PAYLOAD')()")
    lambdify((), "PAYLOAD")()
    lambdify(Symbol("x"), "PAYLOAD")(1)
    lambdify("x=PAYLOAD", "x")(1)
    lambdify("x", "x", modules="os")(1)
    lambdify("x", "x", modules=["os"])(1)
    lambdify("x", "x", modules="tensorflow")(1)
    lambdify("x", "x", modules="numpy")(1)
    lambdify(Symbol("x): return PAYLOAD\\ndef f(y"), Symbol("x"))(1)
    lambdify(Symbol("x"), Symbol("PAYLOAD"))(1)
    lambdify(Symbol("x"), Function("PAYLOAD")(1))(1)
    lambdify(Symbol("x"), Function("(lambda a: PAYLOAD)")(1))(1)
    lambdify(Symbol("x"), Function("open")("{canary}", "w"))(1)
    lambdify(Symbol("x"), Function("eval")(Symbol("'PAYLOAD'")))(1)
    lambdify(Symbol("x"), Function("preview")(Symbol("x")))(1)
    lambdify(Symbol("x"), Function("__import__")(Symbol("'os'")))(1)
    lambdify(Symbol("x"), Function("builtins.open")(Symbol("'{canary}','w'")))(1)
    lambdify(Symbol("x"), Symbol("x"), cse=lambda e: ([(Symbol("PAYLOAD"), 1)], [1]))(1)
    lambdify(Symbol("x"), MatrixSymbol("PAYLOAD", 1, 1))(1)
    lambdify(Symbol("x"), IndexedBase("PAYLOAD")[0])(1)
    lambdify([[Symbol("PAYLOAD")]], 1)([1])
    lambdify(Symbol("x"), implemented_function("f", lambda x: PAYLOAD)(1))(1)
    nsolve(Function("(lambda a: PAYLOAD)")(Symbol("x")), Symbol("x"), 1)
    nsolve(Symbol("PAYLOAD"), Symbol("x"), 1)
    textplot("PAYLOAD", 0, 1)
    textplot(Function("(lambda a: PAYLOAD)")(Symbol("x")), 0, 1)
    plot(Symbol("x"), show=False).save("{canary}")
    Symbol("x").func("PAYLOAD")
    type(Symbol("x"))("PAYLOAD")
    symbols("PAYLOAD", cls=sympify)
    symbols("x", cls=lambda n: PAYLOAD)
    var("PAYLOAD")
    var("__builtins__"); print("ESCAPED")
    numbered_symbols("PAYLOAD", cls=sympify).send(None)
    srepr(Symbol("x")); sympify(srepr(Symbol("');PAYLOAD;('")))
    preview(Symbol("x"), viewer="file", filename="{canary}")
    preview(Symbol("x"), output="dvi", outputbuffer=None)
    print_gtk(Symbol("x"))
    pager_print(Symbol("x"))
    init_session()
    python(Symbol("x")); print("ESCAPED")
    dotprint(Symbol("x")); print("ESCAPED")
    source(solve); print("ESCAPED")
    test("x"); print("ESCAPED")
    doctest("x"); print("ESCAPED")
    seterr(True); print("ESCAPED")
    Options([], {{}}); print("ESCAPED")
    register_handler("x", "y"); print("ESCAPED")
    ring("PAYLOAD", ZZ); vring("x", ZZ); print("ESCAPED")
    latex(Symbol("x"), symbol_names={{Symbol("x"): "PAYLOAD"}})
    print(ccode(Symbol("x"), assign_to="PAYLOAD"))
    from sympy.utilities.codegen import codegen; codegen(("f", Symbol("x")), "C", prefix="{canary}", to_files=True)
    from sympy.utilities.autowrap import ufuncify; ufuncify([Symbol("x")], Symbol("x"))
    from sympy.external import import_module; import_module("os").system("touch {canary}")
    from sympy.parsing.latex import parse_latex; parse_latex("PAYLOAD")
    from sympy.parsing.mathematica import parse_mathematica; parse_mathematica("PAYLOAD")
    from sympy.parsing.ast_parser import parse_expr as p; p("PAYLOAD", dict())
    from sympy.plotting.experimental_lambdify import experimental_lambdify as e; e([], "PAYLOAD")
    from sympy.printing.python import python; print("ESCAPED")
    from sympy.core.compatibility import exec_; exec_("PAYLOAD")
    from sympy.utilities.misc import debug, os; print("ESCAPED", os)
    from sympy.polys.polyconfig import configure; configure(); print("ESCAPED")
    from sympy.testing.runtests import run; print("ESCAPED")
    from sympy.utilities.tmpfiles import cleanup_tmp_files; print("ESCAPED")
    from sympy.interactive.session import init_ipython_session; print("ESCAPED")
    from sympy.stats import sample, Die; sample(Die("D"), library="antigravity"); print("ESCAPED")
    from sympy.stats import sample, Die; sample(Die("D"), library="os"); print("ESCAPED")
    lambdify(Symbol("x"), Symbol("x") * 2, [{{"@attr": print, "__builtins__": 1, "@mul": print}}])(1); open("{canary}", "w")
    parse_expr("x.is_real", local_dict={{"@attr": lambda *a: print("ESCAPED"), "x": 1}})
    from mpmath import identify; identify(1.0, ["PAYLOAD"])
    import mpmath; mpmath.identify(1.0, ["PAYLOAD"])
    import mpmath; mpmath.mp.identify(1.0, ["PAYLOAD"])
    import mpmath; mpmath.findroot(lambda x: x, 1, solver=print, verbose=True)
    import mpmath; mpmath.mpf("PAYLOAD")
    import mpmath; mpmath.mp.dps = "PAYLOAD"
""")

SYMPY = ["from sympy import *\n" + line.replace("PAYLOAD", _PAYLOAD) for line in _SYMPY_STRINGS]

SMTLIB = [dedent(text).strip() for text in (
    '(set-option :regular-output-channel "{canary}") (echo "x")',
    '(set-option :diagnostic-output-channel "{canary}") (assert x)',
    '(set-option :regular-output-channel |{canary}|) (echo "x")',
    '(set-option :Regular-Output-Channel "{canary}") (echo "x")',
    '(set-option ; comment\n :regular-output-channel "{canary}") (echo "x")',
    '(set-info :status "x") (set-option :regular-output-channel "{canary}")',
    '(set-option :trace true) (set-option :trace_file_name "{canary}") (check-sat)',
    '(set-option :solver.smtlib2_log "{canary}") (declare-const x Int) (assert (> x 1)) (check-sat)',
    '(set-option :solver.smtlib2_log |{canary}|) (check-sat)',
    '(set-option :sat.drat.file |{canary}|) (check-sat)',
    '(set-option :solver.proof.log |{canary}|) (check-sat)',
    '(set-option :dot_proof_file "{canary}") (set-option :produce-proofs true) (assert false) (check-sat) '
    '(get-proof-graph)',
    '(set-option :fp.spacer.trace_file |{canary}|) (check-sat)',
    '(include "{secret}")',
    '(include |{secret}|) (get-model)',
    '(get-proof-graph)',
    '(help)',
    '(display x)',
    '(dbg-sexpr x)',
    '(check-sat-using (then simplify smt))',
    '(apply simplify)',
    '(declare-const |a\\| (set-option :regular-output-channel "{canary}") (echo |x"y|) Int)',
    '(echo "a\\" (set-option :regular-output-channel "{canary}") (echo "b")',
    '(echo "a""b") (echo "\\u{{41}}") (set-option :regular-output-channel "{canary}")',
    '(echo "x\\") (set-option :regular-output-channel "{canary}") (echo "y")',
    '; \r(set-option :regular-output-channel "{canary}")(echo "x")',
    '(declare-const x\x0b Int)(set-option\x0b:regular-output-channel "{canary}")',
    '(declare-const |x\x01| Int)',
    '#| (set-option :regular-output-channel "{canary}") |#',
    '(set-option :regular-output-channel "{canary}"',
    ')(set-option :regular-output-channel "{canary}")',
    '(assert (! true :named |x|) ) (set-option |:regular-output-channel| "{canary}")',
    '(set-option :opt.dump_benchmarks true) (declare-const x Int) (maximize x) (check-sat)',
    '(set-option :timeout 4294967295) (declare-const x Int) (declare-const y Int) (declare-const z Int) '
    '(assert (= (+ (* x x x) (* y y y)) (+ 42 (* z z z)))) (check-sat)',
    '(declare-const x (_ BitVec 100000000)) (assert (= x (bvmul x x))) (check-sat)',
    '(declare-const x (_ BitVec 1024)) (assert (= (bvmul x x x) (bvurem x ((_ repeat 2) ((_ extract 511 0) x))))) '
    '(check-sat)',
    '(declare-const x (_ BitVec 8)) (assert (= ((_ zero_extend 999999999) x) ((_ zero_extend 999999999) x)))',
    '(push 999999999)',
    '(push 900)' * 3,
    '(pop 99)',
    '(exit)',
    '(check-sat)' * 20000,
    '(' * 100000,
    '(assert ' + '(not ' * 390 + 'true' + ')' * 390 + ') (check-sat)',
    '(assert ' + '(not ' * 5000 + 'true' + ')' * 5000 + ')',
    '(assert (= ' + '9' * 60000 + ' 1)) (check-sat)',
    '(define-fun-rec f ((n Int)) Int (f (+ n 1))) (assert (= (f 0) 1)) (check-sat) (eval (f 0))',
    '(define-funs-rec ((f ((x Int)) Int)) ((f x))) (simplify (f 1))',
    '(declare-datatypes ((T 0)) (((c (s T))))) (declare-const x T) (check-sat)',
    '(echo "' + 'x' * 90000 + '")',
    '(simplify (^ 10 (^ 10 10)))',
    '(simplify (str.replace_all (str.from_code 65) "A" ((_ re.loop 1 1000000) "B")))',
    '(assert (str.in_re "a" ((_ re.loop 999999 999999) (str.to_re "a")))) (check-sat)',
    '(set-logic ALL) (set-option :print-success true) (set-option :verbosity 100) (check-sat)',
    '(get-info :all-statistics)',
    '(get-option :regular-output-channel)',
    '(set-simplifier (then simplify solve-eqs))',
    '(declare-tactic t simplify)',
    '(model-add f () Int 3)',
    '(load-plugin "{secret}")',
    '(eval-file "{secret}")',
    '\ufeff(set-option :regular-output-channel "{canary}")(echo "x")',
)]  # fmt: skip
