"""Patch the few functions through which z3 and sympy act on text.

They are patched once, whatever route leads there. sympy evaluates strings in two functions. z3 reads options in two,
opens files in a handful, and takes any object it gets for a context.
"""

from __future__ import annotations

import ctypes
import re
from typing import Any, Final

import z3
from z3 import z3 as core
from z3 import z3core, z3types

from ..outcome import Refused
from ..smtlib.allowed import DECLARING, OPTIMIZING, admit
from ..smtlib.reader import read, show
from . import name_lists, sinks_sympy
from .guards import refusing
from .own import is_own

_PLAIN: Final = re.compile(r"[A-Za-z0-9_.\-]{1,60}")
_MAX_SETTING: Final = 2**31 - 1
_MEMORY_ONLY: Final = DECLARING | {"assert", "set-logic", "set-option", "set-info"}
_FILES: Final = re.compile(
    r"Z3_(?:open_log|append_log|close_log|.*_from_file|.*_file|.*trace.*|.*_log|get_tactic_.*file)"
)


def patch() -> None:
    """Install the guards."""
    _patch_z3()
    sinks_sympy.patch()


def _patch_z3() -> None:
    core.ParamsRef.set = _guarded_set(core.ParamsRef.set)
    core.set_pp_option = _guarded_printing(core.set_pp_option)
    core.Z3_global_param_set = _guarded_global(core.Z3_global_param_set)
    core._get_ctx = core.get_ctx = _context
    core.CreateDatatypes = z3.CreateDatatypes = _guarded_datatypes(core.CreateDatatypes)
    _guard_pointers()
    for name in [name for name in vars(core) if _FILES.fullmatch(name) and callable(getattr(core, name))]:
        setattr(core, name, refusing(name))
    core.Z3_eval_smtlib2_string = refusing("Z3_eval_smtlib2_string")
    core.Z3_fixedpoint_from_string = refusing("parse_string")
    core.Z3_parse_smtlib2_string = _guarded_text(core.Z3_parse_smtlib2_string, 1, _MEMORY_ONLY)
    core.Z3_solver_from_string = _guarded_text(core.Z3_solver_from_string, 2, _MEMORY_ONLY)
    core.Z3_optimize_from_string = _guarded_text(core.Z3_optimize_from_string, 2, _MEMORY_ONLY | OPTIMIZING)


def _replace(owner: Any, name: str, value: Any) -> None:
    setattr(owner, name, value)


def _guard_pointers() -> None:
    """Let only z3's own handles cross into its library where it expects a handle.

    z3's wrappers pass on whatever they get: an integer, or an object that claims to have a handle. A negative
    index, or one whose class claims that it is small enough, passes their checks. The types of arguments are looked
    up when a signature is set, so each signature is set again.
    """
    for kind in vars(z3types).values():
        if isinstance(kind, type) and issubclass(kind, ctypes.c_void_p) and "from_param" in vars(kind):
            _replace(kind, "from_param", staticmethod(_handle))
    for wrapper in list(vars(z3core).values()):
        for default in getattr(wrapper, "__defaults__", None) or ():
            function: Any = getattr(default, "f", None)
            if getattr(function, "argtypes", None) is not None:
                function.argtypes = [
                    _Unsigned if kind is ctypes.c_uint else kind for kind in function.argtypes
                ]


class _Unsigned:
    """Stands for `ctypes.c_uint` in signatures."""

    @staticmethod
    def from_param(value: Any) -> Any:
        """Return the value as a parameter.

        Refuse one that would wrap around or is of the program's own class.
        """
        if is_own(type(value)) or (isinstance(value, int) and value < 0):
            raise Refused("z3 takes a plain number here, from 0 on")
        return ctypes.c_uint.from_param(value)


def _handle(value: Any) -> Any:
    if value is None or isinstance(value, ctypes.c_void_p):
        return value
    raise Refused(f"a {type(value).__name__} where z3 needs one of its own objects")


def _check_option(name: Any, value: Any) -> None:
    plain = str(name).strip().lower().lstrip(":").replace("-", "_")
    if plain not in name_lists.Z3_OPTIONS or type(name) is not str:
        raise Refused(f"the option {str(name)[:60]!r} cannot be set", hint="leave the option out")
    if type(value) not in {bool, int, float, str} or (type(value) is str and not _PLAIN.fullmatch(value)):
        raise Refused(f"the option {plain} takes a plain value")
    if type(value) is int and not 0 <= value <= _MAX_SETTING:
        raise Refused(f"the option {plain} takes a number up to {_MAX_SETTING}")


def _of_no_use(name: Any) -> bool:
    """Return whether models like to set an option that makes no difference to answers.

    It is ignored.
    """
    return (
        type(name) is str and name.strip().lower().lstrip(":").replace("-", "_") in name_lists.Z3_PASSED_OVER
    )


def _clamped(name: str, value: Any) -> Any:
    """Return a setting that only lowers limits.

    0 and the maximum mean no time limit, and threads stay at 1.
    """
    last = name.strip().lower().rpartition(".")[2]
    if last == "timeout":
        longest = int(core.get_param("timeout"))
        number = int(value) if str(value).isdigit() else longest
        return min(number, longest) or longest
    return 1 if last == "threads" else value


def _guarded_set(original: Any) -> Any:
    def set_option(self: Any, name: Any, value: Any) -> None:
        if _of_no_use(name):
            return
        _check_option(name, value)
        original(self, name, _clamped(name, value))

    return set_option


def _guarded_printing(original: Any) -> Any:
    def set_printing(name: Any, value: Any) -> Any:
        if type(name) is not str or name not in name_lists.Z3_PRINTING or type(value) not in {bool, int}:
            return False
        return original(name, value)

    return set_printing


def _guarded_global(original: Any) -> Any:
    def set_global(name: Any, value: Any) -> None:
        if _of_no_use(name):
            return
        _check_option(name, value)
        original(name, str(_clamped(name, value)))

    return set_global


def _context(context: Any = None) -> Any:
    """Return the only context. Any other object would be asked for a pointer."""
    if context is not None and type(context) is not core.Context:
        raise Refused("a context of your own")
    return core.main_ctx() if context is None else context


def _guarded_datatypes(original: Any) -> Any:
    def create(*types: Any) -> Any:
        """Refuse constructors and accessors that hide the sort's attributes.

        They become attributes themselves.
        """
        flat = types[0] if len(types) == 1 and isinstance(types[0], list | tuple) else types
        for declared in flat:
            for constructor in getattr(declared, "constructors", ()):
                for name in (constructor[0], constructor[1], *(field[0] for field in constructor[2])):
                    taken = type(name) is not str or name.startswith("_") or name in {"ast", "ctx"}
                    if taken or hasattr(core.DatatypeSortRef, name):
                        raise Refused(
                            f"{name!r} cannot be the name of a constructor or field", hint="rename it"
                        )
        return original(*types)

    return create


def _guarded_text(original: Any, position: int, commands: frozenset[str]) -> Any:
    def parse(*arguments: Any) -> Any:
        longest = int(core.get_param("timeout"))
        expressions = [admit(node, commands, longest) for node in read(str(arguments[position]))]
        text = "\n".join(show(expression) for expression in expressions if expression is not None)
        return original(*arguments[:position], text, *arguments[position + 1 :])

    return parse
