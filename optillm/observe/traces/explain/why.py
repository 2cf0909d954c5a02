"""The sentences that a person reads first, in their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from optillm.observe.traces.explain import ends, judges, methods, outcome
from optillm.observe.traces.explain.words import Document, sentence

Explanation = Callable[[Document], Sequence[str]]

PARTS: Final[Sequence[Explanation]] = (
    outcome.chosen,
    outcome.early,
    judges.rankings,
    judges.ratings,
    judges.sorting,
    judges.proof,
    methods.search,
    methods.verifier,
    methods.round_trips,
    methods.guard,
    methods.solver,
    outcome.runner_up,
    judges.unread,
    ends.parts,
    ends.limits,
    ends.losses,
)
"""The parts of an explanation; each returns nothing for documents that it does not apply to."""


def why(document: Document) -> list[str]:
    """Return in sentences why a request gave its answer, or none."""
    end = ends.without_answer(document) or ends.passed_on(document)
    if end:
        return [sentence(each) for each in end]
    return [sentence(each) for part in PARTS for each in part(document)]
