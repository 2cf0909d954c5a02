from __future__ import annotations

from typing import Any

import pytest

from optillm.toolkit.schema import Form

POINT = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}


def schema(of: Any) -> Form:
    form = Form.of({"type": "json_schema", "json_schema": {"name": "point", "schema": of}})
    assert form is not None
    return form


@pytest.mark.parametrize("free", [None, {"type": "text"}, "json_object", {}, {"type": 3}])
def test_free_text_has_no_form(free: Any) -> None:
    assert Form.of(free) is None


def test_an_object_is_an_object() -> None:
    form = Form.of({"type": "json_object"})
    assert form is not None
    assert form.violation('{"a": 1}') is None
    assert form.violation("[1]")
    assert (form.violation("Sure! {}") or "").startswith("not JSON")


def test_a_schema_is_validated_and_the_violation_named() -> None:
    assert schema(POINT).violation('{"x": 1}') is None
    assert "integer" in (schema(POINT).violation('{"x": "1"}') or "")
    assert "x" in (schema(POINT).violation("{}") or "")


@pytest.mark.parametrize("broken", [None, 3, {"type": "nonsense"}, {"$ref": "http://127.0.0.1:1/x"}])
def test_a_schema_that_cannot_be_used_leaves_the_check_for_json(broken: Any) -> None:
    assert schema(broken).violation('{"y": 2}') is None
    assert schema(broken).violation("{")


def test_hostile_patterns_and_texts_end() -> None:
    form = schema({"type": "string", "pattern": "^(a+)+$"})
    assert form.violation('"' + "a" * 5000 + '!"')
    assert schema(POINT).violation("[" * 100_000)
