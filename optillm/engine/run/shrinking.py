"""Work made smaller, so that its worst case fits a bound on calls.

Every stage takes the same number of steps down: from each of the options that give way in turn, down to the least
that option may be. What is as small as it gets and still does not fit runs all the same; the ledger ends it in time.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from functools import cache
from typing import Any

from optillm.engine.run.composition import Stage, Work
from optillm.technique import BaseOptions


def fitted(work: Work, fits: Callable[[Work], bool]) -> Work:
    """Return the work if it fits, else the largest smaller form that does, else the smallest."""
    if fits(work):
        return work
    most = max(sum(_room(stage.options).values()) for stage in work.leaves())
    level = bisect_left(range(1, most + 1), True, key=lambda steps: fits(smaller(work, steps))) + 1
    return smaller(work, min(level, most))


def smaller(work: Work, steps: int) -> Work:
    """Return the work with every stage so many steps down, or as far as it goes."""
    return work.mapped(lambda stage: _smaller(stage, steps)) or work


def _smaller(stage: Stage, steps: int) -> Stage:
    values: dict[str, Any] = {}
    for name, room in _room(stage.options).items():
        taken = min(steps, room)
        values[name] = getattr(stage.options, name) - taken
        steps -= taken
    return Stage(stage.technique, stage.options.model_copy(update=values))


def _room(options: BaseOptions) -> dict[str, int]:
    """Return how many steps down each option has, in the order they give way.

    One that is no number has none.
    """
    least = _least(type(options))
    values = {name: getattr(options, name) for name in options.shrink_order}
    return {name: value - least[name] for name, value in values.items() if type(value) is int}


@cache
def _least(kind: type[BaseOptions]) -> dict[str, int]:
    shapes = kind.model_json_schema()["properties"]
    ways = {name: shapes[name].get("anyOf", [shapes[name]]) for name in kind.shrink_order}
    return {name: next(way["minimum"] for way in ways[name] if "minimum" in way) for name in ways}
