"""How what was found out is put into the format that was asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from optillm_simulator.roles.coercion import NUMBER, as_error, as_wanted, number_of
from optillm_simulator.roles.findings import Findings, Scale
from optillm_simulator.roles.shapes import Shape

# What the keys of a verdict ask for, tried in this order.
_MEANINGS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (meaning, re.compile(words, re.IGNORECASE))
    for meaning, words in (
        ("flaws", r"error|issue|problem|flaw|mistake|weakness|fault|concern"),
        ("strengths", r"strength|merit|\bpros\b|advantage"),
        (
            "reason",
            r"reason|explan|rational|thought|analy|comment|why|justif|critiq|feedback|note|evidence|remark",
        ),
        ("ranking", r"rank|order|sorted|best_to|preference_list"),
        ("groups", r"group|cluster|partition"),
        ("steps", r"step|working|calculation"),
        ("shares", r"score|rating|grade|point|quality|confiden|prob|value|mark"),
        ("pick", r"winner|best|better|choice|chosen|pick|prefer|select|represent|medoid|index"),
        ("right", r"correct|valid|verdict|equival|agree|accept|pass|right|same|sound|true"),
        ("label", r"label|candidate|\bid\b|name|response|solution|option|member"),
        ("answer", r"answer|result|final|output|total"),
    )
)


def fill(shape: Shape, found: Findings, key: str = "") -> Any:
    """A value of this shape that says what was found, as far as its keys make clear what is wanted."""
    label = found.label(key)
    if label is not None and len(found.labels) > 1:
        found = found.about(label)
        key = "reason" if shape.type == "string" else "score"
    for words, value in found.given:
        if words.search(key):
            return as_wanted(value, shape)
    meaning = _meaning(key)
    match shape.type:
        case "object":
            return _object(shape, found, key)
        case "array":
            return _array(shape, found, meaning, key)
        case "boolean":
            return found.verdict()
        case "integer" | "number":
            return _figure(shape, found, meaning)
        case "null":
            return None
        case "string":
            return _text(shape, found, meaning)
        case _:
            return _loose(shape, found, meaning, key)


def _meaning(key: str) -> str:
    return next((meaning for meaning, words in _MEANINGS if words.search(key)), "")


def _object(shape: Shape, found: Findings, key: str) -> dict[str, Any]:
    if shape.fields:
        return {name: fill(inner, found, name) for name, inner in shape.fields.items()}
    inner = shape.values or Shape("number")
    return {label: fill(inner, found.about(label), key or "score") for label in found.labels}


def _array(shape: Shape, found: Findings, meaning: str, key: str) -> list[Any]:
    items = shape.items or Shape()
    if meaning == "flaws" and found.located and items.type not in ("array", "boolean", "null"):
        errors = [error for label in found.labels for error in found.located.get(label, ())]
        return [as_error(items, step, why) for step, why in errors]
    order = found.ranking if meaning == "ranking" else found.labels
    if meaning == "groups":
        members = Shape("array") if items.type == "any" else items
        return [fill(members, found.only(group)) for group in found.groups]
    if items.type in ("object", "boolean", "null") or (items.type == "array" and found.labels):
        inner = "" if items.type in ("object", "array") else key
        return [fill(items, found.about(label), inner) for label in order]
    if items.type == "array":
        return []
    if meaning in ("shares", "right") and found.labels:
        return [fill(items, found.about(label), key) for label in order]
    texts = _listed(found, meaning)
    if texts and items.type in ("any", "string"):
        return texts
    if meaning == "answer" and found.answer:
        return [_typed(part, items) for part in found.answer.split(", ")]
    numbers = items.type in ("integer", "number") and meaning not in ("ranking", "label", "pick", "")
    if numbers:
        return [_figure(items, found.about(label), "shares") for label in found.labels]
    return [_typed(_name(label, items, found), items) for label in found.ranking or found.labels]


def _listed(found: Findings, meaning: str) -> list[str]:
    """What is told of one candidate after the other, or step after step."""
    if meaning == "steps":
        return list(found.steps)
    if meaning in ("flaws", "strengths", "reason"):
        return [found.remarks[label] for label in found.labels if label in found.remarks] or [found.reason]
    return []


def _name(label: str, shape: Shape, found: Findings) -> Any:
    """A label as its shape has it: numbered ones as numbers where numbers are wanted."""
    if shape.type in ("integer", "number"):
        return int(label) if label.isdecimal() else 1 + list(found.labels).index(label)
    return next((choice for choice in shape.choices if str(choice).lower().endswith(label.lower())), label)


def _figure(shape: Shape, found: Findings, meaning: str) -> float | int:
    if meaning in ("pick", "label") and found.pick in found.labels:
        return number_of(_name(found.pick, shape, found), whole=shape.type == "integer")
    return number_of(_rating(shape, found), whole=shape.type == "integer")


def _rating(shape: Shape, found: Findings) -> float | int:
    if not found.shares:
        return number_of(found.answer)
    low = found.scale.low if shape.low is None else shape.low
    high = found.scale.high if shape.high is None else shape.high
    return Scale(low, high).place(found.shares.get(found.pick, next(iter(found.shares.values()))))


def _text(shape: Shape, found: Findings, meaning: str) -> str:
    if shape.choices:
        named = _name(found.pick, shape, found) if found.pick else None
        return str(named if named in shape.choices else _choice(shape.choices, right=found.verdict()))
    match meaning:
        case "pick" | "label" if found.pick:
            return found.pick
        case "answer" if found.answer:
            return found.answer
        case "right" if found.right:
            return "correct" if found.verdict() else "incorrect"
        case "shares" if found.shares:
            return str(_rating(shape, found))
        case "ranking" if found.ranking:
            return " > ".join(found.ranking)
        case "groups" if found.groups:
            return "; ".join(", ".join(group) for group in found.groups)
        case "steps" if found.steps:
            return "\n".join(found.steps)
    return found.reason or found.answer


def _loose(shape: Shape, found: Findings, meaning: str, key: str) -> Any:
    """A value whose type nobody states: the one that goes with its key."""
    if meaning in ("ranking", "groups"):
        return _array(
            Shape("array", items=Shape("array") if meaning == "groups" else None), found, meaning, key
        )
    if meaning == "shares" and found.shares:
        return _rating(shape, found)
    if meaning == "right" and found.right and not shape.choices:
        return found.verdict()
    return _typed(_text(shape, found, meaning), shape)


_NEGATIVE = re.compile(r"in|not|no|false|wrong|bad|fail|reject|un", re.IGNORECASE)


def _choice(choices: Sequence[Any], *, right: bool) -> Any:
    """The choice that says right or wrong, whichever way it is put."""
    return next((choice for choice in choices if bool(_NEGATIVE.match(str(choice))) != right), choices[0])


def _typed(value: Any, shape: Shape) -> Any:
    """A value turned into the type that is wanted; what looks like a number is one where none is stated."""
    if shape.type in ("integer", "number"):
        return number_of(value, whole=shape.type == "integer")
    if shape.type == "any" and NUMBER.fullmatch(str(value)):
        return number_of(value)
    return value if shape.type == "any" else str(value)
