"""Request a verdict: a prompt's closing words, a JSON schema, and a token limit.

A verdict is given either at once or after reasons. Nothing in the words can be read as a verdict: small models
repeat what they were shown, and an example of a verdict would be a vote.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel

from optillm.toolkit.judging.verdicts import Examination, Groups, Preference, Ranking, Rating

Mode = Literal["reasoned", "direct"]

REASONED: Final = "Reason briefly, then end with JSON: {{{shape}}}"
DIRECT: Final = "Reply with JSON alone, without reasons: {{{shape}}}"

SHAPES: Final[Mapping[type[BaseModel], str]] = {
    Ranking: '"ranking": [all labels, best first]',
    Preference: '"better": label of the better one, or "tie"',
    Examination: '"errors": [each error and where it is], "score": number from 0 to 10',
    Rating: '"score": number from 0 to 10',
    Groups: '"groups": [[labels that agree], …], "pick": label',
}
"""What a verdict of each kind looks like, with words in place of its values."""

SHORTEST: Final = 48
"""The minimum token limit of a direct verdict; many labels need `FRAME`, and `EACH` per label."""
FRAME, EACH = 16, 8
REASONS, REASONS_EACH = 512, 128
"""The token limit of a reasoned verdict, and more per label: twice the usual length, as small models fill any limit."""


def closing(verdict: type[BaseModel], mode: Mode) -> str:
    """Return the words that end a prompt and say how to give the verdict, one of `SHAPES`."""
    shape = SHAPES[Rating if mode == "direct" and verdict is Examination else verdict]  # errors are reasons
    return (REASONED if mode == "reasoned" else DIRECT).format(shape=shape)


def token_limit(labels: str, mode: Mode) -> int:
    """Return how many tokens a verdict may have, including its reasons."""
    if mode == "reasoned":
        return REASONS + REASONS_EACH * len(labels)
    return max(SHORTEST, FRAME + EACH * len(labels))


def response_format(verdict: type[BaseModel], labels: str, mode: Mode) -> dict[str, Any] | None:
    """Return the `response_format` that makes a reply such a verdict.

    Returns `None` for a verdict that takes labels if there are none. The schema has only what both OpenAI's strict
    mode and the grammars of local servers support, so lists have no bounds. Its first field holds the reasons: its
    name keeps it first on servers that write fields in alphabetical order.
    """
    fields = _fields(verdict, labels)
    if fields is None:
        return None
    if mode == "reasoned":
        fields = {"analysis": {"type": "string"}, **fields}
    elif verdict is Examination:
        fields = {"score": fields["score"]}
    schema = {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }
    named = {"name": verdict.__name__.lower(), "strict": True, "schema": schema}
    return {"type": "json_schema", "json_schema": named}


def _fields(verdict: type[BaseModel], labels: str) -> dict[str, Any] | None:
    label = {"type": "string", "enum": list(labels)}
    score = {"type": "integer", "enum": list(range(11))}
    if verdict is Ranking and labels:
        return {"ranking": _list_of(label)}
    if verdict is Preference:
        return {"better": {"type": "string", "enum": ["A", "B", "tie"]}}
    if verdict is Rating:
        return {"score": score}
    if verdict is Examination:
        return {"errors": _list_of({"type": "string"}), "score": score}
    if verdict is Groups and labels:
        return {"groups": _list_of(_list_of(label)), "pick": label}
    return None


def _list_of(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}
