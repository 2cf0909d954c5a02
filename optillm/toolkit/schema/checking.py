"""Check what a client's `response_format` demands of an answer, without trusting the schema.

Patterns in a schema run on a bounded engine, references to other documents are never followed, and no work is begun
that cannot end soon: one check holds up everybody.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import jsonschema_rs
import orjson

from optillm.toolkit.schema.bounds import MAX_HEIGHT, MOST_WORK, TooComplex, WorkBounds, depth_of, patterns_in

MAX_DEPTH: Final = 64
"""How many levels an answer may nest if the schema refers to itself; the validator's stack is finite."""
_PATTERN_WORK: Final = 40
"""Per character that a pattern is applied to, for patterns of at most `_PATTERN_BYTES` compiled."""
_PATTERN_BYTES: Final = 300_000
_MOST_PATTERNS: Final = 200
_LARGEST_SCHEMA: Final = 256_000
_SHALLOW: Final = 4
"""The depth of answers that a schema which refers to itself must at least be able to check."""
_MOST_EXPLAINED: Final = 4_000
"""The work up to which a violation is explained: every alternative that failed becomes an exception."""

_LONG_NUMBER = re.compile(r"[0-9]{31}|[0-9.][eE][+-]?[0-9]{3}")
"""Exact division by a schema's `multipleOf` takes longer, the more digits a number has."""


@dataclass(frozen=True, slots=True)
class ResponseFormat:
    """JSON, an object, or an instance of a schema.

    `validator` is `None` if there is no usable schema.
    """

    validator: jsonschema_rs.Validator | None = None
    bounds: WorkBounds | None = None

    @classmethod
    def of(cls, response_format: Any) -> ResponseFormat | None:
        """Return the format that a request demands, `None` for free text.

        Raises `InvalidRequest` for a schema that would take too long to check anything against.
        """
        if not isinstance(response_format, Mapping) or response_format.get("type") not in (
            "json_object",
            "json_schema",
        ):
            return None
        described = response_format.get("json_schema")
        schema = described.get("schema") if isinstance(described, Mapping) else None
        return cls.of_schema({"type": "object"} if response_format["type"] == "json_object" else schema)

    @classmethod
    def of_schema(cls, schema: Any) -> ResponseFormat:
        """Return the format of a schema's instances; any JSON if `schema` is not a schema.

        Raises `TooComplex` for a schema that would take too long to check anything against.
        """
        if not isinstance(schema, Mapping):
            return cls()
        if len(orjson.dumps(schema)) > _LARGEST_SCHEMA or patterns_in(schema) > _MOST_PATTERNS:
            raise TooComplex("is too large")
        try:
            bounds = WorkBounds(schema)
            _work(bounds, _SHALLOW)
            return cls(
                jsonschema_rs.validator_for(
                    dict(schema),
                    retriever=_refuse,
                    validate_formats=False,
                    pattern_options=jsonschema_rs.RegexOptions(size_limit=_PATTERN_BYTES),
                ),
                bounds,
            )
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError):
            return cls()  # the upstream has its own opinion of a broken schema

    def violation(self, text: str) -> str | None:
        """Return what is wrong with a text, in a line; `None` if it has the format."""
        try:
            value = json.loads(text, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            return f"not JSON: {error}"
        if self.validator is None or self.bounds is None:
            return None
        try:
            values = 1 + sum(map(text.count, ",[{"))
            work = _work(self.bounds, 0, values, len(text))
            if self.bounds.recursive:
                work = _work(self.bounds, depth_of(value, MAX_DEPTH + 1), values, len(text))
        except TooComplex as error:
            return f"not checked: {error.message}"
        if self.bounds.divides and _LONG_NUMBER.search(text):
            return "not checked: a number is too long"
        try:
            valid = self.validator.is_valid(value)
        except ValueError:  # a lone surrogate
            return "not text that can be written down"
        if valid:
            return None
        if work > _MOST_EXPLAINED:
            return "not an instance of the schema"
        try:
            self.validator.validate(value)
        except (jsonschema_rs.ValidationError, ValueError) as error:
            return str(getattr(error, "message", error)).splitlines()[0][:300]
        return None


def _work(bounds: WorkBounds, depth: int, values: int = 1, characters: int = 1) -> int:
    """Return the most work on an answer of this depth, with so many values and characters.

    Raises `TooComplex` if that is too much.
    """
    most = bounds.work(depth)
    work = most.schemas * values + _PATTERN_WORK * most.patterns * characters
    if depth > MAX_DEPTH or most.height > MAX_HEIGHT or work > MOST_WORK:
        raise TooComplex("would take too long to check")
    return work


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _refuse(uri: str) -> NoReturn:
    raise ValueError(f"a schema must not refer to {uri}")
