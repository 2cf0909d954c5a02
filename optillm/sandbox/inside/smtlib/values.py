"""Values of a model, exact and as text."""

from __future__ import annotations

from typing import Any, Final

import z3

_DIGITS: Final = 15
_MAX_LENGTH: Final = 2000


def describe(value: Any) -> dict[str, Any]:
    """Return a value for the reply: `kind`, exact `text`, and `decimal` if it is algebraic.

    Integers are written plainly, fractions as p/q in lowest terms, algebraic numbers as z3's root objects with
    their decimal expansion, bit-vectors as unsigned integers.
    """
    kind, text, decimal = _describe(value)
    return {"kind": kind, "text": text[:_MAX_LENGTH], "decimal": decimal}


def _describe(value: Any) -> tuple[str, str, str | None]:
    if z3.is_int_value(value):
        return "int", str(value.as_long()), None
    if z3.is_rational_value(value):
        fraction = value.as_fraction()
        return "real", str(fraction), None
    if z3.is_algebraic_value(value):
        return "algebraic", value.sexpr(), value.as_decimal(_DIGITS).rstrip("?")
    if z3.is_true(value) or z3.is_false(value):
        return "bool", str(z3.is_true(value)).lower(), None
    if z3.is_bv_value(value):
        return "bitvec", str(value.as_long()), None
    if z3.is_string_value(value):
        return "string", value.as_string(), None
    return "other", value.sexpr(), None
