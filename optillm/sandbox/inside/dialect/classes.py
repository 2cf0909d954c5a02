"""Classes that programs define: permitted parents, and their usual decorators and bases."""

from __future__ import annotations

import collections
import enum
import functools
from collections.abc import Callable
from typing import Any, Final

from ..outcome import Refused
from . import guards, policy, received
from .grammar import METHODS, check_own
from .own import fields_of, is_own, own

_LEFT_BY_PYTHON: Final = frozenset(
    {"__module__", "__qualname__", "__doc__", "__dict__", "__weakref__", "__annotations__", "__hash__", "__new__",
     "__match_args__", "__static_attributes__", "__firstlineno__", "__reduce_ex__", "__format__", "__dir__"}
)  # fmt: skip
_ABSENT: Final = object()


class Plain:
    """Stands for bases that add nothing here: `ABC`, `Generic`, `Protocol`."""

    __slots__ = ()


class TupleBase:
    """Stands for `typing.NamedTuple`."""

    __slots__ = ()


_BASES: Final = frozenset({object, list, dict, set, enum.Enum, enum.IntEnum, Plain, TupleBase})


def base(parent: Any) -> type:
    """Return a class to inherit from.

    Raises `Refused` unless it is the program's own or a plain one.
    """
    if isinstance(parent, guards.TypeName):
        parent = guards.to_inherit_from(parent)
    if isinstance(parent, AnyType) or getattr(parent, "__module__", None) == "collections.abc":
        return Plain
    if not isinstance(parent, type):
        raise Refused(f"a class cannot inherit from {parent!r}"[:200])
    if parent in _BASES or is_own(parent):
        return parent
    if issubclass(parent, Exception) and parent.__module__ == "builtins":
        return parent
    raise Refused(f"a class cannot inherit from {parent.__name__}", hint="use functions instead")


def made(new: type) -> type:
    """Admit a class that was just defined."""
    for name in (*vars(new), *fields_of(new)):
        if name.startswith("__") and name not in METHODS and name not in _LEFT_BY_PYTHON:
            raise Refused(f"a class cannot define {name}")
        check_own(name)
    if issubclass(new, TupleBase):
        new = _named_tuple(new)
    own(new)
    policy.forget(new)
    return new


def named_tuple(typename: Any, field_names: Any, *, defaults: Any = None, rename: Any = False) -> type:
    """`collections.namedtuple`, except that the class cannot claim to come from another module."""
    texts = (
        field_names.replace(",", " ").split() if isinstance(field_names, str) else list(map(str, field_names))
    )
    for name in texts:
        check_own(name)
    return collections.namedtuple(str(typename), texts, defaults=defaults, rename=bool(rename))


def _named_tuple(new: type) -> type:
    names = fields_of(new)
    defaults = [vars(new)[name] for name in names if name in vars(new)]
    plain = named_tuple(new.__name__, list(names), defaults=defaults)
    own = {
        name: value for name, value in vars(new).items() if name not in names and name not in _LEFT_BY_PYTHON
    }
    finished: type = type(new.__name__, (plain,), own)
    return finished


class Field:
    """`dataclasses.field`."""

    def __init__(self, *, default: Any = _ABSENT, default_factory: Any = None, **_: Any) -> None:
        self.default = default
        self.factory = default_factory


def dataclass(
    decorated: Any = None, *, frozen: bool = False, order: bool = False, eq: bool = True, **_: Any
) -> Any:
    """`dataclasses.dataclass` for the program's own classes."""
    if decorated is None:
        return lambda new: dataclass(new, frozen=frozen, order=order, eq=eq)
    if not isinstance(decorated, type) or not is_own(decorated):
        raise Refused("dataclass decorates your own classes")
    names = fields_of(decorated)
    methods = _methods(decorated, names)
    if not eq:
        del methods["__eq__"]
    elif frozen:
        methods["__hash__"] = lambda self: hash(_values(self, names))
    if order:
        methods |= _comparisons(names)
    for name, method in methods.items():
        if name not in vars(decorated) or (name == "__hash__" and vars(decorated)[name] is None):
            setattr(decorated, name, method)
    return decorated


def _values(instance: Any, names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(getattr(instance, name) for name in names)


def _methods(decorated: type, names: tuple[str, ...]) -> dict[str, Callable[..., Any]]:
    defaults = {name: getattr(decorated, name) for name in names if hasattr(decorated, name)}

    def initialise(self: Any, *arguments: Any, **named: Any) -> None:
        received.check(*arguments, named)
        values = dict(zip(names, arguments, strict=False))
        if len(arguments) > len(names) or values.keys() & named.keys() or named.keys() - set(names):
            raise TypeError(f"{decorated.__name__}() takes the arguments {', '.join(names)}")
        values |= named
        for name in names:
            setattr(self, name, values[name] if name in values else _default(decorated, name, defaults))
        finish = getattr(self, "__post_init__", None)
        if finish is not None:
            finish()

    def show(self: Any) -> str:
        return f"{decorated.__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    def equal(self: Any, other: Any) -> Any:
        return _values(self, names) == _values(other, names) if type(other) is type(self) else NotImplemented

    return {"__init__": initialise, "__repr__": show, "__eq__": equal}


def _default(decorated: type, name: str, defaults: dict[str, Any]) -> Any:
    if name not in defaults:
        raise TypeError(f"{decorated.__name__}() misses the argument {name!r}")
    default = defaults[name]
    if not isinstance(default, Field):
        return default
    if default.factory is not None:
        return default.factory()
    if default.default is _ABSENT:
        raise TypeError(f"{decorated.__name__}() misses the argument {name!r}")
    return default.default


def _comparisons(names: tuple[str, ...]) -> dict[str, Callable[..., Any]]:
    return {
        "__lt__": lambda self, other: _values(self, names) < _values(other, names),
        "__le__": lambda self, other: _values(self, names) <= _values(other, names),
        "__gt__": lambda self, other: _values(self, names) > _values(other, names),
        "__ge__": lambda self, other: _values(self, names) >= _values(other, names),
    }


def total_ordering(decorated: Any) -> Any:
    """`functools.total_ordering` for the program's own classes."""
    if not isinstance(decorated, type) or not is_own(decorated):
        raise Refused("total_ordering decorates your own classes")
    return functools.total_ordering(decorated)


class AnyType:
    """Stands for everything in `typing`: types are not checked here."""

    def __getitem__(self, _: Any) -> AnyType:
        return self

    def __call__(self, *arguments: Any, **_: Any) -> Any:
        """Act as a decorator (`overload`) or a declaration (`TypeVar`) that does nothing."""
        return arguments[-1] if arguments and callable(arguments[-1]) else self

    def __or__(self, _: Any) -> AnyType:
        return self

    __ror__ = __or__


def cast(_: Any, value: Any) -> Any:
    """`typing.cast`."""
    return value
