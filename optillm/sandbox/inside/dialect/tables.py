"""All names of programs, looked up once in the zygote."""

from __future__ import annotations

import importlib
import sys
from typing import Any, Final

import mpmath
import sympy
import z3

from ..outcome import Refused, RefusedImport
from ..words import words
from . import classes, guards, name_lists, policy, received
from .modules import Module, picked, standard
from .own import define
from .text import formatted

_MODULES: Final[dict[str, Module]] = {}
_BUILTINS: Final[dict[str, Any]] = {}

_MPMATH: Final = words(
    """
    mp mpf mpc sqrt cbrt root exp log ln log10 sin cos tan cot sec csc asin acos atan atan2 sinh cosh tanh
    asinh acosh atanh pi e inf nan j phi euler catalan degree fabs floor ceil nint frac fac factorial binomial
    gamma rgamma loggamma digamma beta zeta altzeta erf erfc quad nsum nprod sumem diff diffs taylor findroot
    polyroots polyval limit matrix nstr eye zeros ones diag det inverse lu_solve qr norm fsum fprod fdot power
    fib fibonacci bernoulli stirling1 stirling2 bell chop almosteq degrees radians linspace arange mpmathify
    sign re im arg conj isnan isinf isint isfinite lambertw ellipk ellipe besselj bessely jtheta primepi
    hyp2f1 legendre chebyt laguerre hermite findpoly pslq superfac barnesg apery glaisher khinchin cospi sinpi
    expm1 hypot ei li si ci airyai airybi mpf agm unitroots polylog clsin clcos fraction odefun extradps
    """
)


def build() -> None:
    """Fill the tables."""
    _BUILTINS.update(guards.builtin_names())
    _BUILTINS.update(
        {
            "@attr": policy.read,
            "@slot": policy.Slot,
            "@mul": guards.multiply,
            "@pow": guards.power,
            "@shift": guards.shift,
            "@format": formatted,
            "@base": classes.base,
            "@class": classes.made,
            "@received": received.check,
            "@sent": received.checked,
            "__import__": guards.fetch_loaded,
        }
    )
    _MODULES.update(standard())
    _MODULES["mpmath"] = Module("mpmath", picked(mpmath, _MPMATH))
    _MODULES["z3"] = Module("z3", _z3())
    _MODULES["z3.z3"] = _MODULES["z3"]
    _sympy()
    top = _MODULES["sympy"]
    top.add("mpmath", _MODULES["mpmath"])
    received.offer(_BUILTINS.values())
    for offered in _MODULES.values():
        received.offer(offered.names().values())
    policy.register_module(Module, lambda module, name: module.lookup(name))
    policy.register_module(guards.TypeName, _of_marker)
    policy.register_module(guards.Marker, _of_marker)


def builtin_table() -> dict[str, Any]:
    """Return a copy of the built-in names for one program, which adds its own."""
    return dict(_BUILTINS)


def module(name: str) -> Module:
    """Return a module to import.

    Raises `Refused`.
    """
    try:
        return _MODULES[name]
    except KeyError:
        raise RefusedImport(
            f"the module {name} is not offered",
            hint="z3, sympy, mpmath, math, itertools, functools, collections, fractions and the like can be imported",
        ) from None


def preloaded(language: str) -> dict[str, Any]:
    """Return the names that a program has without importing anything."""
    z3_names, sympy_names = _MODULES["z3"].names(), _MODULES["sympy"].names()
    names = sympy_names | z3_names if language == "z3py" else z3_names | sympy_names
    both = {name: names[name] for name in names if not isinstance(names[name], Module)}
    return (
        both
        | {name: _MODULES[name] for name in ("z3", "sympy", "math", "itertools")}
        | {"__name__": "__main__"}
    )


def sympy_names() -> dict[str, Any]:
    """Return the names that strings passed to sympy may use."""
    return _MODULES["sympy"].names()


def _of_marker(marker: Any, name: str) -> Any:
    if name == "__name__":
        return marker.__name__
    raise Refused(f"the attribute {name} of {marker!r} is not offered")


def _z3() -> dict[str, Any]:
    names = picked(z3, name_lists.Z3_FUNCTIONS | name_lists.Z3_VALUES)
    names["reset_params"] = lambda: None
    names |= {
        name: value for name, value in vars(z3).items() if name.startswith("Z3_") and type(value) is int
    }
    for name in name_lists.Z3_TESTED_FOR:
        if hasattr(z3, name):
            names[name] = guards.Marker(getattr(z3, name))
    for name, most in name_lists.Z3_MADE_WITH.items():
        if hasattr(z3, name):
            made = getattr(z3, name)
            names[name] = guards.Marker(made, most) if isinstance(made, type) else _limited(made, name, most)
    return names


def _limited(function: Any, name: str, most: int) -> Any:
    def limited(*arguments: Any, ctx: Any = None) -> Any:
        if len(arguments) > most or ctx is not None or not all(type(a) is str for a in arguments):
            raise Refused(f"{name} takes at most {most} plain arguments")
        return function(*arguments)

    return limited


def _sympy() -> None:
    top = picked(sympy, name_lists.SYMPY_TOP)
    top["init_printing"] = lambda *_, **__: None
    top["var"] = _var
    _MODULES["sympy"] = Module("sympy", top)
    for name in name_lists.SYMPY_SAME:
        if name in sys.modules:
            _MODULES[name] = Module(name, picked(sys.modules[name], name_lists.SYMPY_TOP))
    for name, chosen in name_lists.SYMPY_MODULES.items():
        source = importlib.import_module(name)
        _MODULES[name] = Module(name, picked(source, chosen))
    for name in sorted(_MODULES):
        parent, _, last = name.rpartition(".")
        if name.startswith("sympy."):
            holder = _MODULES.setdefault(parent, Module(parent, {}))
            if not holder.knows(last):
                holder.add(last, _MODULES[name])


def _var(names: Any, **assumptions: Any) -> Any:
    """`sympy.var`: return the symbols and also define them as global names of the program."""

    symbols = sympy.symbols(names, **assumptions)
    for symbol in [symbols] if isinstance(symbols, sympy.Symbol) else list(symbols):
        define(str(symbol), symbol)
    return symbols
