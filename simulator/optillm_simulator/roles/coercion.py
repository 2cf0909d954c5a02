"""Convert values to the type that a shape asks for, as far as possible."""

from __future__ import annotations

import re
from typing import Any

from optillm_simulator.roles.shapes import Shape


def as_wanted(value: Any, shape: Shape) -> Any:
    """Return a value in the type of a shape, as far as it can be converted."""
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
            return "\n".join(f"{name}: {entry}" for name, entry in value.items())
    return str(value)


def _as_list(value: Any, items: Shape) -> list[Any]:
    match value:
        case dict():
            return [_pair(name, entry, items) for name, entry in value.items()]
        case str():
            value = value.splitlines()
    return [as_wanted(entry, items) for entry in (value if isinstance(value, list) else [value])]


def _as_object(value: Any, shape: Shape) -> dict[str, Any]:
    if shape.fields:
        return {name: as_wanted(value, inner) for name, inner in shape.fields.items()}
    if isinstance(value, dict):
        return value
    listed = value if isinstance(value, list) else [value]
    inner = shape.values or Shape()
    return {
        str(number): as_wanted(entry, inner) for number, entry in enumerate(listed, start=1) if entry != ""
    }


def _pair(name: str, value: Any, shape: Shape) -> Any:
    """Return a named value as a list holds it: the value, or an object with its name and value."""
    if not shape.fields:
        return as_wanted(value, shape)
    first, *others = shape.fields
    return {first: name, **dict.fromkeys(others, value)}


_LOCATION_KEY = re.compile(r"step|claim|line|where|locat|place|index|number", re.IGNORECASE)
_SEVERITY_KEY = re.compile(r"sever|score|weight", re.IGNORECASE)


def as_error(shape: Shape, step: int, reason: str) -> Any:
    """Return one located error: an object with the step and the reason, else a sentence."""
    if shape.type in ("integer", "number"):
        return step
    if not shape.fields:
        whole = {"step": step, "reason": reason} if shape.type == "object" else f"Step {step}: {reason}"
        return [whole] if shape.type == "array" else as_wanted(whole, shape)
    error: dict[str, Any] = {}
    for name, inner in shape.fields.items():
        if _LOCATION_KEY.search(name):
            error[name] = as_wanted(f"Step {step}" if inner.type == "string" else step, inner)
        else:
            error[name] = as_wanted("serious" if _SEVERITY_KEY.search(name) else reason, inner)
    return error


NUMBER = re.compile(r"-?\d{1,300}(?:\.\d{1,300})?", re.ASCII)


def number_of(value: Any, *, whole: bool = False) -> float | int:
    """Return the number in a value, or 0 if it has none."""
    match = NUMBER.search(str(value))
    number = 0.0 if match is None else float(match[0]) if "." in match[0] else int(match[0])
    return round(number) if whole or number == int(number) else number
