"""The guards that the rewriting puts around arithmetic, and the built-ins that need one."""

from __future__ import annotations

import builtins
import math
import sys
from collections.abc import Callable
from typing import Any, Final, NoReturn

from ..outcome import Refused
from ..words import words
from . import policy
from .own import is_own
from .text import format_value

MAX_BITS: Final = 4_000_000
MAX_ITEMS: Final = 2_000_000
_LARGEST_FACTORIAL: Final = 20_000
_DEEPEST_RECURSION: Final = 6_000
_SEQUENCES: Final = frozenset({str, bytes, list, tuple})


def multiply(left: Any, right: Any) -> Any:
    """Return `left * right`, unless that is gigantic."""
    kind, other = type(left), type(right)
    if kind is int and other is int:
        if left.bit_length() + right.bit_length() > MAX_BITS:
            raise Refused(f"an integer of more than {MAX_BITS} bits")
    elif (kind in _SEQUENCES and other is int and len(left) * right > MAX_ITEMS) or (
        other in _SEQUENCES and kind is int and len(right) * left > MAX_ITEMS
    ):
        raise Refused(f"a sequence of more than {MAX_ITEMS} items")
    return left * right


def power(left: Any, right: Any, modulus: Any = None) -> Any:
    """Return `pow(left, right, modulus)`, unless that is gigantic."""
    if modulus is not None:
        return pow(left, right, modulus)
    giant = type(left) is int and type(right) is int and right > 0 and left.bit_length() * right > MAX_BITS
    if giant and left not in {0, 1, -1}:
        raise Refused(f"an integer of more than {MAX_BITS} bits")
    return left**right


def shift(left: Any, right: Any) -> Any:
    """Return `left << right`, unless that is gigantic."""
    if type(left) is int and type(right) is int and left.bit_length() + right > MAX_BITS:
        raise Refused(f"an integer of more than {MAX_BITS} bits")
    return left << right


def factorial(number: Any) -> int:
    """`math.factorial`, up to what can be printed."""
    if type(number) is int and number > _LARGEST_FACTORIAL:
        raise Refused(f"the factorial of more than {_LARGEST_FACTORIAL}")
    return math.factorial(number)


class TypeName:
    """What `type(x)` returns for a library's object.

    It can be compared and printed, but not called.
    """

    def __init__(self, kind: type) -> None:
        self._kind = kind

    @property
    def __name__(self) -> str:
        return self._kind.__name__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypeName) and other._kind is self._kind

    def __hash__(self) -> int:
        return hash(self._kind)

    def __repr__(self) -> str:
        return f"<class '{self._kind.__module__}.{self._kind.__name__}'>"

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self._kind)


def to_inherit_from(name: TypeName) -> type:
    """Return the class behind a name; `classes.base` decides whether one may inherit from it."""
    return name._kind


class Marker(TypeName):
    """A class of z3 as programs see it: to test for and, with few arguments, to instantiate."""

    def __init__(self, kind: type, most_arguments: int | None = None) -> None:
        super().__init__(kind)
        self._most = most_arguments

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Return an instance of the class.

        Raises `Refused` for arguments that could be pointers or files.
        """
        if self._most is None or named.keys() - {"ctx"} or named.get("ctx") is not None:
            raise Refused(f"{self.__name__} cannot be called like that")
        if len(arguments) > self._most or not all(type(a) in {str, bool} for a in arguments):
            raise Refused(f"{self.__name__} takes at most {self._most} plain arguments")
        return self._kind(*arguments)


_PLAIN_TYPES: Final = frozenset(
    {int, float, complex, bool, str, bytes, list, tuple, dict, set, frozenset, range, slice, type(None)}
)


def type_of(value: Any, *rest: Any) -> Any:
    """Return `type(value)`, or a `TypeName` for a class that a program may not have."""
    if rest:
        raise Refused("classes are made with a class statement")
    kind = type(value)
    if isinstance(value, type):
        raise Refused("the type of a class is not offered")
    if kind in _PLAIN_TYPES or is_own(kind) or issubclass(kind, BaseException):
        return kind
    return TypeName(kind)


def show(*values: Any, sep: Any = " ", end: Any = "\n", **_: Any) -> None:
    """`print`, always to the output."""
    separator = " " if sep is None else str(sep)
    sys.stdout.write(separator.join([str(value) for value in values]) + ("\n" if end is None else str(end)))


def leave(*_: Any) -> NoReturn:
    """`exit()`: end the program early."""
    raise SystemExit


def refusing(subject: str, hint: str = "") -> Callable[..., NoReturn]:
    """Return a function that refuses, as a substitute for one that is not offered."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise Refused(f"{subject} is not offered", hint=hint)

    return refuse


def fetch_loaded(name: str, *_: Any) -> Any:
    """Import for C code of the standard library; programs cannot name this function."""
    return sys.modules[name] if name in _FOR_C_CODE else refusing(f"the module {name}")()


def recursion_limit(limit: Any) -> None:
    """`sys.setrecursionlimit`, as far as the stack allows."""
    sys.setrecursionlimit(max(200, min(int(limit), _DEEPEST_RECURSION)))


def _no_input(*_: Any) -> NoReturn:
    raise EOFError("there is no input")


_FOR_C_CODE: Final = frozenset(
    {"_strptime", "time", "datetime", "decimal", "numbers", "_decimal", "collections.abc"}
)
_NATIVE: Final = words(
    """
    abs all any ascii bin bool bytes callable chr complex dict divmod enumerate filter float frozenset hash
    hex id int isinstance issubclass iter len list map max min next oct ord range repr reversed round set
    slice sorted str sum tuple zip super property staticmethod classmethod object __build_class__ True False
    None NotImplemented Ellipsis __debug__
    """
)
REFUSED: Final = words(
    """
    open eval exec compile globals locals vars dir memoryview bytearray breakpoint help aiter anext
    """
)


def builtin_names() -> dict[str, Any]:
    """Return the built-in names of programs, guards included."""
    names = {name: getattr(builtins, name) for name in _NATIVE if hasattr(builtins, name)}
    names |= {n: v for n, v in vars(builtins).items() if isinstance(v, type) and issubclass(v, BaseException)}
    names |= {name: refusing(f"{name}()") for name in REFUSED}
    return names | {
        "pow": power,
        "print": show,
        "type": type_of,
        "getattr": policy.read_by_name,
        "hasattr": policy.has,
        "setattr": policy.write_by_name,
        "format": format_value,
        "input": _no_input,
        "exit": leave,
        "quit": leave,
    }
