"""What models put around JSON is taken off, and the JSON itself stays as it is to the last blank."""

from __future__ import annotations

import json

import pytest

from optillm.toolkit.schema.bare_json import bare_json, object_in_prose

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


def with_sum(value: str) -> bool:
    """Stand in for a schema: an object with a sum."""
    return value.startswith("{") and '"sum"' in value


LATER = '{"sum": 5}'
UNFIT = '{"note": "none of it"}'


@pytest.mark.parametrize("value", [OBJECT, PRETTY, WITH_FENCES.replace("readme", "sum")])
@pytest.mark.parametrize(
    "around",
    [
        "Sure! VALUE",
        "Here you go: VALUE Hope this helps.",
        f"First {UNFIT}, then VALUE, never {UNFIT}.",
        "Twice: VALUE and VALUE",
        "**Answer:** VALUE.",
        "The sum is `VALUE`, see [1] and $\\frac{1}{2}$.",
        "The form is {sum: number}, so the answer is VALUE",
        "VALUE is the answer; {} would be empty.",
        'As {"sum": <number>}: VALUE',
        f"```json\n{UNFIT}\n```\nOr rather: VALUE",
        "return VALUE;",
        "total(VALUE)",
    ],
)
def test_the_only_object_that_fits_may_stand_within_a_line(around: str, value: str) -> None:
    assert bare_json(around.replace("VALUE", value), with_sum, anywhere=True) == value


@pytest.mark.parametrize(
    "text",
    [
        f"Either {OBJECT} or {LATER}.",
        f"```json\n{OBJECT}\n```\nNo, wait: {LATER}",
        f"{OBJECT} is wrong.\n\n{LATER}",
        f"Sure! {UNFIT}",
        f"Sure! [{OBJECT}]",
        f'Sure! {{"sum": {{"parts": [{OBJECT}, {{"su',
        f'Sure! {{"sums": [{OBJECT}, {{"su',
        f'Sure! {{"sums": {OBJECT}, "note": undefined}}',
        f"{OBJECT} and " + '{"no": 1, ' * 32 + LATER,
        f"Sure! {OBJECT}" + " " * 1_000_000,
        'Sure! {"sum": NaN}',
        "Sure!",
    ],
)
def test_a_text_without_exactly_one_object_that_fits_is_unchanged(text: str) -> None:
    assert bare_json(text, with_sum, anywhere=True) == text


def test_an_object_that_fits_counts_once_however_it_is_laid_out() -> None:
    assert bare_json(f"{OBJECT}, that is\n{PRETTY}", with_sum, anywhere=True) in (OBJECT, PRETTY)


@pytest.mark.parametrize(
    "around",
    [
        "Sure! {}",
        "Here you go: {} Hope this helps.",
        "It is `{}`.",
        "{} (see above); I am sure.",
        "{0} or {0}",
    ],
)
@pytest.mark.parametrize("value", [OBJECT, PRETTY, "{}"])
def test_the_only_object_in_prose_is_the_object(around: str, value: str) -> None:
    assert object_in_prose(around.format(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        f"{OBJECT} or {LATER}",
        f"{OBJECT}, see [1].",
        f"total({OBJECT})",
        f"x = {OBJECT}",
        f"<answer>{OBJECT}</answer>",
        f"$\\pi$ and {OBJECT}",
        f"```python\nprint({OBJECT})\n```",
        f'Cut off: {{"sums": [{OBJECT}, {{"su',
        "Sure! [4]",
        "It is 4.",
    ],
)
def test_an_object_among_code_or_other_json_is_left_in_its_text(text: str) -> None:
    assert object_in_prose(text) == text
