"""Fill the format that a prompt asks for with what a role has to say."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from optillm_simulator.roles.coercion import NUMBER, as_error, as_wanted, number_of
from optillm_simulator.roles.findings import Findings, Scale
from optillm_simulator.roles.shapes import Shape

# What the keys of a verdict ask for. The first pattern that matches wins.
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


def fill(shape: Shape, findings: Findings, key: str = "") -> Any:
    """Return a value of this shape that reports the findings, guided by the names of its keys."""
    label = findings.label(key)
    if label is not None and len(findings.labels) > 1:
        findings = findings.about(label)
        key = "reason" if shape.type == "string" else "score"
    for words, value in findings.overrides:
        if words.search(key):
            return as_wanted(value, shape)
    meaning = _meaning(key)
    match shape.type:
        case "object":
            return _object(shape, findings, key)
        case "array":
            return _array(shape, findings, meaning, key)
        case "boolean":
            return findings.verdict()
        case "integer" | "number":
            return _figure(shape, findings, meaning)
        case "null":
            return None
        case "string":
            return _text(shape, findings, meaning)
        case _:
            return _loose(shape, findings, meaning, key)


def _meaning(key: str) -> str:
    return next((meaning for meaning, words in _MEANINGS if words.search(key)), "")


def _object(shape: Shape, findings: Findings, key: str) -> dict[str, Any]:
    if shape.fields:
        return {name: fill(inner, findings, name) for name, inner in shape.fields.items()}
    inner = shape.values or Shape("number")
    return {label: fill(inner, findings.about(label), key or "score") for label in findings.labels}


def _array(shape: Shape, findings: Findings, meaning: str, key: str) -> list[Any]:
    items = shape.items or Shape()
    if meaning == "flaws" and findings.located and items.type not in ("array", "boolean", "null"):
        errors = [error for label in findings.labels for error in findings.located.get(label, ())]
        return [as_error(items, step, reason) for step, reason in errors]
    order = findings.ranking if meaning == "ranking" else findings.labels
    if meaning == "groups":
        members = Shape("array") if items.type == "any" else items
        return [fill(members, findings.only(group)) for group in findings.groups]
    if items.type in ("object", "boolean", "null") or (items.type == "array" and findings.labels):
        inner = "" if items.type in ("object", "array") else key
        return [fill(items, findings.about(label), inner) for label in order]
    if items.type == "array":
        return []
    if meaning in ("shares", "right") and findings.labels:
        return [fill(items, findings.about(label), key) for label in order]
    texts = _listed(findings, meaning)
    if texts and items.type in ("any", "string"):
        return texts
    if meaning == "answer" and findings.answer:
        return [_typed(part, items) for part in findings.answer.split(", ")]
    numbers = items.type in ("integer", "number") and meaning not in ("ranking", "label", "pick", "")
    if numbers:
        return [_figure(items, findings.about(label), "shares") for label in findings.labels]
    return [_typed(_name(label, items, findings), items) for label in findings.ranking or findings.labels]


def _listed(findings: Findings, meaning: str) -> list[str]:
    """Return one text per candidate, or one per step."""
    if meaning == "steps":
        return list(findings.steps)
    if meaning in ("flaws", "strengths", "reason"):
        return [findings.remarks[label] for label in findings.labels if label in findings.remarks] or [
            findings.reason
        ]
    return []


def _name(label: str, shape: Shape, findings: Findings) -> Any:
    """Return a label as its shape wants it: numbered labels as numbers where numbers are wanted."""
    if shape.type in ("integer", "number"):
        return int(label) if label.isdecimal() else 1 + list(findings.labels).index(label)
    return next((choice for choice in shape.choices if str(choice).lower().endswith(label.lower())), label)


def _figure(shape: Shape, findings: Findings, meaning: str) -> float | int:
    if meaning in ("pick", "label") and findings.pick in findings.labels:
        return number_of(_name(findings.pick, shape, findings), whole=shape.type == "integer")
    return number_of(_rating(shape, findings), whole=shape.type == "integer")


def _rating(shape: Shape, findings: Findings) -> float | int:
    if not findings.shares:
        return number_of(findings.answer)
    low = findings.scale.low if shape.low is None else shape.low
    high = findings.scale.high if shape.high is None else shape.high
    return Scale(low, high).rating(findings.shares.get(findings.pick, next(iter(findings.shares.values()))))


def _text(shape: Shape, findings: Findings, meaning: str) -> str:
    if shape.choices:
        named = _name(findings.pick, shape, findings) if findings.pick else None
        return str(named if named in shape.choices else _choice(shape.choices, right=findings.verdict()))
    match meaning:
        case "pick" | "label" if findings.pick:
            return findings.pick
        case "answer" if findings.answer:
            return findings.answer
        case "right" if findings.right:
            return "correct" if findings.verdict() else "incorrect"
        case "shares" if findings.shares:
            return str(_rating(shape, findings))
        case "ranking" if findings.ranking:
            return " > ".join(findings.ranking)
        case "groups" if findings.groups:
            return "; ".join(", ".join(group) for group in findings.groups)
        case "steps" if findings.steps:
            return "\n".join(findings.steps)
    return findings.reason or findings.answer


def _loose(shape: Shape, findings: Findings, meaning: str, key: str) -> Any:
    """Return a value of a type that nobody states: the one that suits its key."""
    if meaning in ("ranking", "groups"):
        return _array(
            Shape("array", items=Shape("array") if meaning == "groups" else None), findings, meaning, key
        )
    if meaning == "shares" and findings.shares:
        return _rating(shape, findings)
    if meaning == "right" and findings.right and not shape.choices:
        return findings.verdict()
    return _typed(_text(shape, findings, meaning), shape)


_NEGATIVE = re.compile(r"in|not|no|false|wrong|bad|fail|reject|un", re.IGNORECASE)


def _choice(choices: Sequence[Any], *, right: bool) -> Any:
    """Return the choice that means right or wrong, however it is put."""
    return next((choice for choice in choices if bool(_NEGATIVE.match(str(choice))) != right), choices[0])


def _typed(value: Any, shape: Shape) -> Any:
    """Convert a value to the type that is wanted; where none is stated, numerals become numbers."""
    if shape.type in ("integer", "number"):
        return number_of(value, whole=shape.type == "integer")
    if shape.type == "any" and NUMBER.fullmatch(str(value)):
        return number_of(value)
    return value if shape.type == "any" else str(value)
