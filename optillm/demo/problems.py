"""Problems with known truth, for measuring what a technique gains. The same seed gives the same problems."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from optillm.demo.skills.invented_puzzles import invent_puzzle
from optillm.demo.skills.invented_stories import invent_story

Family = Literal["arithmetic", "ordering"]


@dataclass(frozen=True, slots=True)
class Problem:
    """A question, its right answer (a number, a name, an ordinal or names in order), and its family."""

    question: str
    answer: str
    family: Family


def generate(family: Family, count: int, seed: int) -> list[Problem]:
    """`count` problems of a family."""
    luck = random.Random(f"{family} {seed}")  # noqa: S311 - reproducible, not secret
    invent = invent_story if family == "arithmetic" else invent_puzzle
    return [Problem(*invent(luck), family) for _ in range(count)]
