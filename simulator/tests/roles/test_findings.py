"""Verdicts satisfy the schema that was asked for, whatever its keys mean."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.tests.talk import QUESTION, RIGHT, WRONG, quoting, say

KEYS = [
    "score",
    "ranking",
    "winner",
    "groups",
    "reason",
    "correct",
    "answer",
    "A",
    "B",
    "steps",
    "errors",
    "verdict",
    "x",
]
TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}
SIMPLE = st.fixed_dictionaries({"type": st.sampled_from(sorted(TYPES))})
NESTED = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"type": st.just("array"), "items": inner}),
        st.fixed_dictionaries(
            {
                "type": st.just("object"),
                "properties": st.dictionaries(st.sampled_from(KEYS), inner, min_size=1, max_size=4),
            }
        ),
    ),
    max_leaves=8,
)
SCHEMAS = st.fixed_dictionaries(
    {
        "type": st.just("object"),
        "properties": st.dictionaries(st.sampled_from(KEYS), NESTED, min_size=1, max_size=5),
    }
)
PROMPTS = [QUESTION, quoting("Rank them.", RIGHT, WRONG), quoting("Rate it.", RIGHT), "Tell me a story."]


def satisfies(value: Any, schema: dict[str, Any]) -> bool:
    if not isinstance(value, TYPES[schema["type"]]):
        return False
    if isinstance(value, list):
        return all(satisfies(one, schema["items"]) for one in value) if "items" in schema else True
    if isinstance(value, dict) and "properties" in schema:
        fields = schema["properties"]
        return value.keys() == fields.keys() and all(satisfies(value[key], fields[key]) for key in fields)
    return True


@settings(max_examples=400, deadline=None)
@given(SCHEMAS, st.sampled_from(PROMPTS))
def test_a_reply_satisfies_any_simple_schema(schema: dict[str, Any], prompt: str) -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "reply", "schema": schema}}
    assert satisfies(json.loads(say(prompt, response_format=wanted)), schema)
