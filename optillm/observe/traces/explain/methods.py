"""What techniques find out in their own ways: searches, verifiers, round trips, solvers.

A technique says so in the attributes of its steps; here is what these mean. None of them is there for another one.
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
    """Explain how often finished beginnings of solutions led to the chosen answer."""
    candidate = winner(document)
    if "completions" not in attributes or candidate is None:
        return []
    completions = attributes["completions"]
    if not completions:
        return ["no beginning of a solution could be finished by the discriminator"]
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
    return [f"{who}, in which the discriminator finished the beginning of a solution, {lead} to it"]


def verifier(document: Document) -> list[str]:
    """Explain how far a verifier that was tested on decoys is believed."""
    verified = [step["attributes"] for step in document["steps"] if "belief" in step["attributes"]]
    if not verified:
        return []
    latest, candidate = verified[-1], winner(document)
    sentences = []
    if candidate is not None and candidate["score"] is not None:
        sentences.append(f"the verifier gives it {mark(candidate['score'])} of 1 on average")
    if latest.get("decoys"):
        decoys = latest["decoys"]
        scored = f", to which it gives {mark(latest['decoy_score'])}" if "decoy_score" in latest else ""
        sentences.append(
            f"the verifier was tested on {counted(decoys, 'decoy')} that {verb(decoys, 'is', 'are')} wrong "
            f"on purpose{scored}"
        )
    belief = latest["belief"]
    if not belief:
        return [*sentences, "it could not tell right from wrong, so its scores count for nothing"]
    return [*sentences, f"its scores count for {round(100 * belief)} percent"]


def round_trips(document: Document) -> list[str]:
    """Explain which draft came back when it was written again from its description."""
    trips = [step["attributes"] for step in document["steps"] if "came_back" in step["attributes"]]
    if not trips:
        return []
    drafts, back = trips[-1]["drafts"], trips[-1]["came_back"]
    versions = trips[-1].get("versions", 0)
    sentences = [
        f"{counted(drafts, 'different draft')} {verb(drafts, 'was', 'were')} described and written again from "
        f"that alone, in {counted(versions, 'version')}"
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
        f"{counted(rejected, 'answer')} written from the drafts {gives} a result that no draft gives, against a "
        f"majority of them, so {was} rejected"
    ]


def solver(document: Document) -> list[str]:
    """Explain what an exact solver made of formalisations of the task."""
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
        sentences.append(
            f"the solver came to no result with {number(formalised)} {was}, so it decided nothing"
        )
    else:
        sentences.append(f"the solver came to a result with {share(results, formalised, 'formalisation')}")
    if latest.get("confirmed"):
        sentences.append("it is that of the direct answer, which is thereby confirmed")
    elif results:
        sentences.append(
            "it is not that of the direct answer, so the answer was written from the solver's result"
        )
    if len(solved) > 1:
        sentences.append(f"{counted(len(solved) - 1, 'round')} of repair came before")
    return sentences
