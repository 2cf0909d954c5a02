"""Values in the type that is wanted, as far as that can be done."""

from __future__ import annotations

import re
from typing import Any

from optillm_simulator.roles.shapes import Shape


def as_wanted(value: Any, shape: Shape) -> Any:
    """A value that is at hand, in the type that is wanted as far as that can be done."""
    match shape.type:
        case "string":
            return _as_text(value)
        case "array":
            return _as_list(value, shape.items or Shape())
        case "object":
            return _as_object(value, shape)
        case "integer" | "number":
            return number_of(value, whole=shape.type == "integer")
        case "boolean":
            return bool(value)
        case "null":
            return None
    return value


def _as_text(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case list():
            return "\n".join(map(str, value))
        case dict():
            return "\n".join(f"{name}: {one}" for name, one in value.items())
    return str(value)


def _as_list(value: Any, items: Shape) -> list[Any]:
    match value:
        case dict():
            return [_pair(name, one, items) for name, one in value.items()]
        case str():
            value = value.splitlines()
    return [as_wanted(one, items) for one in (value if isinstance(value, list) else [value])]


def _as_object(value: Any, shape: Shape) -> dict[str, Any]:
    if shape.fields:
        return {name: as_wanted(value, inner) for name, inner in shape.fields.items()}
    if isinstance(value, dict):
        return value
    listed = value if isinstance(value, list) else [value]
    inner = shape.values or Shape()
    return {str(place): as_wanted(one, inner) for place, one in enumerate(listed, start=1) if one != ""}


def _pair(name: str, value: Any, shape: Shape) -> Any:
    """A named value as a list has it: an object with a key for the name and one for the value, or the value."""
    if not shape.fields:
        return as_wanted(value, shape)
    first, *others = shape.fields
    return {first: name, **dict.fromkeys(others, value)}


_PLACE = re.compile(r"step|claim|line|where|locat|place|index|number", re.IGNORECASE)
_SEVERITY = re.compile(r"sever|score|weight", re.IGNORECASE)


def as_error(shape: Shape, step: int, why: str) -> Any:
    """One located error: an object with the step and the reason under whatever names, else a sentence."""
    if shape.type in ("integer", "number"):
        return step
    if not shape.fields:
        whole = {"step": step, "reason": why} if shape.type == "object" else f"Step {step}: {why}"
        return [whole] if shape.type == "array" else as_wanted(whole, shape)
    told: dict[str, Any] = {}
    for name, inner in shape.fields.items():
        if _PLACE.search(name):
            told[name] = as_wanted(f"Step {step}" if inner.type == "string" else step, inner)
        else:
            told[name] = as_wanted("serious" if _SEVERITY.search(name) else why, inner)
    return told


NUMBER = re.compile(r"-?\d{1,300}(?:\.\d{1,300})?", re.ASCII)


def number_of(value: Any, *, whole: bool = False) -> float | int:
    """The number a value holds, 0 when it holds none."""
    found = NUMBER.search(str(value))
    number = 0.0 if found is None else float(found[0]) if "." in found[0] else int(found[0])
    return round(number) if whole or number == int(number) else number
