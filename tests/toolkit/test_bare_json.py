"""What models put around JSON is taken off, and the JSON itself stays as it is to the last blank."""

from __future__ import annotations

import json

import pytest

from optillm.toolkit.bare_json import bare_json

OBJECT = '{"sum": 4, "why": "2 + 2"}'
PRETTY = json.dumps({"sum": 4, "why": "2 + 2"}, indent=2)
WITH_FENCES = json.dumps({"readme": "Run:\n```sh\nls\n```\nand so on"}, indent=2)
LINE_SEPARATOR = '{"text": "a\u2028b\x85c"}'


@pytest.mark.parametrize(
    "value", [OBJECT, PRETTY, WITH_FENCES, LINE_SEPARATOR, '[{"a": 1}]', "4", '"four"', "null"]
)
@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "```json\n{}\n```",
        "```\n{}\n```",
        "```JSON\r\n{}\r\n```\r\n",
        "``` json\n{}\n ```  ",
        "~~~json\n{}\n~~~",
        "````json\n{}\n````",
        "\n\n```json\n\n{}\n\n```\n\n",
        "Here is the answer:\n\n```json\n{}\n```",
        "```json\n{}\n```\n\nI hope that helps! Braces like {{x}} and lists [1] are mine.",
        "As asked ({{sum}}):\n```json\n{}\n```\nThat is all.",
        "```json5\n{}\n```",
        "  ```json\n{}\n  ```",
        "Run `x` first.\n```json\n{}\n```",
        "```json\n{}",
        "```json\n{}```",
        "Sketch:\n```python\nsum(a)\n```\nResult:\n```json\n{}\n```",
        "```json\n{0}\n```\nOnce more:\n```json\n{0}\n```",
    ],
)
def test_one_fenced_value_is_the_value(around: str, value: str) -> None:
    assert bare_json(around.format(value)).strip() == value


@pytest.mark.parametrize("value", [OBJECT, PRETTY, WITH_FENCES, '[{"a": 1}, {"b": []}]'])
@pytest.mark.parametrize(
    "around",
    [
        "Here it is:\n{}",
        "{}\n\nI hope that helps.",
        "Here:\n\n{}\n\nThat's [it].",
        "json\n{}",
        "```json {}```",
        "`{}`",
    ],
)
def test_an_object_or_a_list_on_lines_of_its_own_is_the_value(around: str, value: str) -> None:
    assert bare_json(around.format(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        "It is 4.",
        "",
        "```python\nprint(4)\n```",
        'I would say {"sum": 4}, if anything.',
        "There is no answer: {}",
        "```json\n{}\n```\nor\n```json\n[]\n```",
        '{"sum": 4',
        '```json\n{"sum": 4\n```',
        '{"sum": 4}\n{"sum": 5}',
        "{" * 100_000,
        "```\n" * 100_001,
        "[" * 50_000 + "]" * 50_000,
    ],
)
def test_a_text_without_exactly_one_value_is_unchanged(text: str) -> None:
    assert bare_json(text) == text


@pytest.mark.parametrize("text", [f"  {OBJECT}\n", f"\t{PRETTY}\n\n", ' "```json"', "[ ]"])
def test_bare_json_keeps_its_blanks(text: str) -> None:
    assert bare_json(text) == text


def test_of_several_values_the_only_valid_one_counts() -> None:
    text = f'The schema:\n```json\n{{"type": "object"}}\n```\nThe answer:\n```json\n{OBJECT}\n```'
    assert bare_json(text, lambda value: "sum" in value) == OBJECT
    assert bare_json(text) == text
