"""A role of the demo model: how it is played, and which words call for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from optillm_simulator.roles.blocks import Kind
from optillm_simulator.roles.context import PromptContext

Play = Callable[[PromptContext], str]
NEVER = re.compile(r"(?!)")


@dataclass(frozen=True, slots=True)
class Role:
    """A role: how it is played and what calls for it.

    `names` are words that all but name it, `cues` words that go with it, `keys` names of what a verdict is to
    hold; `sure` are words that leave no doubt. The role needs at least `candidates` quoted candidates and takes at
    `most` that many, or needs `partial` work to continue, quotations of certain kinds, or a context that `fits`.
    `alone`: it may be requested in the same message as the task itself.
    """

    play: Play
    names: re.Pattern[str]
    cues: re.Pattern[str] = NEVER
    keys: re.Pattern[str] = NEVER
    sure: re.Pattern[str] = NEVER
    candidates: int = 1
    most: int = 99
    partial: bool = False
    needs: tuple[Kind, ...] = ()
    fits: Callable[[PromptContext], bool] | None = None
    alone: bool = False

    def score(self, context: PromptContext, text: str) -> int:
        """Return how strongly an instruction calls for this role; 0 if what the role needs is missing."""
        if (self.partial and not context.work_so_far) or not self.candidates <= len(
            context.candidates
        ) <= self.most:
            return 0
        if (self.needs and not context.quoted(*self.needs)) or (self.fits and not self.fits(context)):
            return 0
        keys = [key for key in (context.shape.keys() if context.shape else ()) if self.keys.search(key)]
        named = 5 * _different(self.sure, text) + 2 * _different(self.names, text) + 2 * len(keys)
        return named + _different(self.cues, text) if named or not self.alone else 0


@lru_cache(maxsize=16_384)
def _different(words: re.Pattern[str], text: str) -> int:
    return len({match[0].lower() for match in words.finditer(text)})


def any_of(*patterns: str) -> re.Pattern[str]:
    """Return one pattern that matches any of several, ignoring case."""
    return re.compile("|".join(patterns), re.IGNORECASE)


MEMBER = r"(?:candidate|answer|response|reply|solution|draft|reference|option|proposal|attempt|one)s?"
NEAR = r"[^.\n]{0,40}"
