"""Format text without attribute access in fields and without widths that fill the memory."""

from __future__ import annotations

import re
from collections.abc import Callable
from string import Formatter
from typing import Any, Final

from ..outcome import Refused

WIDEST: Final = 10_000
_NUMBER: Final = re.compile(r"\d{1,12}")


def check_specification(specification: str) -> None:
    """Refuse absurd widths and precisions."""
    if any(int(number) > WIDEST for number in _NUMBER.findall(specification)):
        raise Refused(f"a width above {WIDEST}")


def formatted(value: Any, conversion: int, specification: str) -> str:
    """Format one field of an f-string; `conversion` is as in `ast.FormattedValue`."""
    check_specification(specification)
    if conversion == ord("r"):
        value = repr(value)
    elif conversion == ord("s"):
        value = str(value)
    elif conversion == ord("a"):
        value = ascii(value)
    return format(value, specification)


def format_value(value: Any, specification: str = "") -> str:
    """`format` for programs."""
    return formatted(value, -1, specification)


def formatter_of(text: str, name: str) -> Callable[..., str]:
    """Return `text.format` or `text.format_map`, bound."""
    if name == "format_map":
        return lambda mapping: _FORMATTER.vformat(text, (), mapping)
    return lambda *arguments, **named: _FORMATTER.vformat(text, arguments, named)


class _Formatter(Formatter):
    def get_field(self, field_name: str, args: Any, kwargs: Any) -> Any:
        if "." in field_name:
            raise Refused("an attribute in a format field", hint="use an f-string")
        return super().get_field(field_name, args, kwargs)

    def format_field(self, value: Any, format_spec: str) -> str:
        return format_value(value, format_spec)


_FORMATTER: Final = _Formatter()
