"""Why a request gave its answer, in sentences, from its trace document alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def why(document: Mapping[str, Any]) -> list[str]:
    """Return the sentences that a person reads first."""
    return []
