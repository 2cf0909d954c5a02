"""Why a request gave its answer, in sentences, from its trace document alone."""

from __future__ import annotations

from optillm.observe.traces.explain.words import Document


def why(document: Document) -> list[str]:
    """Return the sentences that a person reads first."""
    return []
