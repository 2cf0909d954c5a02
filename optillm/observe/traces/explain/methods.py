"""What single techniques add: searches, verifiers, round trips, solvers.

Techniques record these in the attributes of their steps; each function reads those of one kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from optillm.observe.traces.explain.outcome import winner
from optillm.observe.traces.explain.words import (
    Document,
    counted,
    mark,
    number,
    share,
    singular_share,
    verb,
)


def search(document: Document) -> list[str]:
    """Explain how the nodes with the chosen answer fared in a search tree."""
    candidate = winner(document)
    sentences = []
    for tree in document["trees"]:
        nodes = [node for node in tree["nodes"] if node["parent"] is not None]
        leaves = [node for node in nodes if node["candidate"] is not None]
        grown = f"the search grew a tree of {counted(len(nodes), 'node')}"
        some = (
            ""
            if len(leaves) == len(nodes)
            else f", {number(len(leaves)) if leaves else 'none'} of them with an answer"
        )
        sentences.append(f"{grown}{some}")
        best = next((node for node in leaves if candidate and node["candidate"] == candidate["index"]), None)
        if best is not None:
            sentences.append(
                f"the chosen node has the value {mark(best['value'])} after {counted(best['visits'], 'visit')}"
            )
    return [
        *sentences,
        *(each for step in document["steps"] for each in _completions(document, step["attributes"])),
    ]


def _completions(document: Document, attributes: Mapping[str, Any]) -> list[str]:
    """Explain how often completed partial solutions led to the chosen answer."""
    candidate = winner(document)
    if "completions" not in attributes or candidate is None:
        return []
    completions = attributes["completions"]
    if not completions:
        return ["the discriminator could not complete any partial solution"]
    by_candidate = attributes["votes"].items()
    supporting = max(
        (
            votes
            for index, votes in by_candidate
            if document["candidates"][int(index)]["group"] == candidate["group"]
        ),
        default=0,
    )
    lead = "leads" if singular_share(supporting, completions) else "lead"
    who = share(supporting, completions, "completion")
    return [f"the discriminator completed partial solutions: {who} {lead} to it"]


def verifier(document: Document) -> list[str]:
    """Explain how far a verifier that was tested on decoys is trusted."""
    verified = [step["attributes"] for step in document["steps"] if "belief" in step["attributes"]]
    if not verified:
        return []
    latest, candidate = verified[-1], winner(document)
    sentences = []
    if candidate is not None and candidate["score"] is not None:
        sentences.append(f"the verifier scores it {mark(candidate['score'])} out of 1 on average")
    if latest.get("decoys"):
        decoys = latest["decoys"]
        scored = f", scored {mark(latest['decoy_score'])}" if "decoy_score" in latest else ""
        sentences.append(f"the verifier was tested on {counted(decoys, 'deliberately wrong decoy')}{scored}")
    belief = latest["belief"]
    if not belief:
        return [*sentences, "it could not tell right from wrong, so its scores are ignored"]
    return [*sentences, f"its scores carry {round(100 * belief)} percent of their full weight"]


def round_trips(document: Document) -> list[str]:
    """Explain which drafts came back when they were rewritten from their descriptions."""
    trips = [step["attributes"] for step in document["steps"] if "came_back" in step["attributes"]]
    if not trips:
        return []
    drafts, back = trips[-1]["drafts"], trips[-1]["came_back"]
    versions = trips[-1].get("versions", 0)
    sentences = [
        f"{counted(drafts, 'different draft')} {verb(drafts, 'was', 'were')} described and rewritten from "
        f"the description alone, in {counted(versions, 'version')}"
    ]
    if back:
        return [*sentences, f"{share(back, drafts, 'draft')} came back the same"]
    return [*sentences, "no draft came back the same"]


def guard(document: Document) -> list[str]:
    """Explain why an answer that was written from drafts was rejected."""
    rejected = sum(step["attributes"].get("rejected", 0) for step in document["steps"])
    if not rejected:
        return []
    was = verb(rejected, "it was", "they were")
    gives = verb(rejected, "gives", "give")
    return [
        f"{counted(rejected, 'answer')} written from the drafts {gives} a result that no draft gives and that "
        f"contradicts most of them, so {was} rejected"
    ]


def solver(document: Document) -> list[str]:
    """Explain what an exact solver concluded from formalisations of the task."""
    solved = [step["attributes"] for step in document["steps"] if "solved" in step["attributes"]]
    if not solved:
        return []
    latest, formalised = solved[-1], sum(step["formalisations"] for step in solved)
    results = sum(step["solved"] for step in solved)
    sentences = []
    if not formalised:
        sentences.append("the task could not be formalised, so the direct answer stands")
    elif not results:
        was = verb(formalised, "formalisation", "formalisations")
        sentences.append(f"the solver found no result for {number(formalised)} {was}, so it decided nothing")
    else:
        sentences.append(f"the solver found a result for {share(results, formalised, 'formalisation')}")
    if latest.get("confirmed"):
        sentences.append("it confirms the direct answer")
    elif results:
        sentences.append(
            "it differs from the direct answer, so the final answer was written from the solver's result"
        )
    if len(solved) > 1:
        sentences.append(f"this took {counted(len(solved) - 1, 'round')} of repair")
    return sentences
