"""How verdicts are requested: in words that are none themselves, and with schemas that every server knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import orjson
import pytest
from pydantic import BaseModel

from optillm.toolkit.judging.forms import SHAPES, Mode, closing, response_format, token_limit
from optillm.toolkit.judging.verdicts import (
    Examination,
    Groups,
    Preference,
    Ranking,
    Rating,
    is_complete,
    read,
)

MODES = get_args(Mode)
KNOWN = {"type", "properties", "required", "additionalProperties", "items", "enum"}
"""Keywords of schemas that OpenAI's strict mode, llama.cpp, vLLM and Ollama all take."""


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("verdict", SHAPES)
def test_a_judge_that_repeats_how_it_is_to_answer_abstains(verdict: type[BaseModel], mode: Mode) -> None:
    words = closing(verdict, mode)
    shape = words[words.index("{") :]
    for parroted in (
        words,
        shape,
        f"{shape}\n",
        f"```json\n{shape}\n```",
        f"Candidate A is good.\n\n{words}",
    ):
        assert read(parroted, verdict, "AB") is None
        assert not is_complete(parroted, verdict, "AB")


@pytest.mark.parametrize(
    ("verdict", "value"),
    [
        (Ranking, {"ranking": ["B", "A"]}),
        (Preference, {"better": "tie"}),
        (Rating, {"score": 7}),
        (Examination, {"errors": ["The sum is wrong."], "score": 2}),
        (Groups, {"groups": [["A"], ["B"]], "pick": "A"}),
    ],
)
def test_what_a_schema_demands_is_read(verdict: type[BaseModel], value: dict[str, Any]) -> None:
    schema = fields_of(verdict, "reasoned")
    assert list(schema) == ["analysis", *value]
    assert read(orjson.dumps({"analysis": "A is short.", **value}).decode(), verdict, "AB") == verdict(
        **value
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("verdict", SHAPES)
def test_schemas_hold_only_what_every_server_knows(verdict: type[BaseModel], mode: Mode) -> None:
    named = response_format(verdict, "AB", mode)
    assert named is not None
    assert named["type"] == "json_schema"
    assert named["json_schema"]["strict"] is True
    for schema in parts(named["json_schema"]["schema"]):
        assert schema.keys() <= KNOWN
        if schema["type"] == "object":
            assert schema["required"] == list(schema["properties"])
            assert schema["additionalProperties"] is False
        assert "enum" not in schema or len(set(schema["enum"])) == len(schema["enum"])


@pytest.mark.parametrize("verdict", SHAPES)
def test_reasons_come_first_in_any_order_of_fields(verdict: type[BaseModel]) -> None:
    fields = list(fields_of(verdict, "reasoned"))
    assert fields[0] == min(fields) == "analysis"


def test_labels_are_those_of_the_ballot() -> None:
    assert fields_of(Ranking, "direct")["ranking"]["items"]["enum"] == ["A", "B"]
    assert response_format(Ranking, "", "direct") is None


def test_a_direct_examination_is_a_score() -> None:
    assert list(fields_of(Examination, "direct")) == ["score"]
    assert closing(Examination, "direct") == closing(Rating, "direct")


@pytest.mark.parametrize(
    ("labels", "mode", "tokens"),
    [
        ("AB", "direct", 48),
        ("ABCDEFGH", "direct", 80),
        ("AB", "reasoned", 768),
        ("ABCDEFGH", "reasoned", 1536),
    ],
)
def test_a_verdict_has_the_tokens_that_it_needs(labels: str, mode: Mode, tokens: int) -> None:
    assert token_limit(labels, mode) == tokens


def fields_of(verdict: type[BaseModel], mode: Mode) -> dict[str, Any]:
    named = response_format(verdict, "AB", mode)
    assert named is not None
    properties: dict[str, Any] = named["json_schema"]["schema"]["properties"]
    return properties


def parts(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    for part in (*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])):
        yield from parts(part)
