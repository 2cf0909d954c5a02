"""What a request asks for: "bon(n=8)-gpt-4o" becomes a technique, its options and the upstream's model.

Grammar, loosest first: `expression := term ("|" term)*`, `term := factor ("&" factor)*`,
`factor := slug ["(" option "=" value, … ")"] | "(" expression ")"`. An expression stands in front of a model
name only if every slug in it is a registered technique; otherwise the whole string is a model name.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from optillm.chat import ChatRequest
from optillm.errors import InvalidRequest
from optillm.technique import BaseOptions
from optillm.techniques import Technique

AUTO: Final = "auto"
NONE: Final = "none"
_SLUG = re.compile(r"[a-z][a-z0-9_]*")
_DEEPEST: Final = 8


@dataclass(frozen=True, slots=True)
class Step:
    """One technique with the options its arguments set."""

    slug: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """`a & b`: each step improves on the answer of the one before."""

    steps: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Parallel:
    """`a | b`: the branches run side by side and the best answer is kept."""

    branches: tuple[Expression, ...]


Expression = Step | Pipeline | Parallel


class _NotAnExpression(Exception):
    """The text is no technique expression; it may still be a model name."""


def split(model: str, slugs: Collection[str]) -> tuple[Expression | None, str]:
    """The technique expression in front of a model name, or `None`, and the upstream's model name.

    Raises `InvalidRequest` for an expression of known techniques whose arguments cannot be read.
    """
    parser = _Parser(model, slugs)
    try:
        expression = parser.expression()
    except _NotAnExpression:
        return None, model
    rest = model[parser.position :]
    if len(rest) < 2 or rest[0] != "-":
        return None, model
    return expression, rest[1:]


def parse(text: str, slugs: Collection[str]) -> Expression:
    """A technique expression on its own, as the request field and `--approach` hold it."""
    parser = _Parser("".join(text.split()), slugs)
    try:
        expression = parser.expression()
    except _NotAnExpression:
        expression = None
    if expression is None or parser.position != len(parser.text):
        known = ", ".join(sorted(slugs))
        raise InvalidRequest(
            f"unknown technique expression {text!r}; known techniques: {known}", param="optillm_approach"
        )
    return expression


class _Parser:
    def __init__(self, text: str, slugs: Collection[str]) -> None:
        self.text = text
        self.slugs = {*slugs, NONE}
        self.position = 0
        self.depth = 0

    def expression(self) -> Expression:
        branches = [self._term()]
        while self._take("|"):
            branches.append(self._term())
        return branches[0] if len(branches) == 1 else Parallel(tuple(branches))

    def _term(self) -> Expression:
        steps = [self._factor()]
        while self._take("&"):
            steps.append(self._factor())
        return steps[0] if len(steps) == 1 else Pipeline(tuple(steps))

    def _factor(self) -> Expression:
        if self._take("("):
            self.depth += 1
            if self.depth > _DEEPEST:
                raise InvalidRequest(f"a technique expression nests at most {_DEEPEST} deep", param="model")
            inner = self.expression()
            if not self._take(")"):
                raise _NotAnExpression
            self.depth -= 1
            return inner
        found = _SLUG.match(self.text, self.position)
        if found is None or found.group() not in self.slugs:
            raise _NotAnExpression
        self.position = found.end()
        return Step(found.group(), self._arguments(found.group()))

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
                    return dict(_argument(slug, piece) for piece in pieces if piece.strip())
        raise InvalidRequest(
            f"the arguments of {slug!r} in the model name are not closed by ')'", param="model"
        )


def _argument(slug: str, piece: str) -> tuple[str, Any]:
    name, equals, value = (part.strip() for part in piece.partition("="))
    if not equals or not name or not value:
        raise InvalidRequest(
            f"{piece.strip()!r} is not an argument of {slug!r}: write option=value", param="model"
        )
    return name, _value(value)


def _value(text: str) -> Any:
    if text.startswith("[") and text.endswith("]"):
        return [_value(item.strip()) for item in text[1:-1].split(",") if item.strip()]
    try:
        return json.loads(text)
    except ValueError:
        return text


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done for a request: `technique` is `None` for a plain relay to `model`."""

    model: str
    technique: Technique | None = None
    options: BaseOptions | None = None


class Planner:
    """Turns requests into plans; `defaults` are the operator's options by slug, `approach` theirs for all."""

    def __init__(
        self, techniques: Mapping[str, Technique], defaults: Mapping[str, Mapping[str, Any]], approach: str
    ) -> None:
        self.techniques = techniques
        self.defaults = defaults
        self.approach = None if approach == AUTO else approach
        if self.approach is not None:
            self._resolve(parse(self.approach, techniques), "", {})  # a bad --approach ends the start

    def plan(self, request: ChatRequest) -> Plan:
        """The plan for a request: its field or tag before the slug, the slug before the operator's approach."""
        expression, model = (None, request.model) if self.approach else split(request.model, self.techniques)
        asked = request.approach if request.approach != AUTO else None
        if asked is not None or self.approach is not None:
            expression = parse(asked or self.approach or NONE, self.techniques)
        return self._resolve(expression or Step(NONE, {}), model, request.options)

    def suggestion(self, model: str) -> str | None:
        """The model name that was probably meant when its first token is nearly a slug."""
        head, dash, rest = model.partition("-")
        close = difflib.get_close_matches(head.lower(), self.techniques, n=1, cutoff=0.65)
        return f"{close[0]}-{rest}" if dash and rest and close and close[0] != head else None

    def _resolve(self, expression: Expression, model: str, chosen: Mapping[str, Mapping[str, Any]]) -> Plan:
        if not isinstance(expression, Step):
            raise InvalidRequest(
                "compositions with '&' and '|' are not served yet; name one technique", param="model"
            )
        for slug in chosen:
            if slug not in self.techniques:
                known = ", ".join(self.techniques)
                raise InvalidRequest(
                    f"unknown technique {slug!r}; known: {known}", param=f"optillm.options.{slug}"
                )
        if expression.slug == NONE:
            return Plan(model)
        technique = self.techniques[expression.slug]
        values = {
            **self.defaults.get(technique.slug, {}),
            **chosen.get(technique.slug, {}),
            **expression.arguments,
        }
        return Plan(model, technique, _validated(technique, values))


def _validated(technique: Technique, values: Mapping[str, Any]) -> BaseOptions:
    try:
        return technique.Options.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        name = ".".join(str(part) for part in first["loc"][:1])
        given = f", not {first['input']!r}" if first["type"] != "extra_forbidden" else ""
        known = ", ".join(technique.Options.model_fields)
        problem = (
            f"no such option; known: {known}" if not given else first["msg"][:1].lower() + first["msg"][1:]
        )
        raise InvalidRequest(
            f"option {name!r} of {technique.slug!r}: {problem}{given}",
            param=f"optillm.options.{technique.slug}.{name}",
        ) from None
