"""Programs that try to get out, by the walls they lean against.

`{canary}` is a file that must not come into being, `{secret}` one whose content must not come back, `{port}` a
loopback port nobody may connect to, `{victim}` a process that must stay alive. A program that got hold of what
the dialect keeps from it prints ESCAPED. Bombs are small enough for a machine on which they go off.
"""

# ruff: noqa: E501  an attack is easiest to read as one line

from textwrap import dedent

_HARM = 'm("os").close(m("os").open("{canary}", 66))'
_GLOBALS = (
    """
def use(g):
    b = g["__builtins__"]
    m = b["__import__"] if isinstance(b, dict) else b.__import__
    print("ESCAPED")
    """
    + _HARM
    + "\n"
)


def _lines(text: str) -> list[str]:
    return [line for line in dedent(text).strip().splitlines() if line]


PLAIN = _lines("""
    import os; os.system("touch {canary}")
    import os; os.close(os.open("{canary}", os.O_CREAT | os.O_WRONLY))
    import os; os.mkdir("{canary}")
    import os; os.symlink("/etc/passwd", "{canary}")
    import os; os.link("{secret}", "{canary}")
    import os; os.rename("{secret}", "{canary}")
    import os; os.unlink("{secret}")
    import os; os.chmod("{secret}", 0)
    import os; os.truncate("{secret}", 0)
    import os; os.utime("{secret}", (0, 0))
    import os; os.mkfifo("{canary}")
    import os; os.mknod("{canary}")
    import os; print("ESCAPED", os.environ)
    import os; print("ESCAPED", os.listdir("/"), os.getcwd(), os.stat("/"))
    import os; os.kill({victim}, 9)
    import os; os.kill({victim}, 19)
    import os; os.kill(os.getppid(), 9)
    import os; os.kill(os.getppid(), 19)
    import os; os.killpg(os.getpgid({victim}), 9)
    import os; os.fork() or os.execv("/bin/sh", ["sh", "-c", "touch {canary}"])
    import os; os.posix_spawn("/bin/sh", ["sh", "-c", "touch {canary}"], dict())
    import os; os.execve("/usr/bin/touch", ["touch", "{canary}"], dict())
    import os; os.setuid(0); os.close(os.open("{canary}", 66))
    import os; os.chroot("/tmp"); os.close(os.open("{canary}", 66))
    import os; os.nice(-20); print("ESCAPED")
    import os; os.sched_setaffinity({victim}, [0]); os.truncate("{secret}", 0)
    import os; os.memfd_create("x"); print("ESCAPED")
    import os; os.pidfd_open({victim}); print("ESCAPED")
    import os; os.write(0, b"x"); os.write(1, b"x"); os.write(2, b"x"); [os.write(n, b"x") for n in range(4, 16)]
    import os; [os.read(n, 100) for n in (4, 5, 6)]; print("ESCAPED")
    import os; os.dup2(3, 0); print("ESCAPED")
    import subprocess; subprocess.run(["touch", "{canary}"])
    import subprocess; subprocess.Popen("sleep 30; touch {canary}", shell=True)
    import socket; socket.create_connection(("127.0.0.1", {port}), 1)
    import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", {port}))
    import socket; socket.socketpair(); print("ESCAPED")
    import socket; socket.socket(fileno=3).sendall(b"x" * 100)
    import urllib.request; urllib.request.urlopen("http://127.0.0.1:{port}/")
    import ctypes; ctypes.CDLL(None).system(b"touch {canary}")
    import ctypes; ctypes.CDLL(None).open(b"{canary}", 66, 0o600)
    import ctypes; ctypes.CDLL(None).kill({victim}, 9)
    import ctypes; ctypes.CDLL(None).syscall(85, b"{canary}", 0o600)
    import ctypes; ctypes.CDLL(None).syscall(322, -100, b"/usr/bin/touch", 0, 0, 0)
    import ctypes; ctypes.CDLL(None).syscall(101, 16, {victim}, 0, 0)
    import ctypes; ctypes.CDLL(None).syscall(0x40000000 + 2, b"{canary}", 66, 0o600)
    import ctypes; ctypes.CDLL(None).syscall(425, 8, 0)
    import ctypes; ctypes.CDLL(None).prctl(4, 1); ctypes.CDLL(None).prctl(1, 0)
    import ctypes; ctypes.string_at(0)
    import ctypes; ctypes.memset(0x1000, 0, 100000)
    import ctypes, mmap; mmap.mmap(-1, 4096, prot=7); print("ESCAPED")
    import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    import resource; resource.prlimit(0, resource.RLIMIT_AS, (-1, -1)); print("ESCAPED")
    import signal, os; signal.pthread_kill(1, 9); os.kill({victim}, 9)
    import shutil; shutil.copy("{secret}", "{canary}")
    import pathlib; pathlib.Path("{canary}").write_text("x")
    import tempfile; print("ESCAPED", tempfile.NamedTemporaryFile())
    import sys; print("ESCAPED", sys.modules["os"].environ)
    import sys; sys._getframe(0).f_globals["__builtins__"]; print("ESCAPED")
    import importlib; importlib.import_module("os").close(importlib.import_module("os").open("{canary}", 66))
    import pickle; pickle.loads(b"cos\\nsystem\\n(S'touch {canary}'\\ntR.")
    import gc; print("ESCAPED", gc.get_objects()[:1])
    import inspect; print("ESCAPED", inspect.currentframe().f_back)
    import linecache; print(linecache.getlines("{secret}"))
    import fileinput; print(list(fileinput.input("{secret}")))
    import code; code.interact(); print("ESCAPED")
    import sqlite3; sqlite3.connect("{canary}").execute("create table t (x)")
    import dbm.dumb; dbm.dumb.open("{canary}", "c").close()
    import zipfile; zipfile.ZipFile("{canary}", "w").close()
    import logging; logging.FileHandler("{canary}")
    import threading; threading.Thread(target=lambda: open("{canary}", "w")).start()
    import multiprocessing; multiprocessing.Process(target=print).start(); print("ESCAPED")
    import asyncio; asyncio.run(asyncio.create_subprocess_shell("touch {canary}"))
    import posix; posix.close(posix.open("{canary}", 66))
    import _posixsubprocess; print("ESCAPED")
    import builtins; builtins.open("{canary}", "w")
    from os import system; system("touch {canary}")
    from z3.z3 import os; os.close(os.open("{canary}", 66))
    from z3 import os, sys, io; os.close(os.open("{canary}", 66)); print("ESCAPED")
    import z3; z3.os.close(z3.os.open("{canary}", 66))
    import z3; z3.z3core.lib().Z3_open_log(b"{canary}")
    import z3; z3.ctypes.CDLL(None).system(b"touch {canary}")
    import sympy; sympy.external.import_module("os").system("touch {canary}")
    import sympy; sympy.sys.modules["os"].system("touch {canary}")
    import sympy; sympy.printing.preview.preview(sympy.Symbol("x"), viewer="file", filename="{canary}")
    import sympy.utilities.autowrap as a; a.autowrap(1, tempdir="{canary}")
    import sympy.utilities.runtests
    import mpmath; mpmath.libmp.libmpf.sys.modules["os"].system("touch {canary}")
    import random; random._os.close(random._os.open("{canary}", 66))
    import statistics; statistics.sys.modules["os"].system("touch {canary}")
    import json; json.codecs.builtins.open("{canary}", "w")
    import re; re.enum.sys.modules["os"].system("touch {canary}")
    import collections; collections._sys.modules["os"].system("touch {canary}")
    import heapq, typing; typing.sys.modules["os"].system("touch {canary}")
    open("{canary}", "w")
    print(open("{secret}").read())
    print(open("/proc/self/environ").read(), "ESCAPED")
    print(open("/proc/self/maps").read(), "ESCAPED")
    open("/proc/self/mem", "r+b"); print("ESCAPED")
    print(open("/etc/passwd").read(), "ESCAPED")
    open("/dev/tty"); print("ESCAPED")
    print(open(0).read(), "ESCAPED")
    __import__("os").close(__import__("os").open("{canary}", 66))
    eval("__import__('os').close(__import__('os').open('{canary}', 66))")
    exec("import os; os.close(os.open('{canary}', 66))")
    exec(compile("open('{canary}', 'w')", "x", "exec"))
    globals()["__builtins__"]; print("ESCAPED")
    print("ESCAPED", locals())
    print("ESCAPED", vars())
    breakpoint(); print("ESCAPED")
    help("os")
    input("ESCAPED?"); print("ESCAPED")
""")

WALKS = _lines("""
    print("ESCAPED", ().__class__.__bases__[0].__subclasses__())
    print("ESCAPED", "".__class__.__mro__[-1].__subclasses__())
    print("ESCAPED", (lambda: 0).__globals__)
    print("ESCAPED", (lambda: 0).__code__.co_consts)
    print("ESCAPED", (lambda: 0).__closure__, (lambda: 0).__builtins__)
    print("ESCAPED", print.__self__)
    print("ESCAPED", print.__module__, len.__self__)
    print("ESCAPED", getattr((), "__class__"))
    print("ESCAPED", getattr((), "__cl" + "ass__"))
    print("ESCAPED", getattr((), "_" * 2 + "class" + "_" * 2))
    print("ESCAPED " + "{{0.__class__}}".format(1))
    print("ESCAPED " + "{{0.__class__.__mro__[1].__subclasses__}}".format(1))
    print("ESCAPED " + "{{a[0].__class__}}".format_map(dict(a=[1])))
    print("ESCAPED " + str.format("{{0.__globals__}}", lambda: 0))
    print("ESCAPED " + "".join(map(str.format, ["{{0.__class__}}"], [1])))
    print("ESCAPED " + "{{0:{{1.__class__}}}}".format(1, 2))
    print("ESCAPED " + "{{.__class__}}".format(1))
    print("ESCAPED " + f"{{().__class__}}")
    print("ESCAPED " + "%(x)s" % ().__class__)
    g = (x for x in [1]); print("ESCAPED", g.gi_frame.f_back)
    g = (x for x in [1]); print("ESCAPED", g.gi_code)
    g = (g.gi_frame.f_back.f_globals for _ in [1]); print("ESCAPED", next(g))
    from operator import attrgetter; print("ESCAPED", attrgetter("__class__")(1))
    from operator import attrgetter; print("ESCAPED", attrgetter("a.__class__")(1))
    from operator import attrgetter; print("ESCAPED", attrgetter("real.__class__.__mro__")(1))
    from operator import methodcaller; print("ESCAPED", methodcaller("__reduce_ex__", 2)([]))
    from functools import reduce; print("ESCAPED", reduce(getattr, ["__class__", "__mro__"], ()))
    from functools import partial; print("ESCAPED", partial(print).func.__self__)
    from functools import update_wrapper; print("ESCAPED", update_wrapper)
    from functools import singledispatch; print("ESCAPED", singledispatch(print).registry)
    from functools import wraps; print("ESCAPED", wraps(print, assigned=("__self__",))(lambda: 0).__self__)
    from functools import lru_cache; print("ESCAPED", lru_cache(print).__wrapped__)
    from copy import copyreg; print("ESCAPED")
    from enum import sys; print("ESCAPED")
    print("ESCAPED", type("X", (), dict())())
    print("ESCAPED", type(type(1)))
    print("ESCAPED", type(type(1))("X", (), dict()))
    print("ESCAPED", type(int).__subclasses__(int))
    print("ESCAPED", type(print)("x"))
    print("ESCAPED", type(lambda: 0)((lambda: 0).__code__, dict()))
    print("ESCAPED", type((x for x in ())).gi_frame)
    print("ESCAPED", object.__subclasses__())
    print("ESCAPED", object.__init__.__objclass__)
    print("ESCAPED", int.__subclasses__(), int.mro())
    print("ESCAPED", str.__dict__["join"])
    print("ESCAPED", super.__init__, super(int, 1).__class__)
    print("ESCAPED", [].append.__self__)
    print("ESCAPED", Exception().__traceback__, Exception.__subclasses__())
    print("ESCAPED", Exception().with_traceback(None).__class__)
    print("ESCAPED", Int("x").ctx)
    print("ESCAPED", Int("x").__dict__)
    print("ESCAPED", Int("x").ast)
    print("ESCAPED", Int("x").as_ast())
    print("ESCAPED", Solver().solver.value)
    print("ESCAPED", Solver().ctx.ref())
    print("ESCAPED", Int("x").__init__.__globals__["os"])
    print("ESCAPED", Function.__globals__, simplify.__globals__)
    print("ESCAPED", And.__code__)
    import sympy; print("ESCAPED", sympy.Symbol("x").__class__.__init__)
    import sympy; print("ESCAPED", sympy.core.sympify.sys)
    import sympy; print("ESCAPED", sympy.Symbol("x").func.__mro__)
    import sympy; print("ESCAPED", sympy.Symbol.mro())
    import sympy; print("ESCAPED", sympy.Basic.__subclasses__())
    import sympy; print("ESCAPED", sympy.sin(1)._eval_evalf.__globals__)
    import sympy; print("ESCAPED", sympy.solve.__globals__["sys"])
    import sympy; print("ESCAPED", sympy.utilities.misc.os)
    import sympy; print("ESCAPED", sympy.lambdify("x", "x").__globals__)
    import sympy; print("ESCAPED", sympy.S.__class__.__init__.__globals__)
    import sympy; print("ESCAPED", sympy.core.cache.os.environ)
    import mpmath; print("ESCAPED", mpmath.mp.__dict__)
    import math; print("ESCAPED", math.__loader__)
    import sys; print("ESCAPED", sys.stdout.__class__)
    import sys; print("ESCAPED", sys._getframe)
    import random; print("ESCAPED", random.Random().__reduce__())
    import random; print("ESCAPED", random.SystemRandom())
    ().__class__ = 1; print("ESCAPED")
    print.x = 1; print("ESCAPED")
    import math; math.sqrt = print; print("ESCAPED")
    Int.x = 1; Solver.check = print; print("ESCAPED")
    setattr(Solver(), "ctx", 5); print("ESCAPED")
    setattr(Int("x"), "ast", 5); print("ESCAPED")
    del ().__class__; print("ESCAPED")
    for ().__class__ in [1]: print("ESCAPED")
    [0 for ().__class__ in [1]]; print("ESCAPED")
    (__builtins__ := 5); print("ESCAPED")
    print("ESCAPED", __builtins__)
    print("ESCAPED", __loader__, __spec__)
    __build_class__(lambda: 0, "X"); print("ESCAPED")
    __class__; print("ESCAPED")
    lambda __import__: 0; print("ESCAPED")
    import __main__; print("ESCAPED", __main__)
    from __future__ import os; print("ESCAPED", os)
    from builtins import __import__ as i; print("ESCAPED")
    from builtins import open as i; i("{canary}", "w")
    from sympy import __builtins__ as b; print("ESCAPED", b)
    from .x import y; print("ESCAPED")
    import zygote, inside, job; print("ESCAPED")
    import inside.zygote; print("ESCAPED")
    import optillm; print("ESCAPED")
""")

BLOCKS = [dedent(text).strip() for text in (
    """
    class M(type):
        def __new__(m, *a):
            print("ESCAPED")
            return type.__new__(m, *a)
    class X(metaclass=M): pass
    """,
    """
    class X:
        def __init_subclass__(cls): print("ESCAPED", cls.__mro__)
    class Y(X): pass
    """,
    """
    class X:
        def __getattribute__(self, name): print("ESCAPED")
    X().a
    """,
    """
    class X:
        def __set_name__(self, owner, name): print("ESCAPED", owner.__subclasses__())
    class Y:
        x = X()
    """,
    """
    class X:
        __class__ = int
    print("ESCAPED", X().__class__)
    """,
    """
    class X:
        def __class_getitem__(cls, k): print("ESCAPED")
    X[1]
    """,
    """
    class X:
        def __del__(self): print("ESCAPED")
    X()
    """,
    """
    class X:
        def __reduce__(self): return (print, ("ESCAPED",))
    from copy import deepcopy
    deepcopy(X())
    """,
    """
    class S(str):
        def startswith(self, *a): return False
    print("ESCAPED", getattr((), S("__class__")))
    """,
    """
    class X:
        def __exit__(self, t, e, tb): print("ESCAPED", tb.tb_frame)
        def __enter__(self): pass
    with X(): 1 / 0
    """,
    """
    try:
        1 / 0
    except Exception as e:
        f = e.__traceback__.tb_frame
        while f.f_back: f = f.f_back
        print("ESCAPED", f.f_globals)
    """,
    """
    try:
        (1).nothing
    except AttributeError as e:
        print("ESCAPED", e.obj, e.__context__)
    """,
    """
    try:
        import os
    except ImportError as e:
        print("ESCAPED", e.path)
    except BaseException as e:
        print("ESCAPED", e.__traceback__)
    """,
    """
    match ():
        case object(__class__=c): print("ESCAPED", c.__mro__)
    """,
    """
    async def f(): pass
    c = f()
    print("ESCAPED", c.cr_frame.f_builtins)
    """,
    """
    def f():
        yield g.gi_frame.f_back.f_back.f_globals
    g = f()
    print("ESCAPED", next(g))
    """,
    """
    def f(x=[].__class__.__base__): print("ESCAPED", x.__subclasses__())
    f()
    """,
    """
    @(lambda f: f.__globals__)
    def g(): pass
    print("ESCAPED", g)
    """,
    """
    def f(a: print("ESCAPED", ().__class__)): pass
    f(1)
    x: ().__class__ = 1
    """,
    """
    class X:
        def as_ast(self): return 0x41414141
    AstVector().push(X())
    """,
    """
    class C:
        def ref(self): return 0x41414141
    print(Int("x", ctx=C()), "ESCAPED")
    """,
    """
    from collections import namedtuple
    P = namedtuple("P", "as_ast ctx")
    AstVector().push(P(lambda: 0x41414141, 1))
    """,
    """
    from collections import namedtuple
    namedtuple("P", "a", module="os")
    namedtuple("P'), __import__('os').system('touch {canary}'), ('", "a")
    """,
    """
    from dataclasses import make_dataclass
    make_dataclass("X", [("a", "__import__('os').system('touch {canary}')")])
    """,
    """
    from dataclasses import dataclass
    @dataclass
    class X:
        ctx: int
        ast: int
    print("ESCAPED", X(1, 2))
    """,
    """
    from enum import Enum
    class E(Enum):
        A = 1
    print("ESCAPED", E.A.__class__, E._member_map_, E.__mro__)
    """,
    """
    D = Datatype("D")
    D.declare("ctx", ("ast", IntSort()), ("_as_parameter_", IntSort()))
    D = D.create()
    print("ESCAPED", D.ctx)
    """,
    """
    import sympy
    class P(sympy.Function):
        @classmethod
        def eval(cls, x): print("ESCAPED", cls.__mro__)
    P(1)
    """,
    """
    class X:
        def _sympy_(self): return "__import__('os').system('touch {canary}')"
    import sympy
    sympy.sympify(X())
    """,
    """
    class Printer:
        module_imports = dict(os=["system"])
        _settings = dict()
        def doprint(self, e): return "system('touch {canary}')"
        def _print(self, *a): return "system('touch {canary}')"
    import sympy
    f = sympy.lambdify(sympy.Symbol("x"), sympy.Symbol("x"), printer=Printer())
    print("ESCAPED", f(1))
    """,
    """
    class Printer:
        module_imports = {{"os\\nopen('{canary}','w')\\nimport os": ["system"]}}
        def doprint(self, e): return "1"
    import sympy
    f = sympy.lambdify(sympy.Symbol("x"), sympy.Symbol("x"), printer=Printer())
    """,
    """
    def hide():
        import os as math
        return math
    hide().close(hide().open("{canary}", 66))
    """,
    """
    names = ["o" + "s"]
    for n in names:
        m = __import__(n)
        m.close(m.open("{canary}", 66))
    """,
    """
    f = lambda: 0
    for n in dir(f):
        print("ESCAPED", n, getattr(f, n))
    """,
    """
    exit.__globals__
    print("ESCAPED", exit.__globals__)
    """,
    """
    def gen():
        try:
            yield 1
        except GeneratorExit:
            print("still here")
            yield 2
    g = gen()
    next(g)
    g.throw(SystemExit)
    print("ESCAPED")
    """,
    """
    while True:
        try:
            while True: pass
        except BaseException:
            pass
    """,
    """
    try:
        while True: print("x" * 10000)
    except BaseException:
        open("{canary}", "w")
    """,
    """
    import signal, time
    for n in range(1, 65):
        try:
            signal.signal(n, signal.SIG_IGN)
        except Exception:
            pass
    while True: time.sleep(1)
    """,
    """
    import os, time
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(30)
    """,
    """
    import threading, time
    for _ in range(20):
        threading.Thread(target=time.sleep, args=(30,)).start()
    """,
    """
    import os
    os.write(3, b"\\x00\\x00\\x00\\x02{{}}")
    os._exit(0)
    """,
    """
    import os
    os.write(3, b"\\xff\\xff\\xff\\xff" + b"x" * 1000)
    """,
    """
    import os
    os.write(3, b"\\x00\\x00\\x00\\x05[[[[[")
    """,
    """
    import os
    os.write(3, b"\\x00\\x01\\x00\\x00" + b"[" * 65536)
    """,
    """
    import os
    os.close(3)
    while True: pass
    """,
    """
    import os
    os.write(3, b"\\x00\\x00\\x01\\x00")
    while True: pass
    """,
    """
    import os
    os._exit(70)
    """,
    """
    import os
    os.abort()
    """,
    """
    import ctypes
    libc = ctypes.CDLL(None)
    addr = libc.mmap
    addr.restype = ctypes.c_void_p
    print("ESCAPED", addr(None, 4096, 7, 0x22, -1, 0) != ctypes.c_void_p(-1).value)
    """,
)]  # fmt: skip

_ROUTES = [dedent(text).strip() for text in (
    'use((lambda: 0).__globals__)',
    'use(use.__globals__)',
    'use(Solver.__init__.__globals__)',
    'use(simplify.__globals__)',
    'use(Int("x").__class__.__init__.__globals__)',
    """
    for c in ().__class__.__base__.__subclasses__():
        if c.__name__ == "_wrap_close": use(c.__init__.__globals__)
    """,
    """
    try:
        raise KeyError
    except KeyError as e:
        use(e.__traceback__.tb_frame.f_globals)
    """,
    """
    def g():
        yield 1
    use(g().gi_frame.f_globals)
    """,
    """
    import sympy
    use(sympy.sin.__init__.__globals__ if hasattr(sympy.sin.__init__, "__globals__") else sympy.solve.__globals__)
    """,
    """
    from functools import wraps
    use(wraps.__globals__)
    """,
    """
    from collections import namedtuple
    use(namedtuple.__globals__)
    """,
    """
    from dataclasses import dataclass
    use(dataclass.__globals__)
    """,
    """
    import sys
    use(sys.exit.__globals__ if hasattr(sys.exit, "__globals__") else sys._getframe().f_globals)
    """,
    """
    class A:
        def m(self): pass
    use(A.m.__globals__)
    """,
    """
    class A:
        def m(self): pass
    use(A().m.__func__.__globals__)
    """,
    'use(getattr(use, "__globals__"))',
    'use("".join(["a"]).__class__.join.__objclass__)',
)]  # fmt: skip

THREADS = """
import threading, time
threading.stack_size(32768)
for _ in range(10000):
    try:
        threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
    except RuntimeError:
        break
"""

BOMBS = [THREADS, *[dedent(text).strip() for text in (
    'while True: pass',
    'x = []\nwhile True: x.append(" " * 10_000_000)',
    'x = [0]\nwhile True: x = x + x',
    'x = "a"\nwhile True: x += x',
    'x = 10 ** 10 ** 10',
    'x = 3\nwhile True: x = x * x',
    'print(1 << 10**12)',
    'print("x" * 10**11)',
    'print(list(range(10**12)))',
    'print([0] * 10**12)',
    'print("%1000000000d" % 1)',
    'print("{:1000000000d}".format(1))',
    'n = 10**9\nprint(f"{1:{n}}")',
    'print(format(1, "1000000000"))',
    'print(int("9" * 50_000_000))',
    'import math\nprint(math.factorial(10**9))',
    'import math\nprint(math.comb(10**9, 5 * 10**8))',
    'def f(): f()\nf()',
    'def f(*a): return sorted([1, 2], key=f)\nf()',
    'x = []\nfor _ in range(100000): x = [x]\nprint(x)',
    'x = ()\nfor _ in range(10**6): x = (x,)\nprint(hash(x))',
    'print("(" * 100_000)\n' + "(" * 3000 + ")" * 3000,
    "x = " + "-" * 20000 + "1",
    "x = " + "+".join(["1"] * 15000),
    "x = " + "a." * 5000 + "b",
    "x = 1" + "\nif x:\n" * 1 + " pass\n" * 15000,
    'import re\nprint(re.match(r"(a+)+$", "a" * 60 + "b"))',
    'from itertools import product\nprint(sum(1 for _ in product(range(100), repeat=10)))',
    'while True: print("y" * 1000)',
    'print("z" * 2_000_000)\nprint("z" * 2_000_000)\nprint("z" * 2_000_000)',
    'import time\ntime.sleep(10**6)',
    'import sys\nsys.setrecursionlimit(10**9)\ndef f(n): return f(n + 1)\nf(0)',
    'x, y, z = Ints("x y z")\ns = Solver()\ns.set("timeout", 10**9)\ns.add(x**3 + y**3 == z**3 + 42, x > 10**20)\nprint(s.check())',
    's = Solver()\nx = BitVec("x", 65536)\ns.add(x * x * x == 12345, x > 7)\nprint(s.check())',
    'x = Int("x")\nfor _ in range(10**6): x = x + x\nprint(x)',
    'x = Bool("x")\nfor _ in range(40): x = And(x, Or(x, Not(x)))\nprint(x.sexpr()[:10])',
    'import sympy\nprint(sympy.factorint(10**90 + 7))',
    'import sympy\nx = sympy.Symbol("x")\nprint(sympy.expand((x + 1)**100000))',
    'import sympy\nprint(sympy.Integer(7)**(10**10))',
    'import sympy\nprint(sympy.prime(10**12))',
    'from fractions import Fraction\nprint(Fraction("1e999999999"))',
    'from decimal import Decimal, getcontext\ngetcontext().prec = 10**8\nprint(Decimal(2).sqrt())',
    'import copy\nx = []\nx.append(x)\nprint(copy.deepcopy(x))\nfor i in range(10**9): pass',
    'class A:\n    def __repr__(self): return repr(self)\nprint(A())',
    'class A:\n    def __len__(self): return 10**18\nprint(len(A()))\nwhile True: pass',
    'class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E()',
    'class E(Exception):\n    def __str__(self): return "x" * 10**6\nraise E()',
    'import random\nprint(random.getrandbits(10**10))',
    'set_param("memory_max_size", 0)\nset_param("timeout", 0)\nx = []\nwhile True: x.append(" " * 10_000_000)',
)]]  # fmt: skip

ATTACKS = [
    *PLAIN,
    *WALKS,
    *BLOCKS,
    *(_GLOBALS + route for route in _ROUTES),
]
