"""What a client's `response_format` demands of an answer, checked without trusting the schema.

Patterns in a schema run on a bounded engine, and references to other places are never followed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import jsonschema_rs


@dataclass(frozen=True, slots=True)
class Form:
    """JSON, an object, or an instance of a schema; `validator` is `None` where there is no usable schema."""

    validator: jsonschema_rs.Validator | None = None

    @classmethod
    def of(cls, response_format: Any) -> Form | None:
        """The form that a request demands, `None` for free text."""
        if not isinstance(response_format, Mapping) or response_format.get("type") not in (
            "json_object",
            "json_schema",
        ):
            return None
        described = response_format.get("json_schema")
        schema = described.get("schema") if isinstance(described, Mapping) else None
        if response_format["type"] == "json_object":
            schema = {"type": "object"}
        if not isinstance(schema, Mapping):
            return cls()
        try:
            return cls(jsonschema_rs.validator_for(dict(schema), retriever=_refuse))
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError):
            return cls()  # the upstream has its own opinion of a broken schema

    def violation(self, text: str) -> str | None:
        """What is wrong with a text, in a line; `None` when it has the form."""
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            return f"not JSON: {error}"
        if self.validator is None:
            return None
        try:
            self.validator.validate(value)
        except (jsonschema_rs.ValidationError, ValueError) as error:
            return str(getattr(error, "message", error)).splitlines()[0][:300]
        return None


def _refuse(uri: str) -> NoReturn:
    raise ValueError(f"a schema must not refer to {uri}")
