"""Bound the work of checking a value against a JSON schema before it is done.

A schema of a few lines can stand for billions: references multiply, and a schema that refers to itself multiplies
with every level of the value. A validator would do that work in one call that nothing can interrupt.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

from optillm.errors import InvalidRequest

MAX_HEIGHT: Final = 500
"""How deeply schemas may be applied within each other; the validator's stack is finite."""
_MOST_STEPS: Final = 20_000
MOST_WORK: Final = 2_000_000
"""In applications of a schema to a value, about 10 ns each."""
_IN_PLACE: Final = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else")
_BY_NAME: Final = ("dependentSchemas", "dependencies")
_OF_CHILDREN: Final = (
    *("items", "additionalItems", "prefixItems", "contains", "unevaluatedItems"),
    *("additionalProperties", "propertyNames", "unevaluatedProperties"),
)
_LEFT_OVER: Final = ("unevaluatedItems", "unevaluatedProperties")
_ELSEWHERE: Final = ("$dynamicRef", "$recursiveRef")
_APPLIED: Final = frozenset(
    ("properties", "patternProperties", "$ref", *_IN_PLACE, *_BY_NAME, *_OF_CHILDREN, *_ELSEWHERE)
)
_DIVISION: Final = 500
"""The weight of `multipleOf`: the validator divides exactly, with as many digits as that takes."""
_DIVISORS: Final = (1e-9, 1e15)
_UNEVALUATED: Final = 3
"""The factor for `unevaluated…`: the validator repeats everything in place to see what is left."""


class TooComplex(InvalidRequest):
    """No limit on the work can be given, or none that anybody would wait for."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"response_format: the schema {problem}", param="response_format")


class Work(NamedTuple):
    """The most that any one value inside an instance can cost, with all the values around it.

    `schemas` and `patterns` count applications, `height` is their deepest nesting.
    """

    schemas: int = 1
    patterns: int = 0
    height: int = 1

    def beside(self, other: Work) -> Work:
        """Return the work of both, one after the other."""
        (a, b, c), (x, y, z) = self, other
        return Work(a + x, b + y, c if c > z else z)

    def either(self, other: Work) -> Work:
        """Return the work of one of both, whichever is more."""
        (a, b, c), (x, y, z) = self, other
        return Work(a if a > x else x, b if b > y else y, c if c > z else z)


NOTHING: Final = Work(0, 0, 0)


class _Recursive(Exception):
    """The schema refers to itself, so that its work depends on the depth of the instance."""


class WorkBounds:
    """The work of checking instances of one schema, by their depth.

    Raises `ValueError` for references that cannot be followed inside the schema alone.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._works: dict[tuple[int, int | None], Work | None] = {}
        self._whole: Work | None = None
        self.divides = False
        with suppress(_Recursive):
            self._whole = self._work(schema, None)

    @property
    def recursive(self) -> bool:
        """Return whether the work depends on the depth of the instance."""
        return self._whole is None

    def work(self, depth: int) -> Work:
        """Return the most work on an instance that nests `depth` levels.

        Raises `TooComplex` if that is too much.
        """
        return self._whole or self._work(self._schema, depth)

    def _work(self, schema: Any, depth: int | None) -> Work:
        """Return the work on an instance of this depth, or of any depth for `None`."""
        if not isinstance(schema, Mapping):
            return Work()
        if whole := self._works.get((id(schema), None)):
            return whole
        key = id(schema), depth
        if key not in self._works:
            if len(self._works) > _MOST_STEPS:
                raise TooComplex("is too large")
            self._works[key] = None  # in progress: to meet it again means that the schema refers to itself
            try:
                self._works[key] = self._counted(schema, depth)
            except RecursionError:
                raise TooComplex("nests too deep") from None
            finally:
                if self._works[key] is None:
                    del self._works[key]
        work = self._works[key]
        if work is None:
            raise _Recursive if depth is None else TooComplex("refers to itself without end")
        if work.schemas > MOST_WORK:
            raise TooComplex("would take too long to check")
        return work

    def _counted(self, schema: Mapping[str, Any], depth: int | None) -> Work:
        if schema is not self._schema:
            _check_base(schema)
        own = Work(
            1 + sum(len(part) for part in schema.values() if isinstance(part, list)) + self._division(schema),
            ("pattern" in schema) + len(_names(schema, "patternProperties")),
        )
        if _APPLIED.isdisjoint(schema):
            return own
        work = NOTHING
        for part in self._in_place(schema):
            work = work.beside(self._work(part, depth))
        if depth != 0:
            work = work.beside(self._children(schema, None if depth is None else depth - 1))
        times = _UNEVALUATED if any(name in schema for name in _LEFT_OVER) else 1
        return Work(own.schemas + times * work.schemas, own.patterns + times * work.patterns, 1 + work.height)

    def _division(self, schema: Mapping[str, Any]) -> int:
        divisor = schema.get("multipleOf")
        if not isinstance(divisor, int | float):
            return 0
        if not _DIVISORS[0] <= divisor <= _DIVISORS[1]:
            raise TooComplex("divides by a number too small or too large")
        self.divides = True
        return _DIVISION

    def _in_place(self, schema: Mapping[str, Any]) -> Iterator[Any]:
        """Yield the schemas that apply to the same value."""
        for name in _IN_PLACE:
            yield from _listed(schema.get(name))
        for name in _BY_NAME:
            yield from _names(schema, name).values()
        if any(name in schema for name in _ELSEWHERE):
            raise ValueError("dynamic references are not followed")
        if "$ref" in schema:
            yield self._target(schema["$ref"])

    def _children(self, schema: Mapping[str, Any], depth: int | None) -> Work:
        """Return the work on one child of the value, which has one name at most."""
        work = NOTHING
        for part in _names(schema, "properties").values():
            work = work.either(self._work(part, depth))
        for part in _names(schema, "patternProperties").values():
            work = work.beside(self._work(part, depth))
        for name in _OF_CHILDREN:
            for part in _listed(schema.get(name)):
                work = work.beside(self._work(part, depth))
        return work

    def _target(self, reference: Any) -> Any:
        if not isinstance(reference, str) or (reference != "#" and not reference.startswith("#/")):
            raise ValueError(f"a schema must not refer to {reference}")
        target: Any = self._schema
        for step in unquote(reference[1:]).split("/")[1:]:
            try:
                if isinstance(target, list):
                    target = target[int(step)]
                else:
                    target = target[step.replace("~1", "/").replace("~0", "~")]
            except (LookupError, TypeError, ValueError):
                raise ValueError(f"the schema has no {reference}") from None
            if isinstance(target, Mapping):
                _check_base(target)
        return target


def _listed(part: Any) -> Iterable[Any]:
    return part if isinstance(part, list) else () if part is None else (part,)


def _names(schema: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    named = schema.get(name)
    return named if isinstance(named, Mapping) else {}


def _check_base(schema: Mapping[str, Any]) -> None:
    """Raise for an identifier inside the schema: references below it would start from there."""
    if isinstance(schema.get("$id"), str) or isinstance(schema.get("id"), str):
        raise ValueError("a schema within a schema must not have an identifier")


def patterns_in(schema: Any) -> int:
    """Return how many regular expressions a schema holds, used or not."""
    pending, count = [schema], 0
    while pending:
        node = pending.pop()
        if isinstance(node, Mapping):
            count += ("pattern" in node) + len(_names(node, "patternProperties"))
            pending += node.values()
        elif isinstance(node, list):
            pending += node
    return count


def depth_of(value: Any, limit: int) -> int:
    """Return how many levels a JSON value nests, 0 for a plain one; at most `limit` are counted."""
    level = [value]
    for depth in range(limit):
        level = [
            child
            for node in level
            if isinstance(node, (dict, list))
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return depth
    return limit
