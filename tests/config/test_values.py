"""Values of settings: how they are read, hidden and described."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, TypeAdapter

from optillm.config.values import allowed, is_loopback, listed, masked


def read(kind: Any, text: str) -> Any:
    return TypeAdapter(Annotated[(kind, *listed(kind))]).validate_python(text)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (list[str], "a, b,", ["a", "b"]),
        (list[int], "4,4", [4, 4]),
        (list[int], "4", [4]),
        (list[str] | None, "a", ["a"]),
        (Annotated[int, Field(le=9)] | Annotated[list[str], Field(max_length=2)], "4", 4),
        (int | list[str], "4,5", ["4", "5"]),
        (Literal["auto"] | list[str], "auto", "auto"),
        (Literal["auto"] | list[str], "a", ["a"]),
    ],
)
def test_text_with_commas_is_a_list_where_a_list_is_allowed(kind: Any, text: str, value: object) -> None:
    assert read(kind, text) == value


def test_types_without_a_list_are_left_alone() -> None:
    assert listed(str | None) == ()


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("127.0.0.1", True),
        ("[::1]", True),
        ("localhost", True),
        ("::", False),
        ("10.0.0.1", False),
        ("box", False),
    ],
)
def test_knows_which_hosts_only_this_machine_can_reach(host: str, private: bool) -> None:
    assert is_loopback(host) is private


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:secret@host/v1", "https://[set]@host/v1"),
        ("https://host/v1?key=secret", "https://host/v1?[set]"),
        ("what is a@b?", "what is a@b?"),
    ],
)
def test_hides_what_a_url_may_give_away(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 1}, "an integer of at least 1"),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 0.5}, "a number above 0 and up to 0.5"),
        ({"type": "integer", "minimum": 1000, "maximum": 4_000_000}, "an integer from 1000 to 4000000"),
        ({"type": "boolean"}, "true or false"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text"),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, "a list of a, b"),
    ],
)
def test_says_what_a_value_may_be(schema: dict[str, object], words: str) -> None:
    assert allowed(schema) == words
