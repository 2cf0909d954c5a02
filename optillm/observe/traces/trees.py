"""The search trees of a trace document, and the scores that techniques give to candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from optillm.observe.traces.calls import step_of
from optillm.observe.traces.roster import Roster, shortened
from optillm.trace import Span, Trace


def trees_of(trace: Trace, roster: Roster, *, content: bool) -> list[dict[str, Any]]:
    """Return the trees that steps have grown."""
    grown = [span for span in list(trace.spans) if "tree" in dict(span.attributes)]
    return [_tree(span, trace, roster, content=content) for span in grown]


def _tree(span: Span, trace: Trace, roster: Roster, *, content: bool) -> dict[str, Any]:
    tree = span.attributes["tree"]
    parents = {edge["target"]: edge["source"] for edge in tree["edges"]}
    nodes = [_node(node, parents, roster, content=content) for node in tree["nodes"]]
    return {
        "step": step_of(span, trace),
        "kind": span.attributes.get("kind"),
        "nodes": nodes,
        "best": _path(nodes, parents, roster.returned),
    }


def _node(
    node: Mapping[str, Any], parents: Mapping[int, int], roster: Roster, *, content: bool
) -> dict[str, Any]:
    candidate = node.get("candidate")
    entry = None if candidate is None else roster.entries[candidate]
    answer = node.get("answer") if content else None
    return {
        "id": node["id"],
        "parent": parents.get(node["id"]),
        "visits": node["visits"],
        "value": node["value"],
        "candidate": candidate,
        "answer": None if answer is None else shortened(str(answer), 80),
        "label": _label(node, parents, None if entry is None else entry.origin),
        "call": None if entry is None else entry.call,
    }


def _label(node: Mapping[str, Any], parents: Mapping[int, int], origin: str | None) -> str:
    if node["id"] not in parents:
        return "root"
    return str(node.get("action") or origin or "node")


def _path(
    nodes: Sequence[Mapping[str, Any]], parents: Mapping[int, int], returned: Sequence[int]
) -> list[int]:
    """Return the nodes from the root to the candidate that was chosen."""
    chosen = returned[0] if returned else None
    node = next((n["id"] for n in nodes if chosen is not None and n["candidate"] == chosen), None)
    path = []
    while node is not None:
        path.append(node)
        node = parents.get(node)
    return path[::-1]


def scores_of(trace: Trace, roster: Roster, trees: Sequence[Mapping[str, Any]]) -> dict[int, float]:
    """Return the scores of candidates: those of the latest step, else values in a tree."""
    scores = {
        node["candidate"]: node["value"]
        for tree in trees
        for node in tree["nodes"]
        if node["candidate"] is not None
    }
    for span in list(trace.spans):
        scores |= dict(span.attributes).get("scores", {})
    return {
        number: round(float(score), 4) for number, score in scores.items() if number < len(roster.entries)
    }
