"""A composition for people: as an expression with its options, and as a graph."""

from __future__ import annotations

from typing import Any, Final

import orjson

from optillm.engine.run.composition import Leaf, Parallel, Pipeline, Stage, Work
from optillm.engine.run.estimate import options_of

MERGE: Final = "merge"


def described(work: Work, requested: Work) -> dict[str, Any]:
    """Return what a trace says of some work, and of what was requested if that was more."""
    return {
        "technique": expression(work),
        "options": options_of(work),
        "requested_options": options_of(requested) if requested != work else None,
        "composition": graph(work),
    }


def expression(work: Work) -> str:
    """Return the expression that a request can name some work by.

    It has the options that are not at their defaults.
    """
    return str(work.mapped(_label))


def _label(stage: Stage) -> str:
    fields = type(stage.options).model_fields
    options = stage.options.model_dump()
    changed = {name: options[name] for name in options if options[name] != fields[name].get_default()}
    arguments = ", ".join(f"{name}={_written(value)}" for name, value in changed.items())
    return f"{stage}({arguments})" if arguments else str(stage)


def _written(value: Any) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(_written, value))}]"
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def graph(work: Work) -> dict[str, Any] | None:
    """Return the nodes and edges of a composition; `None` for a single technique."""
    if isinstance(work, Leaf):
        return None
    nodes, edges = list[dict[str, Any]](), list[list[int]]()

    def add(label: str, kind: str) -> int:
        nodes.append({"id": len(nodes), "label": label, "kind": kind})
        return len(nodes) - 1

    def draw(part: Work, before: list[int]) -> list[int]:
        """Draw a part behind those `before` it; return its own last nodes."""
        if isinstance(part, Pipeline):
            for each in part.parts:
                before = draw(each, before)
            return before
        if isinstance(part, Parallel):
            ends = [end for each in part.parts for end in draw(each, before)]
            merge = add(MERGE, MERGE)
            edges.extend([end, merge] for end in ends)
            return [merge]
        node = add(expression(part), "technique")
        edges.extend([earlier, node] for earlier in before)
        return [node]

    draw(work, [])
    return {"nodes": nodes, "edges": edges}
