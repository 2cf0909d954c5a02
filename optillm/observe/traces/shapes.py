"""What a trace shows of JSON that nobody has checked.

That is a reply or a request that was only passed on. One that has a shape of its own must not keep anybody from reading
the traces beside it.
"""

from __future__ import annotations

from typing import Any, Final

LEVELS: Final = 128
"""How deep JSON may nest to be shown; about twice as deep, it could not be written any more."""


def list_of(value: Any) -> list[Any]:
    """Return a list as it is, and an empty one for anything else."""
    return value if isinstance(value, list) else []


def deeper(value: dict[str, Any] | list[Any], levels: int = LEVELS) -> bool:
    """Return whether a parsed object or array nests deeper than so many levels."""
    level: list[Any] = [value]
    for _ in range(levels):
        children = [child for node in level for child in (node.values() if type(node) is dict else node)]
        level = [child for child in children if type(child) in (dict, list)]
        if not level:
            return False
    return True
