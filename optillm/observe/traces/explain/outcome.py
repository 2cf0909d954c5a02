"""Which answer was chosen, how many candidates give it, and which answer came next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from optillm.observe.traces.explain.words import (
    Document,
    answer_name,
    counted,
    mark,
    none_or,
    share,
    singular_share,
    verb,
)

VOTERS: Final = ("sample", "refinement")
"""Origins of candidates whose answers are counted as votes."""


def winner(document: Document) -> Mapping[str, Any] | None:
    """Return the candidate that the client got."""
    chosen_ones = document["outcome"]["chosen"]
    return document["candidates"][chosen_ones[0]] if chosen_ones else None


def voters(document: Document) -> list[Mapping[str, Any]]:
    """Return the candidates that have a vote."""
    return [candidate for candidate in document["candidates"] if candidate["origin"] in VOTERS]


def noun_of(candidates: list[Mapping[str, Any]]) -> str:
    """Return what these candidates are called."""
    return "sample" if all(candidate["origin"] == "sample" for candidate in candidates) else "candidate"


def chosen(document: Document) -> list[str]:
    """Explain which answer was chosen, and how many candidates give it."""
    candidate = winner(document)
    if candidate is None:
        return ["no answer was chosen"]
    name = answer_name(document, candidate["group"])
    if candidate["origin"] == "synthesis":
        return _written(document, candidate, name)
    if candidate["origin"] == "mended":
        return [f"{name} was chosen, after one more call brought it into the required format"]
    if candidate["origin"] == "shown":
        return ["the answer is what had already been streamed to the client"]
    if candidate["origin"] == "answer" or len(document["candidates"]) == 1:
        return [f"{name} was the only candidate"]
    return [f"{name} was chosen", *_votes(document, candidate)]


def _votes(document: Document, candidate: Mapping[str, Any]) -> list[str]:
    electorate = voters(document)
    agreeing = [voter for voter in electorate if voter["group"] == candidate["group"]]
    if not agreeing or len(electorate) < 2:
        return []
    if len(agreeing) == 1 and len(document["groups"]) == len(electorate):
        return [f"no two of {counted(len(electorate), noun_of(electorate))} give the same answer"]
    who = share(len(agreeing), len(electorate), noun_of(electorate))
    give = "gives" if singular_share(len(agreeing), len(electorate)) else "give"
    return [f"{who} {give} this answer"]


def _written(document: Document, candidate: Mapping[str, Any], name: str) -> list[str]:
    drafts = voters(document)
    if not drafts:
        return [f"{name} was written for the client at the end"]
    agreeing = sum(draft["group"] == candidate["group"] for draft in drafts)
    origin = f"{name} was written from {counted(len(drafts), 'draft')}"
    if len(drafts) == 1:
        return [f"{origin}, which gives {'the same' if agreeing else 'another'} answer"]
    return [f"{origin}, {none_or(agreeing)} of which {verb(agreeing or 1, 'gives', 'give')} the same answer"]


def early(document: Document) -> list[str]:
    """Explain why the work stopped before all planned calls."""
    if document["stop"] != "settled":
        return []
    drawn = [call for call in document["calls"] if call["role"] == "generate"]
    open_calls = sum(call["status"] == "cancelled" for call in drawn)
    if open_calls:
        was = verb(open_calls, "was", "were")
        return [
            "the outcome was settled: the remaining samples would hardly have changed it",
            f"{counted(open_calls, 'other sample')} {was} not waited for",
        ]
    if not document["ballots"] and not document["steps"]:
        return ["that is clear enough, so no more calls were made"]
    return ["the technique stopped early: more calls would hardly have changed the answer"]


def runner_up(document: Document) -> list[str]:
    """Explain how the best candidate with another answer fared."""
    number_of_candidate = document["outcome"]["runner_up"]
    candidate = winner(document)
    if number_of_candidate is None or candidate is None:
        return []
    rival = document["candidates"][number_of_candidate]
    name = answer_name(document, rival["group"])
    electorate = voters(document)
    votes = sum(voter["group"] == rival["group"] for voter in electorate)
    fate = f"the runner-up, {name}, "
    if votes:
        fate += f"was given by {counted(votes, noun_of(electorate))}"
    else:
        fate += "had no votes"
    if candidate["score"] is not None and rival["score"] is not None and candidate["origin"] in VOTERS:
        fate += (
            f" and scored {mark(rival['score'])}, against {mark(candidate['score'])} for the chosen answer"
        )
    return [fate]
