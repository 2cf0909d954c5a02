"""How attributes of each family of types are read."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any, Final

from ..outcome import Refused
from . import name_lists
from .own import is_own
from .received import NEVER
from .text import formatter_of

Reader = Callable[[Any, str], Any]

_NOTHING: Final = object()


def full_name(kind: type) -> str:
    """Return the module and qualified name of a type; programs cannot choose either freely."""
    return f"{kind.__module__}.{kind.__qualname__}"


def _missing(owner: Any, name: str) -> Any:
    """Return the error for a name that is not on a list.

    It is the usual one if there is no such attribute.
    """
    kind = owner if isinstance(owner, type) else type(owner)
    subject = f"type object '{kind.__name__}'" if owner is kind else f"'{kind.__name__}' object"
    if not name.startswith("_") and not any(name in vars(base) for base in kind.__mro__):
        return AttributeError(f"{subject} has no attribute '{name}'")
    return Refused(f"the attribute {name} of {subject} is not offered")


def reader_for(kind: type) -> Reader:
    """Return how attributes of the objects of a type are read."""
    if is_own(kind):
        return _of_own
    if issubclass(kind, type):
        return _of_class
    listed = name_lists.ATTRIBUTES.get(full_name(kind))
    if kind is str:
        return _of_text
    if listed is not None:
        return _listed(listed)
    if issubclass(kind, BaseException):
        return _of_exception
    if kind is super:
        return _of_super
    if issubclass(kind, tuple) and isinstance(getattr(kind, "_fields", None), tuple):
        return _of_named_tuple
    if kind in {types.FunctionType, types.BuiltinFunctionType, types.MethodType}:
        return _listed(frozenset({"__name__", "__doc__"}))
    return _of_library(kind)


def _of_library(kind: type) -> Reader:
    modules = {str(base.__module__).split(".")[0] for base in kind.__mro__}
    if kind.__module__ == "z3.z3":
        return _of_z3
    if "sympy" in modules and any(full_name(base) in name_lists.SYMPY_FAMILIES for base in kind.__mro__):
        return _of_sympy
    for base in kind.__mro__[1:]:
        listed = name_lists.ATTRIBUTES.get(full_name(base))
        if listed is not None:
            return _listed(listed)
    return _listed(frozenset())


def _listed(names: frozenset[str]) -> Reader:
    def read_listed(owner: Any, name: str) -> Any:
        if name in names:
            return getattr(owner, name)
        raise _missing(owner, name)

    return read_listed


def _of_text(owner: str, name: str) -> Any:
    if name in {"format", "format_map"}:
        return formatter_of(owner, name)
    if name in name_lists.ATTRIBUTES["builtins.str"]:
        return getattr(owner, name)
    raise _missing(owner, name)


def _of_own(owner: Any, name: str) -> Any:
    """Read from an instance of one of the program's classes: whatever the program put there."""
    if name.startswith("__") and name not in {"__name__", "__doc__"}:
        return _special(owner, type(owner), name)
    if isinstance(owner, type):
        return _of_class(owner, name)
    foreign = _defining_class(type(owner), name)
    if foreign is not None and not is_own(foreign) and name not in getattr(foreign, "_fields", ()):
        inherited = name_lists.ATTRIBUTES.get(full_name(foreign), frozenset({"args"}))
        if name not in inherited:
            raise _missing(owner, name)
    return getattr(owner, name)


def _defining_class(kind: type, name: str) -> type | None:
    return next((base for base in kind.__mro__ if name in vars(base)), None)


def _special(owner: Any, kind: type, name: str) -> Any:
    """Return a special method that one of the program's classes defines."""
    base = _defining_class(kind, name)
    if is_own(base):
        return getattr(owner, name)
    raise Refused(f"the attribute {name} is not offered")


def _of_class(owner: type, name: str) -> Any:
    if name == "__name__":
        return str(type.__dict__["__name__"].__get__(owner))
    if is_own(owner):
        return _of_own_class(owner, name)
    if owner is str and name in {"format", "format_map"}:
        return lambda text, *arguments, **named: formatter_of(text, name)(*arguments, **named)
    listed = name_lists.ATTRIBUTES.get(full_name(owner))
    if listed is not None:
        listed = listed | name_lists.OF_CLASSES.get(full_name(owner), frozenset())
        if name in listed:
            return getattr(owner, name)
    elif any(full_name(base) in name_lists.SYMPY_FAMILIES for base in owner.__mro__):
        return _of_sympy(owner, name)
    raise _missing(owner, name)


def _of_own_class(owner: type, name: str) -> Any:
    base = _defining_class(owner, name)
    members = getattr(owner, "__members__", {}) if full_name(type(owner)) == "enum.EnumType" else {}
    if name in members or name == "__members__":
        return members[name]
    if is_own(base) and not (name.startswith("__") and name not in vars(owner)):
        return getattr(owner, name)
    if base is not None and name in {"__init__"}:
        return getattr(owner, name)
    raise _missing(owner, name)


def _of_exception(owner: BaseException, name: str) -> Any:
    if name == "args" or (name == "value" and isinstance(owner, StopIteration)):
        return getattr(owner, name)
    raise _missing(owner, name)


def _of_super(owner: Any, name: str) -> Any:
    """Read `super().method`.

    That is the program's own methods, and the initialiser of whatever is behind them.
    """
    instance, start = owner.__self__, owner.__thisclass__
    order = (instance if isinstance(instance, type) else type(instance)).__mro__
    if not is_own(type(instance)) and not is_own(instance):
        raise Refused("super() works in your own classes")
    for base in order[order.index(start) + 1 :]:
        if name in vars(base):
            listed = name_lists.ATTRIBUTES.get(full_name(base), frozenset())
            if is_own(base) or name == "__init__" or name in listed:
                return getattr(owner, name)
            break
    raise Refused(f"super().{name} is not offered")


def _of_named_tuple(owner: Any, name: str) -> Any:
    if name in type(owner)._fields or name in {"count", "index", "_asdict", "_replace", "_fields"}:
        return getattr(owner, name)
    raise _missing(owner, name)


def _of_z3(owner: Any, name: str) -> Any:
    """Read a method on the list, or part of a datatype that the program declared."""
    kind = type(owner)
    if (
        name in name_lists.Z3_METHODS
        and hasattr(kind, name)
        and (name not in name_lists.Z3_ONLY or kind.__name__ in name_lists.Z3_ONLY[name])
    ):
        return getattr(owner, name)
    if kind.__name__ == "CheckSatResult" and name == "r":
        return owner.r
    if kind.__name__ == "DatatypeSortRef":
        declared = vars(owner).get(name, _NOTHING)
        if declared is not _NOTHING and type(declared).__name__ in {"FuncDeclRef", "DatatypeRef"}:
            return declared
    raise _missing(owner, name)


def _of_sympy(owner: Any, name: str) -> Any:
    """Read a public name that the class itself defines.

    Nothing that leads out of sympy's objects is read.
    """
    kind = owner if isinstance(owner, type) else type(owner)
    if name == "__name__":
        return str(getattr(owner, "__name__", ""))
    if name.startswith("_") or name in name_lists.SYMPY_HIDDEN:
        raise _missing(owner, name)
    if not any(name in vars(base) for base in kind.__mro__) and not _is_assumption(kind, name):
        raise _missing(owner, name)
    value = getattr(owner, name)
    if isinstance(value, NEVER) or value is object or value is type:
        raise _missing(owner, name)
    return value


def _is_assumption(kind: type, name: str) -> bool:
    return name.startswith("is_") or kind.__name__ in {"AssumptionKeys", "SingletonRegistry"}
