"""The format in which a reply is wanted: a JSON schema, a JSON example in the instruction, or prose."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

Type = Literal["object", "array", "string", "number", "integer", "boolean", "null", "any"]

_PLACEHOLDER = re.compile(r"<[^<>{}\"]{0,80}>")
_NUMERIC = re.compile(r"\d|num|score|int|float|rating|value", re.IGNORECASE)
_ELLIPSIS = re.compile(r",?\s{0,3}(?:\.\.\.|…)")
_ALTERNATIVE = re.compile(
    r"(\"[^\"\n]{0,40}\"|[\w.]{1,20})(?:\s{0,2}\|\s{0,2}(?:\"[^\"\n]{0,40}\"|[\w.]{1,20})){1,9}"
)
_KEY = re.compile(r"[\"']([A-Za-z_]\w{0,40})[\"']\s{0,3}:")
_LABEL = re.compile(r"(?:[A-Z]|\d{1,2})\Z")
_MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Shape:
    """What a JSON value should look like: the useful part of a JSON schema."""

    type: Type = "any"
    fields: Mapping[str, Shape] = field(default_factory=dict)
    items: Shape | None = None
    values: Shape | None = None
    choices: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None

    def keys(self) -> Iterator[str]:
        """Yield all names in the shape, outer ones first."""
        yield from self.fields
        for inner in (*self.fields.values(), *filter(None, (self.items, self.values))):
            yield from inner.keys()


def shape_of_schema(schema: Any, root: Any = None, depth: int = 0) -> Shape:
    """Return the shape that a JSON schema describes; what it does not understand may be anything."""
    root = schema if root is None else root
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return Shape()
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[-1]
        target = (root.get("$defs") or root.get("definitions") or {}).get(name)
        return shape_of_schema(target, root, depth + 1)
    for either in ("anyOf", "oneOf", "allOf"):
        options = [
            entry
            for entry in schema.get(either) or ()
            if isinstance(entry, dict) and entry.get("type") != "null"
        ]
        if options:
            return shape_of_schema(options[0], root, depth + 1)
    type_ = schema.get("type")
    type_ = next((entry for entry in type_ if entry != "null"), None) if isinstance(type_, list) else type_
    fields = schema.get("properties") or {}
    choices = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    numbers = [entry for entry in choices if isinstance(entry, int | float)]
    more = schema.get("additionalProperties")
    return Shape(
        type=type_ or ("object" if fields else "any"),
        fields={name: shape_of_schema(entry, root, depth + 1) for name, entry in fields.items()},
        items=shape_of_schema(schema["items"], root, depth + 1) if "items" in schema else None,
        values=shape_of_schema(more, root, depth + 1) if isinstance(more, dict) else None,
        choices=tuple(choices),
        low=schema.get("minimum", min(numbers, default=None)),
        high=schema.get("maximum", max(numbers, default=None)),
    )


def shape_of_example(value: Any) -> Shape:
    """Return the shape of an example value."""
    match value:
        case bool():
            return Shape("boolean")
        case int():
            return Shape("integer")
        case float():
            return Shape("number")
        case str():
            return Shape("string")
        case list():
            return Shape("array", items=shape_of_example(value[0]) if value else None)
        case dict() if value and all(_LABEL.match(str(name)) for name in value):  # {"A": 7, "B": 3}
            return Shape("object", values=shape_of_example(next(iter(value.values()))))
        case dict():
            return Shape("object", {str(name): shape_of_example(entry) for name, entry in value.items()})
        case _:
            return Shape()


def shape_in(instruction: str) -> Shape | None:
    """Return the shape of the last JSON object in an instruction, even a sloppy one.

    An object whose keys all stand in the one before is only a shorter form of it. Returns `None` if there is none.
    """
    latest = None
    for shape in filter(None, map(_sloppy, _objects(instruction))):
        if latest is None or not set(shape.keys()) < set(latest.keys()):
            latest = shape
    return latest


def _objects(text: str) -> Iterator[str]:
    """Yield the balanced pieces in braces."""
    depth, start = 0, 0
    for at, sign in enumerate(text):
        if sign == "{":
            start = at if depth == 0 else start
            depth += 1
        elif sign == "}" and depth:
            depth -= 1
            if depth == 0:
                yield text[start : at + 1]


def _sloppy(text: str) -> Shape | None:
    cleaned = _ALTERNATIVE.sub(r"\1", text)
    cleaned = _PLACEHOLDER.sub(lambda match: "0" if _NUMERIC.search(match[0]) else '"text"', cleaned)
    cleaned = cleaned.replace('""text""', '"text"').replace('"0"', '"text"')
    for attempt in (text, cleaned, _ELLIPSIS.sub("", cleaned)):
        try:
            value = orjson.loads(attempt)
        except orjson.JSONDecodeError:
            continue
        return shape_of_example(value) if value else None
    keys = _KEY.findall(text)
    return Shape("object", dict.fromkeys(keys, Shape())) if keys else None
