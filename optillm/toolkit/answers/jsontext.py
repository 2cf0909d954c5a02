"""A canonical form of JSON: equal exactly if the values are equal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import Any

import orjson


def is_json(text: str) -> bool:
    """Return whether a text of any length is JSON."""
    try:
        orjson.loads(text)
    except ValueError:
        return False
    return True


def parse_json(text: str) -> Any:
    """Parse a JSON text, numbers as `Decimal`.

    Raises `ValueError` for anything that cannot be read.
    """
    try:
        return json.loads(text, parse_float=Decimal, parse_int=Decimal)
    except (RecursionError, ArithmeticError) as error:
        raise ValueError("nested too deep, or a number beyond all bounds") from error


def canonical_json(value: object) -> str:
    """Return `value` as JSON with sorted keys and no blanks, in which 1, 1.0 and 1e0 are alike.

    Raises `ValueError` if it nests too deep.
    """
    try:
        return _canonical(value)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def _canonical(value: Any) -> str:
    if value is None or isinstance(value, (bool, str)):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, (int, float, Decimal)):
        return _number(value)
    if isinstance(value, Mapping):
        pairs = sorted((str(key), _canonical(item)) for key, item in value.items())
        return "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{item}" for key, item in pairs) + "}"
    return "[" + ",".join(_canonical(item) for item in value) + "]"


def _number(value: float | Decimal) -> str:
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite():
        return str(number)
    if not number:
        return "0"
    # Enough precision for all digits: normalising must drop zeros, never round.
    exact = number.normalize(Context(prec=len(number.as_tuple().digits), Emin=MIN_EMIN, Emax=MAX_EMAX))
    return format(exact, "f") if -20 <= exact.adjusted() <= 20 else str(exact)
