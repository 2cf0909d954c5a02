"""What the program itself defines: its classes and its global names."""

from __future__ import annotations

from typing import Any

from ..outcome import Refused
from .rewrite import FIELDS

namespace: dict[str, Any] = {}
"""The program's global names."""
_classes: set[type] = set()


def define(name: str, value: Any) -> None:
    """Define a global name that the program did not assign itself."""
    if not name.isidentifier() or name.startswith("_"):
        raise Refused(f"{name!r} cannot be the name of a variable")
    namespace[name] = value


def own(made: type) -> None:
    """Register a class as the program's own."""
    _classes.add(made)


def is_own(kind: object) -> bool:
    """Return whether something is a class that the program itself defined."""
    return isinstance(kind, type) and kind in _classes


def fields_of(made: type) -> tuple[str, ...]:
    """Return the annotated names of one of the program's classes, those of its bases first."""
    fields: dict[str, None] = {}
    for base in reversed(made.__mro__):
        fields.update(dict.fromkeys(vars(base).get(FIELDS, ())))
    return tuple(fields)
