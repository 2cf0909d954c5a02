"""What a request asks for: "bon(n=8)-gpt-4o" is a technique with options, and a model.

Grammar, with the operators `|` and `&` of `optillm.engine.run.composition`, the loosest first:
`expression := term ("|" term)*`, `term := factor ("&" factor)*`,
`factor := slug ["(" option "=" value, … ")"] | "(" expression ")"`. An expression stands in front of a model
name only if every slug in it is a registered technique; otherwise the whole string is a model name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from optillm.chat import NONE
from optillm.engine.run.composition import OPERATORS, Composition, Leaf
from optillm.errors import InvalidRequest

_SLUG = re.compile(r"[a-z][a-z0-9_]*")
_DEEPEST: Final = 8


@dataclass(frozen=True, slots=True)
class Step:
    """A slug, and the options that its arguments set."""

    slug: str
    arguments: Mapping[str, Any]


Expression = Composition[Step]


class _NotAnExpression(Exception):
    """The text is no technique expression; it may still be a model name."""


def split(model: str, slugs: Collection[str]) -> tuple[Expression | None, str]:
    """Return the technique expression before a model name, if any, and the upstream's model.

    Raises `InvalidRequest` for an expression of known techniques whose arguments cannot be read.
    """
    parser = _Parser(model, slugs, "model")
    try:
        expression = parser.expression()
    except _NotAnExpression:
        return None, model
    rest = model[parser.position :]
    if len(rest) < 2 or rest[0] != "-":
        return None, model
    return expression, rest[1:]


def parse(text: str, slugs: Collection[str], field: str = "optillm_approach") -> Expression:
    """Return a technique expression that stands alone, as in the request field and `--approach`.

    Raises `InvalidRequest` about `field` for anything else.
    """
    parser = _Parser("".join(text.split()), slugs, field)
    try:
        expression = parser.expression()
    except _NotAnExpression:
        expression = None
    if expression is None or parser.position != len(parser.text):
        listed = ", ".join(sorted(slugs))
        raise InvalidRequest(
            f"unknown technique expression {text!r}; known techniques: {listed}", param=field
        )
    return expression


class _Parser:
    def __init__(self, text: str, slugs: Collection[str], field: str) -> None:
        self.text = text
        self.field = field
        self.slugs = {*slugs, NONE}
        self.position = 0
        self.depth = 0

    def expression(self, level: int = 0) -> Expression:
        """Read an expression whose outermost operator is at most as loose as the one at this level."""
        if level == len(OPERATORS):
            return self._factor()
        operator = OPERATORS[level]
        parts = [self.expression(level + 1)]
        while self._take(operator.sign):
            parts.append(self.expression(level + 1))
        return parts[0] if len(parts) == 1 else operator(tuple(parts))

    def _factor(self) -> Expression:
        if self._take("("):
            self.depth += 1
            if self.depth > _DEEPEST:
                raise InvalidRequest(
                    f"a technique expression nests at most {_DEEPEST} deep", param=self.field
                )
            inner = self.expression()
            if not self._take(")"):
                raise _NotAnExpression
            self.depth -= 1
            return inner
        match = _SLUG.match(self.text, self.position)
        if match is None or match.group() not in self.slugs:
            raise _NotAnExpression
        self.position = match.end()
        return Leaf(Step(match.group(), self._arguments(match.group())))

    def _take(self, symbol: str) -> bool:
        if not self.text.startswith(symbol, self.position):
            return False
        self.position += 1
        return True

    def _arguments(self, slug: str) -> dict[str, Any]:
        if not self._take("("):
            return {}
        start, level = self.position, 0
        pieces: list[str] = []
        for index in range(start, len(self.text)):
            symbol = self.text[index]
            if symbol in "([":
                level += 1
            elif symbol in ")]" and level:
                level -= 1
            elif symbol in ",)" and not level:
                pieces.append(self.text[start:index])
                start = index + 1
                if symbol == ")":
                    self.position = index + 1
                    return self._read(slug, pieces)
        raise InvalidRequest(f"the arguments of {slug!r} are not closed by ')'", param=self.field)

    def _read(self, slug: str, pieces: list[str]) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        for piece in filter(str.strip, pieces):
            name, equals, value = (part.strip() for part in piece.partition("="))
            if not equals or not name or not value:
                raise InvalidRequest(
                    f"{piece.strip()!r} is not an argument of {slug!r}: write option=value", param=self.field
                )
            if name in arguments:
                raise InvalidRequest(f"option {name!r} of {slug!r} is given twice", param=self.field)
            arguments[name] = _value(value)
        return arguments


def _value(text: str) -> Any:
    if text.startswith("[") and text.endswith("]"):
        return [_value(item.strip()) for item in text[1:-1].split(",") if item.strip()]
    try:
        return json.loads(text)
    except ValueError:
        return text
