"""The format a reply is wanted in: a JSON schema, a JSON example in the instruction, or plain prose."""

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
_DEEPEST = 8


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
        """All names in it, the outer ones first."""
        yield from self.fields
        for inner in (*self.fields.values(), *filter(None, (self.items, self.values))):
            yield from inner.keys()


def shape_of_schema(schema: Any, root: Any = None, depth: int = 0) -> Shape:
    """The shape a JSON schema describes; what it does not understand may be anything."""
    root = schema if root is None else root
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return Shape()
    if "$ref" in schema:
        name = str(schema["$ref"]).rsplit("/", 1)[-1]
        found = (root.get("$defs") or root.get("definitions") or {}).get(name)
        return shape_of_schema(found, root, depth + 1)
    for either in ("anyOf", "oneOf", "allOf"):
        options = [
            one for one in schema.get(either) or () if isinstance(one, dict) and one.get("type") != "null"
        ]
        if options:
            return shape_of_schema(options[0], root, depth + 1)
    sort = schema.get("type")
    sort = next((one for one in sort if one != "null"), None) if isinstance(sort, list) else sort
    fields = schema.get("properties") or {}
    choices = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    numbers = [one for one in choices if isinstance(one, int | float)]
    more = schema.get("additionalProperties")
    return Shape(
        type=sort or ("object" if fields else "any"),
        fields={name: shape_of_schema(one, root, depth + 1) for name, one in fields.items()},
        items=shape_of_schema(schema["items"], root, depth + 1) if "items" in schema else None,
        values=shape_of_schema(more, root, depth + 1) if isinstance(more, dict) else None,
        choices=tuple(choices),
        low=schema.get("minimum", min(numbers, default=None)),
        high=schema.get("maximum", max(numbers, default=None)),
    )


def shape_of_example(value: Any) -> Shape:
    """The shape of a JSON value that was given as an example."""
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
            return Shape("object", {str(name): shape_of_example(one) for name, one in value.items()})
        case _:
            return Shape()


def shape_in(instruction: str) -> Shape | None:
    """The shape of the last JSON object that an instruction shows, be it sloppy; `None` when it shows none.

    One that has no key of its own is only a shorter form of the one before.
    """
    found = None
    for shape in filter(None, map(_sloppy, _objects(instruction))):
        if found is None or not set(shape.keys()) < set(found.keys()):
            found = shape
    return found


def _objects(text: str) -> Iterator[str]:
    """Balanced pieces in braces."""
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
