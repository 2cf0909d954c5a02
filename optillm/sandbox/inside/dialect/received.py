"""What the functions of a program may receive, whoever calls them.

Libraries call back: a key, a transformation, a printer, a special method. Attributes are guarded where a program
reads them, but a mapping or a function can be used without reading any. So each function of a program checks its
arguments first.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, Final, cast

from ..outcome import Refused
from .own import is_own

NEVER: Final = (
    types.ModuleType, types.FrameType, types.CodeType, types.TracebackType, types.GetSetDescriptorType,
    types.MemberDescriptorType, types.MappingProxyType, types.WrapperDescriptorType,
)  # fmt: skip
"""Types of which a program never holds an instance."""
_CONTAINERS: Final = (dict, list, tuple, slice, functools.partial, types.MethodType)
_SEQUENCES: Final = frozenset({list, tuple})
_EXAMINED: Final = (
    *NEVER, *_CONTAINERS, Mapping, type, types.FunctionType, types.BuiltinFunctionType,
)  # fmt: skip
_NAMESPACE: Final = ("__builtins__", "__build_class__", "__loader__")
"""Keys that only the names of a module, of the built-ins or of generated code have."""
_LIBRARIES: Final = frozenset({"sympy", "mpmath"})
"""Libraries whose classes a program may receive without having named them."""
_OURS: Final = __name__.partition(".dialect.")[0]
_WIDEST: Final = 16
"""How many items of a container are checked: more than a library ever passes together."""

_is_plain: Final[Callable[[type], bool]] = functools.cache(lambda kind: not issubclass(kind, _EXAMINED))
_offered: dict[int, Any] = {}


def offer(values: Iterable[Any]) -> None:
    """Add to what programs can name, and so may receive."""
    _offered.update((id(value), value) for value in values)


def check(*values: Any) -> None:
    """Raise `Refused` for what leads out of the dialect.

    That is namespaces, modules, frames and foreign functions.
    """
    for value in values:
        kind = type(value)
        if _is_plain(kind):
            continue
        _check(value)
        if issubclass(kind, _CONTAINERS):
            for item in islice(_items(value), _WIDEST):
                if not _is_plain(type(item)):
                    _check(item)


def checked(value: Any) -> Any:
    """Return `value` after `check`."""
    check(value)
    return value


def _check(value: Any) -> None:
    if type(value) not in _SEQUENCES and not _is_harmless(value):
        kind = "mapping of names" if isinstance(value, Mapping) else type(value).__name__
        raise Refused(f"a function of the program would receive a {kind} that is not offered")


def _is_harmless(value: Any) -> bool:
    if isinstance(value, dict):  # without calling methods of the program's subclasses
        return not any(dict.__contains__(value, key) for key in _NAMESPACE)
    if isinstance(value, NEVER):
        return False
    if isinstance(value, Mapping):
        return not any(key in value for key in _NAMESPACE)
    if isinstance(value, type):
        return _is_harmless_class(value)
    if isinstance(value, types.FunctionType):
        made_here = "@received" in cast("Any", value).__builtins__  # unknown to some versions of mypy
        return made_here or "." in value.__qualname__ or _is_offered(value)
    if isinstance(value, types.BuiltinFunctionType):  # bound methods of lists and the like, too
        return not isinstance(value.__self__, types.ModuleType) or _is_offered(value)
    return True


def _is_harmless_class(kind: type) -> bool:
    if is_own(kind) or issubclass(kind, BaseException) or _is_offered(kind):
        return True
    return kind is type(None) or kind.__module__.partition(".")[0] in _LIBRARIES


def _is_offered(value: Any) -> bool:
    return id(value) in _offered or str(value.__module__).startswith(_OURS)


def _items(value: Any) -> Iterable[Any]:
    """Return the items of a container without running the program's code."""
    if isinstance(value, dict):
        return dict.values(value)
    if isinstance(value, list):
        return list.__iter__(value)
    if isinstance(value, tuple):
        return tuple.__iter__(value)
    if isinstance(value, slice):
        return (value.start, value.stop, value.step)
    if isinstance(value, functools.partial):
        return (value.func, *value.args, *value.keywords.values())
    return (value.__self__,)
