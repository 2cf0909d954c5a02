from __future__ import annotations

from typing import Any

import pytest

from optillm.errors import InvalidRequest
from optillm.toolkit.schema.bounds import WorkBounds
from optillm.toolkit.schema.checking import ResponseFormat

POINT = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}


def schema(of: Any) -> ResponseFormat:
    form = ResponseFormat.of({"type": "json_schema", "json_schema": {"name": "point", "schema": of}})
    assert form is not None
    return form


@pytest.mark.parametrize("free", [None, {"type": "text"}, "json_object", {}, {"type": 3}])
def test_free_text_has_no_form(free: Any) -> None:
    assert ResponseFormat.of(free) is None


def test_an_object_is_an_object() -> None:
    form = ResponseFormat.of({"type": "json_object"})
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


def levels(count: int, branches: int, keyword: str = "allOf") -> dict[str, Any]:
    """A schema whose every level refers to the next one several times."""
    steps = {f"a{i}": {keyword: [{"$ref": f"#/$defs/a{i + 1}"}] * branches} for i in range(count)}
    return {"$defs": {**steps, f"a{count}": {"type": "integer"}}, "$ref": "#/$defs/a0"}


def wrapped(count: int, keyword: str, beside: dict[str, Any]) -> dict[str, Any]:
    inner: dict[str, Any] = {"properties": {"a": {}}}
    for _ in range(count):
        inner = {keyword: [inner], **beside}
    return inner


def nested(depth: int, key: str = "a") -> str:
    return f'{{"{key}":' * depth + "1" + "}" * depth


REPEATED = {"anyOf": [{"properties": {"a": {"$ref": "#"}}, "required": [name]} for name in "zya"]}
TREE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "left": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                "right": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                "more": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "required": ["value"],
            "additionalProperties": False,
        }
    },
    "$ref": "#/$defs/node",
}


@pytest.mark.parametrize(
    "hostile",
    [
        levels(11, 10),
        levels(11, 10, "anyOf"),
        levels(11, 10, "oneOf"),
        {"$defs": {"enum": levels(11, 10)["$defs"]["a0"], **levels(11, 10)["$defs"]}, "$ref": "#/$defs/enum"},
        {"dependentSchemas": {"enum": levels(11, 10)}} | levels(11, 10),
        {"allOf": [{"$ref": "#/x-stored/0"}] * 50, "x-stored": [{"allOf": [{"$ref": "#/x-next"}] * 50}]}
        | {"x-next": {"allOf": [{"$ref": "#/x-last"}] * 50}, "x-last": {"allOf": [{"type": "integer"}] * 50}},
        wrapped(40, "allOf", {"unevaluatedProperties": False}),
        levels(1000, 1),
        {"$ref": "#"},
        {"anyOf": [{"$ref": "#"}, {"type": "string"}]},
        {"properties": {f"k{i}": {"pattern": f"a{i}"} for i in range(1000)}},
        {
            "properties": {
                f"k{i}": {"patternProperties": {f"a{i}{j}": {} for j in range(50)}} for i in range(9)
            }
        },
        {"enum": [f"{i:0100}" for i in range(10_000)]},
    ],
)
def test_a_schema_without_a_bound_is_refused_before_anything_is_checked(hostile: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        schema(hostile)
    assert caught.value.param == "response_format"


def test_work_that_grows_with_the_depth_of_an_answer_is_bounded_by_that_depth() -> None:
    form = schema(REPEATED)
    assert "not checked" in (form.violation(nested(40)) or "")
    for depth in (3, 8):
        assert form.violation(nested(depth)) is None


def test_an_answer_that_nests_without_end_is_not_checked() -> None:
    form = schema({"allOf": [{"allOf": [{"properties": {"a": {"$ref": "#"}}}]}]})
    assert form.violation(nested(60)) is None
    assert "not checked" in (form.violation(nested(300)) or "")


def test_honest_recursive_schemas_are_checked_at_any_reasonable_depth() -> None:
    form = schema(TREE)
    deep = '{"value":1,"left":' * 30 + "null" + "}" * 30
    assert form.violation(deep) is None
    assert form.violation(deep.replace("null", '{"value":"x"}'))
    assert form.violation('{"value":1,"more":[' + ",".join(['{"value":2}'] * 500) + "]}") is None


def test_work_is_bounded_by_what_a_name_or_an_alternative_can_reach() -> None:
    broad: dict[str, Any] = {
        "properties": {f"k{i}": {"properties": {f"l{j}": {} for j in range(50)}} for i in range(50)}
    }
    assert WorkBounds(broad).work(2).schemas == 3
    assert WorkBounds(levels(3, 10)).work(0).schemas > 10**3
    assert WorkBounds(REPEATED).work(9).schemas > 3**9
    assert WorkBounds(TREE).work(20).schemas < 500


@pytest.mark.parametrize("elsewhere", ["#node", "other.json#/a", "http://127.0.0.1:1/x", "#/$defs/absent", 3])
def test_references_that_leave_the_schema_leave_the_check_for_json(elsewhere: Any) -> None:
    form = schema({"$defs": {"node": {"$anchor": "node"}}, "$ref": elsewhere})
    assert form.validator is None


@pytest.mark.parametrize("named", [{"$id": "http://x/"}, {"id": "http://x/"}])
def test_a_schema_that_moves_its_references_elsewhere_is_not_used(named: dict[str, str]) -> None:
    moved = {"a": {**named, "b": {"type": "integer"}}, "allOf": [{"$ref": "#/a/b"}]}
    assert schema(moved).validator is None
    assert schema({"$id": "http://x/", "type": "integer"}).violation('"x"')


@pytest.mark.parametrize("pattern", [r"(?<=a)b", r"(a)\1", r"^(?=a)", r"(\w{500}){40}"])
def test_patterns_that_need_backtracking_or_too_much_memory_are_not_used(pattern: str) -> None:
    assert schema({"type": "string", "pattern": pattern}).validator is None


@pytest.mark.parametrize(
    "pattern", [r"^\d{4}-\d{2}-\d{2}$", r"^[\w.+-]+@[\w-]+\.[\w.]+$", r"^.{1,200}$", r"^\S{1,100}$"]
)
def test_everyday_patterns_are_used(pattern: str) -> None:
    assert schema({"type": "string", "pattern": pattern}).violation('"!\\n"')


def test_a_violation_of_many_alternatives_is_not_explained() -> None:
    form = schema(levels(4, 10, "anyOf"))
    assert form.violation('"x"') == "not an instance of the schema"
    assert form.violation("1") is None


@pytest.mark.parametrize(
    "heavy",
    [
        {"multipleOf": 1e-300},
        {"multipleOf": 1e300},
        {"items": {"properties": {"x": {"multipleOf": 1e-20}}}},
        {"allOf": [{"multipleOf": 0.1}] * 11_000},
    ],
)
def test_a_schema_whose_divisions_have_no_end_is_refused(heavy: Any) -> None:
    with pytest.raises(InvalidRequest, match="schema"):
        schema(heavy)


def test_long_numbers_are_not_divided() -> None:
    form = schema({"type": "array", "items": {"multipleOf": 0.1}})
    assert form.violation("[1.5, 20, -3]") is None
    assert form.violation("[1.55]")
    for long in ("1" + "0" * 4000, "1e300", "1.5E-300"):
        assert form.violation(f"[{long}]") == "not checked: a number is too long"
    assert schema({"type": "array"}).violation("[" + "1" * 4000 + "]") is None


@pytest.mark.parametrize(
    ("of", "text"),
    [
        ({"properties": {"a": {"enum": ["fine"]}}}, '{"a": "cut \\ud83d"}'),
        ({"type": "string"}, '"\\ud83d"'),
        ({"properties": {"a": {"type": "string"}}}, '{"\\ud83d": "x"}'),
    ],
)
def test_half_a_character_is_a_violation(of: Any, text: str) -> None:
    assert schema(of).violation(text)


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": Infinity}', '{"a": -Infinity}'])
def test_what_json_has_no_number_for_is_a_violation(text: str) -> None:
    assert "not JSON" in (schema({"type": "object"}).violation(text) or "")
