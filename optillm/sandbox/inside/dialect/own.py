"""The classes that the program itself defines."""

from __future__ import annotations

from .rewrite import FIELDS

_classes: set[type] = set()


def own(made: type) -> None:
    """Take a class over as the program's own."""
    _classes.add(made)


def is_own(kind: object) -> bool:
    """Whether something is a class that the program itself defined."""
    return isinstance(kind, type) and kind in _classes


def fields_of(made: type) -> tuple[str, ...]:
    """The annotated names of one of the program's classes, those of its bases first."""
    fields: dict[str, None] = {}
    for base in reversed(made.__mro__):
        fields.update(dict.fromkeys(vars(base).get(FIELDS, ())))
    return tuple(fields)
