"""What a program may read and write of an object, decided by the object's type.

Attribute access is where Python leaks: from any object to its class, from there to everything. So each family of
types has a list, and a type that belongs to no family has nothing.
"""

from __future__ import annotations

from typing import Any

from ..outcome import Refused
from . import name_lists
from .grammar import check_attribute, check_own
from .own import is_own
from .readers import Reader, full_name, reader_for

_readers: dict[type, Reader] = {}


def read(owner: Any, name: str) -> Any:
    """Return `owner.name` if the policy allows it.

    Raises `Refused` if not, and `AttributeError` for what is not there.
    """
    reader = _readers.get(type(owner))
    if reader is None:
        check_attribute(name)
        reader = _readers[type(owner)] = reader_for(type(owner))
    return reader(owner, name)


def read_by_name(owner: Any, name: str, *default: Any) -> Any:
    """`getattr` for programs."""
    if type(name) is not str:
        raise TypeError("attribute name must be string")
    check_attribute(name)
    try:
        return read(owner, name)
    except AttributeError:
        if default:
            return default[0]
        raise


def has(owner: Any, name: str) -> bool:
    """`hasattr` for programs: what may not be read is not there."""
    try:
        read_by_name(owner, name)
    except (AttributeError, Refused):
        return False
    return True


def forget(kind: type) -> None:
    """Decide anew about a type that has just become the program's own."""
    _readers.pop(kind, None)


def register_module(kind: type, reader: Reader) -> None:
    """Set how attributes of one of our own types are read."""
    _readers[kind] = reader


class Slot:
    """An object whose attributes are about to be written.

    `slot["name"] = value` obeys the policy.
    """

    __slots__ = ("_owner",)

    def __init__(self, owner: Any) -> None:
        self._owner = owner

    def __getitem__(self, name: str) -> Any:
        return read(self._owner, name)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_write(self._owner, name)
        setattr(self._owner, name, value)

    def __delitem__(self, name: str) -> None:
        _check_write(self._owner, name)
        delattr(self._owner, name)


def write_by_name(owner: Any, name: str, value: Any) -> None:
    """`setattr` for programs."""
    if type(name) is not str:
        raise TypeError("attribute name must be string")
    Slot(owner)[name] = value


def _check_write(owner: Any, name: str) -> None:
    if name.startswith("__"):
        raise Refused(f"the attribute {name} cannot be set")
    check_own(name)
    if is_own(type(owner)) or is_own(owner):
        return
    if name in name_lists.WRITABLE.get(full_name(type(owner)), ()):
        return
    raise Refused(f"attributes of {type(owner).__name__} objects cannot be set")
