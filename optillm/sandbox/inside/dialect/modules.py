"""The modules that a program may import: tables of names, never the real modules."""

from __future__ import annotations

import bisect
import calendar
import cmath
import collections
import collections.abc
import copy
import datetime
import decimal
import enum
import fractions
import functools
import heapq
import itertools
import json
import math
import numbers
import operator
import random
import re
import statistics
import string
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any, Final

from ..outcome import Refused
from ..words import words
from . import classes, guards, policy


class Module:
    """A module as programs see it."""

    def __init__(self, name: str, names: Mapping[str, Any]) -> None:
        self._name = name
        self._names = dict(names)

    def __repr__(self) -> str:
        return f"<module '{self._name}'>"

    def lookup(self, name: str) -> Any:
        """Return one of its names.

        Raises `Refused` if it is not offered.
        """
        try:
            return self._names[name]
        except KeyError:
            raise Refused(f"{self._name}.{name} is not offered") from None

    def names(self) -> dict[str, Any]:
        """Return what `import *` brings."""
        return dict(self._names)

    def knows(self, name: str) -> bool:
        """Return whether it has such a name."""
        return name in self._names

    def add(self, name: str, value: Any) -> None:
        """Add a name: a sub-module."""
        self._names[name] = value


def picked(source: Any, names: Iterable[str]) -> dict[str, Any]:
    """Return some names of a real module, as far as this version of it has them."""
    return {name: getattr(source, name) for name in names if hasattr(source, name)}


def standard() -> dict[str, Module]:
    """Return the parts of the standard library that only compute."""
    tables = {source.__name__: picked(source, names) for source, names in _PICKED}
    for name, more in _made_here().items():
        tables[name] = tables.get(name, {}) | more
    return {name: Module(name, names) for name, names in tables.items()}


def _made_here() -> dict[str, dict[str, Any]]:
    """Return substitutes for functions that reach too far, and modules made of substitutes only."""
    plain_builtins = guards.builtin_names()
    del plain_builtins["__build_class__"]
    anything = dict.fromkeys(_TYPING, classes.AnyType())
    abstract = {n: guards.TypeName(v) for n, v in vars(collections.abc).items() if isinstance(v, type)}
    enums = {"Enum": guards.TypeName(enum.Enum), "IntEnum": guards.TypeName(enum.IntEnum), "auto": enum.auto}
    return {
        "math": {"factorial": guards.factorial},
        "functools": {
            "wraps": lambda _: lambda wrapper: wrapper,
            "cached_property": property,
            "total_ordering": classes.total_ordering,
        },
        "collections": {"namedtuple": classes.named_tuple},
        "operator": {
            "mul": guards.multiply,
            "pow": guards.power,
            "lshift": guards.shift,
            "attrgetter": _attrgetter,
            "methodcaller": _methodcaller,
        },
        "time": {"sleep": _nothing},
        "sys": _sys(),
        "json": {"dumps": _dumps, "loads": lambda text: json.loads(str(text))},
        "enum": enums | {"unique": lambda new: new},
        "dataclasses": {"dataclass": classes.dataclass, "field": classes.Field},
        "abc": {"ABC": classes.Plain, "abstractmethod": lambda function: function},
        "typing": anything | {"NamedTuple": classes.TupleBase, "cast": classes.cast, "TYPE_CHECKING": False},
        "collections.abc": abstract,
        "pprint": {"pprint": lambda value, *_, **__: guards.show(repr(value)), "pformat": repr},
        "warnings": dict.fromkeys(("filterwarnings", "simplefilter", "warn"), _nothing),
        "traceback": {"print_exc": _print_exception, "format_exc": _format_exception},
        "builtins": plain_builtins,
    }


def _nothing(*_: Any, **__: Any) -> None:
    pass


def _format_exception(*_: Any) -> str:
    error = sys.exc_info()[1]
    return f"{type(error).__name__}: {error}\n"


def _print_exception(*_: Any, **__: Any) -> None:
    sys.stdout.write(_format_exception())


def _dumps(value: Any, *, indent: Any = None, sort_keys: Any = False, default: Any = None, **_: Any) -> str:
    return json.dumps(value, indent=indent, sort_keys=bool(sort_keys), default=default)


def _attrgetter(*names: Any) -> Callable[[Any], Any]:
    def walk(value: Any, path: Any) -> Any:
        for name in path.split("."):
            value = policy.read_by_name(value, name)
        return value

    if not all(type(name) is str for name in names):
        raise TypeError("attribute name must be a string")
    if len(names) == 1:
        return lambda value: walk(value, names[0])
    return lambda value: tuple(walk(value, name) for name in names)


def _methodcaller(name: Any, *arguments: Any, **named: Any) -> Callable[[Any], Any]:
    return lambda value: policy.read_by_name(value, name)(*arguments, **named)


class _Stream:
    def write(self, text: Any) -> int:
        return sys.stdout.write(str(text))

    def flush(self) -> None:
        """Do nothing: nothing is buffered."""


def _sys() -> dict[str, Any]:
    stream = Module("stream", {"write": _Stream().write, "flush": _Stream().flush})
    return {
        "exit": guards.leave,
        "maxsize": sys.maxsize,
        "setrecursionlimit": guards.recursion_limit,
        "getrecursionlimit": sys.getrecursionlimit,
        "set_int_max_str_digits": _nothing,
        "version_info": tuple(sys.version_info),
        "version": "3",
        "argv": ["program"],
        "stdout": stream,
        "stderr": stream,
    }


_DECIMAL: Final = words(
    """
    Decimal getcontext ROUND_HALF_UP ROUND_HALF_EVEN ROUND_DOWN ROUND_UP ROUND_FLOOR ROUND_CEILING
    InvalidOperation DivisionByZero
    """
)
_RANDOM: Final = words(
    """
    random randint choice choices shuffle sample seed uniform randrange gauss getrandbits
    """
)
_STATISTICS: Final = words(
    """
    mean fmean median median_low median_high mode multimode stdev pstdev variance pvariance harmonic_mean
    geometric_mean quantiles correlation linear_regression StatisticsError
    """
)
_OPERATOR: Final = words(
    """
    add sub truediv floordiv mod neg pos abs and_ or_ xor not_ invert rshift eq ne lt le gt ge is_ is_not
    contains itemgetter getitem concat countOf indexOf truth matmul index
    """
)
_STRING: Final = words(
    """
    ascii_letters ascii_lowercase ascii_uppercase digits hexdigits octdigits punctuation whitespace
    """
)
_RE: Final = words(
    """
    compile match search fullmatch findall finditer split sub escape IGNORECASE I MULTILINE M DOTALL S error
    """
)
_TYPING: Final = words(
    """
    Any Callable ClassVar Collection DefaultDict Deque Dict Final FrozenSet Generator Generic Hashable
    Iterable Iterator List Literal Mapping MutableMapping MutableSequence NewType NoReturn Optional Protocol
    Sequence Set Sized Tuple Type TypeAlias TypeVar Union Counter OrderedDict Text Annotated Self TypedDict
    overload Set ParamSpec SupportsInt SupportsFloat Container ItemsView KeysView ValuesView MutableSet
    """
)
_PICKED: Final[tuple[tuple[ModuleType, Iterable[str]], ...]] = (
    (math, [name for name in dir(math) if not name.startswith("_")]),
    (cmath, [name for name in dir(cmath) if not name.startswith("_")]),
    (itertools, [name for name in dir(itertools) if not name.startswith("_")]),
    (functools, words("reduce lru_cache cache partial cmp_to_key")),
    (collections, words("Counter OrderedDict defaultdict deque")),
    (fractions, words("Fraction")),
    (decimal, _DECIMAL),
    (random, (*_RANDOM, "Random")),
    (statistics, _STATISTICS),
    (operator, _OPERATOR),
    (string, _STRING),
    (time, words("time time_ns perf_counter monotonic process_time")),
    (heapq, words("heappush heappop heapify heappushpop heapreplace nlargest nsmallest merge")),
    (bisect, words("bisect bisect_left bisect_right insort insort_left insort_right")),
    (copy, words("copy deepcopy")),
    (datetime, words("date datetime time timedelta")),
    (calendar, words("isleap monthrange weekday leapdays")),
    (re, _RE),
    (numbers, words("Number Complex Real Rational Integral")),
)
